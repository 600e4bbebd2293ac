using Tessera.Models;

namespace Tessera.Conformance.Cases;

/// <summary>A classifier with records of its stages, its blocks and its last features.</summary>
internal abstract class MlpNetwork : GoldenCase
{
    protected abstract Backbone Build(Config c);

    /// <summary>Path of stage i.</summary>
    protected virtual string? StagePath(Backbone model, int stage) => null;

    /// <summary>Whether the file records maps channels last.</summary>
    protected virtual bool ChannelsLast => true;

    public override void Run(GoldenRun run)
    {
        run.Config.Expect("family", run.File.Case["mlp.".Length..]);
        var model = run.Load(Build(run.Config));
        var stages = run
            .File.Outputs.Keys.Where(name => name.StartsWith("stage", StringComparison.Ordinal))
            .ToDictionary(name => name, name => StagePath(model, int.Parse(name["stage".Length..])) ?? "");
        var blocks = run
            .File.Outputs.Keys.Where(name => name.StartsWith("block", StringComparison.Ordinal))
            .ToDictionary(name => name, name => model.BlockPaths[int.Parse(name["block".Length..])]);
        using var taps = new Taps(model, [.. stages.Values, .. blocks.Values]);
        var features = model.ForwardFeatures(run.Input("x"));
        run.Output("out.logits", model.ForwardClassifier(Pooled(features)));
        run.Output("tokens", features.Dim == 4 ? features.Flatten(2).Transpose(1, 2) : features);
        foreach (var (name, path) in stages.Concat(blocks))
            run.Output(name, ChannelsLast && taps[path].Dim == 4 ? taps[path].Permute(0, 2, 3, 1) : taps[path]);
    }

    // The mean over tokens or positions, which is what all of these models pool by.
    private static Tensor Pooled(Tensor features) => features.Dim == 4 ? features.Mean([2, 3]) : features.Mean(1);

    protected static double[] Ratios(Config c) => c.Doubles("mlp_ratios");
}

[Case("mlp.mixer")]
[Case("mlp.gmixer")]
internal sealed class MixerNetwork : MlpNetwork
{
    protected override Backbone Build(Config c) =>
        new Mixer(
            new Mixer.Config(
                c.Size("image_size"),
                c.Int("patch_size"),
                c.Int("embed_dim"),
                c.Int("depth"),
                c.Int("num_classes"),
                c.Int("in_channels"),
                c.Doubles("mlp_ratio")[0],
                c.Doubles("mlp_ratio")[1],
                c.String("family") == "gmixer"
            )
        );
}

[Case("mlp.resmlp")]
internal sealed class ResMlpNetwork : MlpNetwork
{
    protected override Backbone Build(Config c) =>
        new ResMlp(
            new ResMlp.Config(
                c.Size("image_size"),
                c.Int("patch_size"),
                c.Int("embed_dim"),
                c.Int("depth"),
                c.Int("num_classes"),
                c.Int("in_channels"),
                c.Double("mlp_ratio")
            )
        );
}

[Case("mlp.gmlp")]
internal sealed class GMlpNetwork : MlpNetwork
{
    protected override Backbone Build(Config c) =>
        new GMlp(
            new GMlp.Config(
                c.Size("image_size"),
                c.Int("patch_size"),
                c.Int("embed_dim"),
                c.Int("depth"),
                c.Int("num_classes"),
                c.Int("in_channels"),
                c.Double("mlp_ratio")
            )
        );
}

[Case("mlp.vip")]
internal sealed class VipNetwork : MlpNetwork
{
    protected override Backbone Build(Config c) =>
        new Vip(
            new Vip.Config(
                c.Size("image_size"),
                c.Int("patch_size"),
                c.Ints("depths"),
                c.Ints("embed_dims"),
                c.Ints("segment_dims"),
                c.Bools("transitions"),
                Ratios(c),
                c.Int("num_classes"),
                c.Int("in_channels")
            )
        );

    protected override string StagePath(Backbone model, int stage) => $"network.{StagePosition(model, stage)}";

    internal static string StagePosition(Backbone model, int stage) =>
        model.BlockPaths.Select(path => path.Split('.')[1]).Distinct().ElementAt(stage);
}

