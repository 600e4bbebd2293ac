using Tessera.Data;
using Tessera.Data.Transforms;

namespace Tessera.Conformance.Cases.Data;

/// <summary>What both kinds of mixing files ask for.</summary>
internal static class MixingRun
{
    public static void Run(GoldenRun run, string images, string targets, Mix[] plan, double smoothing)
    {
        var x = run.Input("x");
        var shape = x.Shape;
        var (height, width) = ((int)shape[2], (int)shape[3]);
        if (run.Real == DType.Float64)
            run.Output(images, Tensor.From(Mixed<double>(x, plan, height, width)).Reshape(shape));
        else
            run.Output(images, Tensor.From(Mixed<float>(x, plan, height, width)).Reshape(shape));
        var classes = run.Config.Int("num_classes");
        var values = ClassLabels.Mixed(run.Input("labels").ToArray<long>(), new(plan, smoothing), classes);
        run.Output(targets, Tensor.From(values).Reshape(shape[0], classes));
    }

    private static T[] Mixed<T>(Tensor x, Mix[] plan, int height, int width)
        where T : unmanaged, System.Numerics.IFloatingPointIeee754<T>
    {
        var values = x.ToArray<T>();
        Mixing.Apply(values.AsSpan(), plan, height, width);
        return values;
    }
}

[Case("augmentation.mixup-cutmix", OnCpu = true)]
internal sealed class MixupCutmix : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        var smoothing = c.Double("label_smoothing");
        var shape = run.Input("x").Shape;
        var (count, height, width) = ((int)shape[0], (int)shape[2], (int)shape[3]);
        var (shares, cuts) = (c.Doubles("lam"), c.Bools("use_cutmix"));
        var centers = c["centers"].EnumerateArray().Select(p => (Y: p[0].GetInt32(), X: p[1].GetInt32())).ToArray();
        // Corrected, the share is what the box leaves; else the one that was drawn.
        var corrected = c.Bool("correct_lam");
        Mix Cut(int i) =>
            Mix.Cut(shares[i], centers[i].Y, centers[i].X, height, width) is var cut && corrected ? cut : cut with { Share = shares[i] };
        // Shares of single images are held in single precision there.
        Mix Own(int i) => cuts[i] ? Cut(i) with { Share = (float)Cut(i).Share } : new((float)shares[i]);
        MixingRun.Run(run, "batch_mixup.x", "batch_mixup.target", [.. Enumerable.Repeat(new Mix(shares[0]), count)], smoothing);
        MixingRun.Run(run, "batch_cutmix.x", "batch_cutmix.target", [.. Enumerable.Repeat(Cut(0), count)], smoothing);
        MixingRun.Run(run, "elem.x", "elem.target", [.. Enumerable.Range(0, count).Select(Own)], smoothing);
        MixingRun.Run(
            run,
            "pair.x",
            "pair.target",
            [.. Enumerable.Range(0, count).Select(i => Own(Math.Min(i, count - 1 - i)))],
            smoothing
        );
    }
}

[Case("deit.mixup-cutmix", OnCpu = true)]
internal sealed class DeitMixupCutmix : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        var shape = run.Input("x").Shape;
        c.Expect("mode", "batch");
        var mix = new Mix(c.Double("mixup_lambda"));
        if (c.Has("cutmix_center"))
        {
            var center = c.Ints("cutmix_center");
            mix = Mix.Cut(mix.Share, center[0], center[1], (int)shape[2], (int)shape[3]);
            var box = mix.Box!.Value;
            if (!c.Ints("expected_box").SequenceEqual([box.Top, box.Bottom, box.Left, box.Right]))
                run.Fail($"box is {box}");
        }
        else
            c.ExpectNone("expected_box");
        run.Output("corrected_lambda", mix.Share);
        MixingRun.Run(run, "mixed", "targets", [.. Enumerable.Repeat(mix, (int)shape[0])], c.Double("smoothing"));
    }
}
