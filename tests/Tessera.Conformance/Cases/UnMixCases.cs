using Tessera.Data;
using Tessera.Training.Losses;
using Tessera.Training.Objectives.SelfSupervision;

namespace Tessera.Conformance.Cases;

[Case("unmix.region-boxes", OnCpu = true)]
internal sealed class UnMixRegionBoxes : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        var (rows, columns) = (c.Int("rows"), c.Int("columns"));
        // Per row lambda and the centre along both axes: in double precision, since sides are cut off to whole pixels.
        var boxes = run.Literal("cases")
            .Chunk(3)
            .Select(draw => Mix.Cut(draw[0], (int)draw[1], (int)draw[2], rows, columns))
            .SelectMany(mix => (double[])[mix.Box!.Value.Top, mix.Box.Value.Left, mix.Box.Value.Bottom, mix.Box.Value.Right, mix.Share])
            .ToArray();
        run.Output("boxes", boxes, boxes.Length / 5, 5);
    }
}

[Case("unmix.mixtures")]
internal sealed class UnMixMixtures : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        var images = run.Input("images");
        run.ExpectBatch("images");
        var (height, width) = c.Size("image_size");
        if ((height, width) != (images.Size(2), images.Size(3)))
            throw new GoldenMismatchException($"'image_size' is {height} x {width}, images are {images.Shape}");
        var global = UnMixed.Images(images, new(c.Double("lam")));
        run.Output("global", global);
        run.Output("global_flip", UnMixed.Flip(global));
        var mix = Region(c, height, width);
        var region = UnMixed.Images(images, mix);
        run.Output("region", region);
        run.Output("region_flip", UnMixed.Flip(region));
        run.Output("adjusted_lambda", mix.Share);
    }

    /// <summary>A mixture by the box of a file.</summary>
    internal static Mix Region(Config c, int height, int width) =>
        c.Ints("box") is [var top, var left, var bottom, var right]
            ? new(1 - (double)(bottom - top) * (right - left) / ((double)height * width), new MixBox(top, bottom, left, right))
            : throw new GoldenMismatchException("'box' must have four entries");
}

[Case("unmix.simclr-loss")]
internal sealed class UnMixSimClr : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        c.Expect("base", "simclr");
        run.ExpectBatch("z1");
        c.Expect("dim", run.Input("z1").Size(1));
        var temperature = c.Double("temperature");
        var (first, second, mixed) = (run.Input("z1"), run.Input("z2"), run.Input("zm"));
        Tensor Loss(Tensor a, Tensor b) => NtXent.Of(a, b, temperature).Mean;
        run.Output(new(Loss(first, second), Loss(second, mixed), Loss(second, UnMixed.Flip(mixed)), c.Double("lam")));
    }
}

[Case("unmix.w-mse-loss")]
internal sealed class UnMixWMse : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        c.Expect("base", "w_mse");
        run.ExpectBatch("h1");
        c.Expect("dim", run.Input("h1").Size(1));
        var count = run.Input("h1").Size(0);
        var totals = new List<UnMixed>();
        for (var i = 0; i < c.Int("whitening_iterations"); i++)
        {
            // A file whose groups are the whole batch needs no order of the samples.
            var order = run.HasInput($"permutation_{i}") ? run.Input($"permutation_{i}") : Torch.Arange(count, device: run.Device);
            Tensor[] whitened =
            [
                .. new[] { "h1", "h2", "hm" }.Select(name =>
                    Whitening.InGroups(run.Input(name), order, c.Int("whitening_size"), c.Double("whitening_eps"))
                ),
            ];
            if (i == 0)
                foreach (var (k, name) in new[] { "1", "2", "m" }.Index())
                    run.Output($"whitened{name}", whitened[k]);
            totals.Add(WMse.Mix(CosineDistance.Mean(whitened[0], whitened[1]), whitened[1], whitened[2], c.Double("lam")));
        }
        Tensor Average(Func<UnMixed, Tensor> of) => Torch.Stack([.. totals.Select(of)]).Mean();
        run.Output(new(Average(t => t.Original), Average(t => t.Mixed), Average(t => t.Flipped), c.Double("lam")));
    }
}

[Case("unmix.byol-loss")]
internal sealed class UnMixByol : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        c.Expect("base", "byol");
        run.ExpectBatch("p1");
        c.Expect("dim", run.Input("p1").Size(1));
        ByolView View(string name) => new(run.Input($"p{name}"), run.Input($"p{name}"), run.Input($"p{name}"), run.Input($"t{name}"));
        run.Output(Byol.Mix(View("1"), View("2"), View("m"), c.Double("lam")));
    }
}

[Case("unmix.moco-loss")]
internal sealed class UnMixMoco : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        c.Expect("base", "moco");
        run.ExpectBatch("q1");
        c.Expect("dim", run.Input("q1").Size(1));
        c.Expect("queue_size", run.Input("queue").Size(1));
        var both = c.Bool("symmetric");
        // Where only one direction is compared, nobody asks for the rest.
        Tensor[] queries = [run.Input("q1"), run.Input("q2")];
        Tensor[] keys = [run.Input("k2"), run.Input("k1")];
        var (temperature, share) = (c.Double("temperature"), c.Double("lam"));
        UnMixed? sum = null;
        for (var i = 0; i < (both ? 2 : 1); i++)
        {
            var key = InfoNce.Normalize(keys[i]).Detach();
            var queue = run.Input("queue").Detach();
            var original = InfoNce.Loss(InfoNce.Logits(InfoNce.Normalize(queries[i]), key, queue, temperature));
            var terms = Moco.Mix(original, run.Input("qm"), key, queue, temperature, share);
            run.Output($"original_{i}", terms.Original);
            run.Output($"mixed_{i}", terms.Mixed);
            run.Output($"flipped_{i}", terms.Flipped);
            sum = sum is null ? terms : sum + terms;
        }
        run.Output("loss", sum!.Total);
    }
}

[Case("unmix.moco-step")]
internal sealed class UnMixMocoStep : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        c.Expect("base", "moco");
        run.ExpectBatch("im1");
        var network = run.Load(new MocoNetwork(run, mlp: false), MocoNetwork.OfDemo);
        var method = network.Method;
        method.Follow();
        Tensor[] orders = [.. Enumerable.Range(0, c.Bool("symmetric") ? 2 : 1).Select(i => run.Input($"permutation_{i}"))];
        var pass = method.Contrast(run.Input("im1"), run.Input("im2"), orders, Mixture(run));
        run.Output("out.loss", pass.Loss);
        method.Enqueue(pass.Entering);
        run.Output("out.queue", network.StateDict()["queue"]);
    }

    // The share of a file is the one in the loss, after clipping.
    private static Mixture Mixture(GoldenRun run)
    {
        var (c, images) = (run.Config, run.Input("im1"));
        var share = c.Double("lam");
        switch (c.String("mixture"))
        {
            case "global":
                c.ExpectNone("box");
                return new(UnMixed.Images(images, new(share)), share);
            case "region":
                var mix = UnMixMixtures.Region(c, (int)images.Size(2), (int)images.Size(3));
                return new(UnMixed.Images(images, mix), share);
            case var other:
                throw new NotSupportedException($"a mixture '{other}'");
        }
    }
}

internal static class UnMixOutputs
{
    /// <summary>Puts out the three losses and their sum.</summary>
    public static void Output(this GoldenRun run, UnMixed terms)
    {
        run.Output("original", terms.Original);
        run.Output("mixed", terms.Mixed);
        run.Output("flipped", terms.Flipped);
        run.Output("loss", terms.Total);
    }
}
