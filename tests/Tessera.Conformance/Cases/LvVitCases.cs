using Tessera.Models;
using Tessera.Models.Layers;
using Tessera.Training;

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
            "4_2" => 64,
            "4_2_128" => 128,
            _ => 0,
        };

    public override void Run(GoldenRun run)
    {
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
        c.Ints("mix_box") is [var top, var left, var bottom, var right] ? new(top, left, bottom, right) : default;

    public override void Run(GoldenRun run)
    {
        var model = run.Load(LvVitNetwork.Create(run.Config));
        var outputs = model.Run(new(run.Input("x")) { MixBox = Box(run.Config) });
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
        run.Output(
            "loss",
            TokenLabeling.Loss(
                run.Input("logits"),
                run.Input("dense"),
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
