using Tessera.Models;

namespace Tessera.Conformance.Cases;

[Case("pit.network")]
internal sealed class PitNetwork : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        var model = run.Load(
            new Pit(
                new Pit.Config(
                    c.Size("image_size"),
                    c.Int("patch_size"),
                    c.Int("stride"),
                    c.Int("head_dim"),
                    c.Ints("depths"),
                    c.Ints("heads"),
                    c.Int("num_classes"),
                    c.Int("in_channels"),
                    c.Bool("distilled", false),
                    c.Double("mlp_ratio", 4),
                    c.Double("layer_norm_eps")
                )
            )
        );
        using var taps = new Taps(model, "embedded", "transformers.*");
        var outputs = model.Run(new(run.Input("x")));
        run.Output("out.embedded", taps["embedded"]);
        for (var i = 0; i < model.Options.Depths.Count; i++)
            run.Output($"out.stage{i}", taps[$"transformers.{i}"]);
        run.Output("out.logits", outputs.Logits);
        run.Output("out.class_logits", outputs.Logits);
        if (outputs.Named.TryGetValue(Outputs.Distillation, out var distilled))
            run.Output("out.distillation_logits", distilled);
    }
}
