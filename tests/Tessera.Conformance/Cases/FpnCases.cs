using Tessera.Models;

namespace Tessera.Conformance.Cases;

[Case("fpn.neck")]
internal sealed class FpnNeck : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        var inputs = c.Ints("in_channels");
        var neck = run.Load(
            new Fpn(
                new(
                    inputs,
                    c.Int("out_channels"),
                    c.Int("num_outs"),
                    c.Int("start_level", 0),
                    Extra(c),
                    c.Bool("relu_before_extra_convs", false)
                )
            )
        );
        run.ExpectBatch("x0");
        foreach (var (i, output) in neck.Call(Maps(run, inputs.Length)).Index())
            run.Output($"out.{i}", output);
    }

    internal static FpnExtra Extra(Config c) =>
        !c.Has("add_extra_convs")
            ? FpnExtra.None
            : c.String("add_extra_convs") switch
            {
                "on_input" => FpnExtra.OnInput,
                "on_lateral" => FpnExtra.OnLateral,
                "on_output" => FpnExtra.OnOutput,
                var other => throw new GoldenMismatchException(
                    $"'add_extra_convs' is '{other}', a source of extra convolutions was expected"
                ),
            };

    /// <summary>The maps x0, x1, ..., whose sizes the file says twice.</summary>
    internal static Tensor[] Maps(GoldenRun run, int count)
    {
        Tensor[] maps = [.. Enumerable.Range(0, count).Select(i => run.Input($"x{i}"))];
        run.Config.Expect("feature_sizes", maps.Select(map => map.Shape.ToArray()[2..]));
        return maps;
    }
}

[Case("semantic-fpn.network")]
internal sealed class SemanticFpnNetwork : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        c.Expect("align_corners", false);
        var inputs = c.Ints("in_channels");
        var neck = new Fpn(new(inputs, c.Int("fpn_channels"), inputs.Length));
        var head = new FpnHead(
            new(
                [.. inputs.Select(_ => c.Int("fpn_channels"))],
                c.Int("channels"),
                c.Int("num_classes"),
                c.Doubles("feature_strides"),
                run.Rate("dropout_ratio")
            )
        );
        run.Load(new Joined(neck, head));
        run.ExpectBatch("x0");
        var levels = neck.Call(FpnNeck.Maps(run, inputs.Length));
        foreach (var (i, level) in levels.Index())
            run.Output($"out.fpn.{i}", level);
        run.Output("out.logits", head.Call(levels));
    }

    private sealed class Joined(Fpn neck, FpnHead head) : Module
    {
        protected override void ListMembers(Members members)
        {
            members.Add("neck", neck);
            members.Add("decode_head", head);
        }
    }
}
