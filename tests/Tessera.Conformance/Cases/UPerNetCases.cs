using Tessera.Models;
using Tessera.Models.Layers;

namespace Tessera.Conformance.Cases;

[Case("upernet.head")]
internal sealed class UPerNetHead : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        c.Expect("align_corners", false);
        var inputs = c.Ints("in_channels");
        var head = run.Load(
            new UPerHead(new(inputs, c.Int("channels"), c.Int("num_classes"), c.Ints("pool_scales"), run.Rate("dropout_ratio")))
        );
        run.ExpectBatch("x0");
        using var taps = new Taps(head, "ppm.*", "psp");
        run.Output("out.logits", head.Call(FpnNeck.Maps(run, inputs.Length)));
        foreach (var (name, value) in taps.Records)
            run.Output($"out.{name}", value);
        foreach (var (name, tensor) in head.StateDict())
            run.Output($"after.{name}", tensor);
    }
}

[Case("upernet.fcn-head")]
internal sealed class AuxiliaryHead : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        var head = run.Load(
            new FcnHead(
                new(
                    c.Int("in_channels"),
                    c.Int("channels"),
                    c.Int("num_classes"),
                    c.Int("num_convs"),
                    c.Int("kernel_size"),
                    c.Bool("concat_input"),
                    run.Rate("dropout_ratio")
                )
            )
        );
        // The file has that map alone.
        if (c.Int("in_index") < 0)
            throw new GoldenMismatchException($"'in_index' is {c.Int("in_index")}, the number of a map was expected");
        run.ExpectBatch("x");
        c.Expect("feature_sizes", new[] { run.Input("x").Shape.ToArray()[2..] });
        run.Output("out.logits", head.Call(run.Input("x")));
        foreach (var (name, tensor) in head.StateDict())
            run.Output($"after.{name}", tensor);
    }
}

[Case("upernet.vit-scales")]
internal sealed class ScalesOfPlainTransformer : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var dim = run.Config.Int("embed_dim");
        var scales = run.Load(new FeatureScales([(dim, 2), (dim, 1), (dim, 0), (dim, -1)]));
        run.ExpectBatch("x0");
        Tensor[] maps = [.. Enumerable.Range(0, 4).Select(i => run.Input($"x{i}"))];
        run.Config.Expect("token_grid", maps[0].Shape.ToArray()[2..]);
        foreach (var (i, map) in scales.Call(maps).Index())
            run.Output($"out.{i}", map);
        foreach (var (name, tensor) in scales.StateDict())
            run.Output($"after.{name}", tensor);
    }
}
