using Tessera.Models;
using Tessera.Models.Layers;
using Tessera.Training;
using Tessera.Training.Losses;
using Tessera.Training.Objectives;
using Tessera.Training.Optimization;

namespace Tessera.Conformance.Cases;

[Case("lvvit.network")]
internal sealed class LvVitNetwork : GoldenCase
{
    internal static LvVit Create(Config c) =>
        new(
            new LvVit.Config(
                c.Size("image_size"),
                c.Int("patch_size"),
                c.Int("embed_dim"),
                c.Int("depth"),
                c.Int("num_heads"),
                c.Double("skip_lambda", 1),
                Filters(c),
                c.Int("num_classes"),
                c.Int("in_channels"),
                c.Double("mlp_ratio"),
                c.Bool("qkv_bias"),
                c.Bool("return_dense"),
                Order: c.Has("block_order") ? c.Strings("block_order") : null
            )
        );

    internal static int Filters(Config c) =>
        c.String("patch_embedding", "naive") switch
        {
            "naive" => 0,
            "4_2" => 64,
            "4_2_128" => 128,
            var other => throw new NotSupportedException($"a patch embedding '{other}'"),
        };

    public override void Run(GoldenRun run)
    {
        // Tokens are mixed in training alone.
        run.Config.ExpectOneOf("mix_token", true, false);
        var model = run.Load(Create(run.Config));
        using var taps = new Taps(model, "*");
        run.Output("out.logits", model.Call(run.Input("x")));
        run.Output("tokens", taps["normed"]);
        foreach (var name in new[] { "embedding", "class_logits", "dense_logits" })
            if (taps.Records.TryGetValue(name, out var value))
                run.Output(name, value);
    }
}

[Case("lvvit.network-train")]
internal sealed class LvVitNetworkTrain : GoldenCase
{
    internal static TokenBox Box(Config c) =>
        c.Ints("mix_box") is [var top, var left, var bottom, var right]
            ? new(top, left, bottom, right)
            : throw new NotSupportedException("a box to mix: [top, left, bottom, right] was expected");

    public override void Run(GoldenRun run)
    {
        var model = run.Load(LvVitNetwork.Create(run.Config));
        var box = Box(run.Config);
        var outputs = model.Run(new(run.Input("x")) { MixBox = run.Config.Bool("mix_token") ? box : default });
        run.Output("out.logits", outputs.Logits);
        if (outputs.Named.TryGetValue(LvVit.Dense, out var dense))
            run.Output("out.dense", dense);
    }
}

[Case("lvvit.loss")]
internal sealed class LvVitLoss : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        var (logits, dense) = (run.Input("logits"), run.Input("dense")); // [B, K], [B, N, K]
        c.Expect("num_classes", logits.Size(1));
        if (c.Ints("token_grid") is not [var rows, var columns] || rows * columns != dense.Size(1))
            throw new GoldenMismatchException($"'config.token_grid' does not make the {dense.Size(1)} tokens of 'dense'");
        run.Output(
            "loss",
            TokenLabeling.Loss(
                logits,
                dense,
                run.Input("target_raw").Softmax(1),
                LvVitNetworkTrain.Box(c),
                c.Double("dense_weight"),
                c.Double("class_weight"),
                c.Bool("use_ground_truth")
            )
        );
    }
}

[Case("lvvit.label-map")]
internal sealed class LvVitLabelMap : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        // [B, top_k, height, width]
        c.Expect("top_k", run.Input("indices").Size(1));
        c.Expect("map_size", run.Input("indices").Shape.ToArray()[2..]);
        Tensor Targets(TokenLabeling.Axes axes) =>
            TokenLabeling.Targets(
                run.Input("scores"),
                run.Input("indices"),
                run.Input("crops"),
                run.Input("labels"),
                c.Int("num_classes"),
                c.Int("label_size"),
                c.Double("smoothing"),
                axes
            );
        run.Output("target_reference", Targets(TokenLabeling.Axes.Exchanged));
        run.Output("target_correct", Targets(TokenLabeling.Axes.Correct));
    }
}