[Case("mlp.cyclemlp")]
internal sealed class CycleMlpNetwork : MlpNetwork
{
    protected override Backbone Build(Config c) =>
        new CycleMlp(
            new CycleMlp.Config(
                c.Size("image_size"),
                c.Ints("depths"),
                c.Ints("embed_dims"),
                Ratios(c),
                c.Int("num_classes"),
                c.Int("in_channels")
            )
        );

    protected override string StagePath(Backbone model, int stage) => $"network.{VipNetwork.StagePosition(model, stage)}";
}

[Case("mlp.hiremlp")]
internal sealed class HireMlpNetwork : MlpNetwork
{
    protected override bool ChannelsLast => false;

    protected override Backbone Build(Config c) =>
        new HireMlp(
            new HireMlp.Config(
                c.Size("image_size"),
                c.Ints("depths"),
                c.Ints("embed_dims"),
                Ratios(c),
                c.Ints("region_sizes"),
                c.Ints("step_strides"),
                c.Ints("step_dilations"),
                Padding(c.String("step_pad_mode", "c")),
                Padding(c.String("region_pad_mode", "c")),
                c.Int("num_classes"),
                c.Int("in_channels")
            )
        );

    protected override string StagePath(Backbone model, int stage) => $"network.{VipNetwork.StagePosition(model, stage)}";

    private static HirePadding Padding(string mode) =>
        mode switch
        {
            "c" or "circular" => HirePadding.Circular,
            "0" or "zero" => HirePadding.Zero,
            "r" or "replicate" => HirePadding.Replicate,
            _ => throw new NotSupportedException($"padding '{mode}'"),
        };
}

[Case("mlp.s2mlpv1")]
[Case("mlp.s2mlpv2")]
internal sealed class S2MlpNetwork : MlpNetwork
{
    protected override Backbone Build(Config c) =>
        new S2Mlp(
            new S2Mlp.Config(
                c.Size("image_size"),
                c.Ints("patch_sizes"),
                c.Ints("embed_dims"),
                c.Ints("depths"),
                Ratios(c),
                c.String("family") == "s2mlpv2",
                c.Int("num_classes"),
                c.Int("in_channels")
            )
        );
}

[Case("mlp.asmlp")]
internal sealed class AsMlpNetwork : MlpNetwork
{
    protected override bool ChannelsLast => false;

    protected override Backbone Build(Config c) =>
        new AsMlp(
            new AsMlp.Config(
                c.Size("image_size"),
                c.Int("embed_dim"),
                c.Ints("depths"),
                c.Int("shift_size"),
                c.Int("patch_size"),
                c.Double("mlp_ratio"),
                c.Int("num_classes"),
                c.Int("in_channels")
            )
        );

    protected override string StagePath(Backbone model, int stage) => $"layers.{stage}";
}

[Case("mlp.costs")]
internal sealed class MlpCosts : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        c.Expect("token_hidden", "C/2 (mixer)");
        foreach (var shape in c["shapes"].EnumerateArray().Select(GoldenFile.Longs))
        {
            var sizes = new OperatorSizes(
                (int)shape[0],
                (int)shape[1],
                (int)shape[2],
                c.Int("kernel"),
                Expansion: c.Double("gmlp_expansion"),
                Region: c.Int("region")
            );
            foreach (var op in SpatialOperator.All)
            {
                var cost = op.Cost(sizes);
                run.Output($"cost.{op.Name}.{shape[0]}x{shape[1]}x{shape[2]}", [cost.Weights, cost.Macs]);
            }
        }
        // By the case's definition fields are those of a 15 x 15 grid, kernels and regions of 3, whatever the costs are of; a number
        // behind AS-MLP's name is its spread of shifts.
        var field = new OperatorSizes(15, 15, 60, 3, Region: 3, ShiftSize: 5);
        foreach (var name in run.File.Outputs.Keys.Where(name => name.StartsWith("field.", StringComparison.Ordinal)))
        {
            var op = name["field.".Length..];
            var sizes =
                SpatialOperator.All.All(o => o.Name != op) && op.StartsWith("asmlp", StringComparison.Ordinal)
                    ? field with
                    {
                        ShiftSize = int.Parse(op["asmlp".Length..]),
                    }
                    : field;
            run.Output(name, [SpatialOperator.Get(sizes == field ? op : "asmlp").Cost(sizes).Reach]);
        }
    }
}
