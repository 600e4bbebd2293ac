using Tessera.Models;
using Tessera.Training;
using Tessera.Training.Losses;
using Tessera.Training.Objectives;
using Tessera.Training.Optimization;

namespace Tessera.Conformance.Cases;

[Case("sret.network")]
internal sealed class SretNetwork : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        var sliced = c.Bool("sliced");
        if (!sliced)
            c.ExpectNone("groups1", "groups2");
        var model = run.Load(
            new Sret(
                new Sret.Config(
                    c.Size("image_size"),
                    c.Ints("base_dims"),
                    c.Ints("depth"),
                    c.Ints("recursive_num"),
                    c.Ints("heads"),
                    sliced ? c.Ints("groups1") : null,
                    sliced ? c.Ints("groups2") : null,
                    c.Double("mlp_ratio"),
                    c.Double("np_mlp_ratio"),
                    c.Int("num_classes"),
                    c.Int("in_channels"),
                    DropPath: run.Rate("drop_path_rate"),
                    Permutation: c.Has("permutation")
                        ? (c.Object("permutation").Int("multiplier"), c.Object("permutation").Int("offset"))
                        : null
                )
            )
        );
        using var taps = new Taps(model, "transformers.*");
        run.Output("out.logits", model.Call(run.Input("x")));
        for (var stage = 0; stage < model.Options.Stages; stage++)
            run.Output($"stage{stage}", taps[$"transformers.{stage}"]);
    }
}

[Case("sret.distillation-loss")]
internal sealed class SretDistillationLoss : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        run.Config.Expect("num_classes", run.Input("student_logits").Size(1));
        run.Output(
            "loss",
            SoftLabelDistillation.Loss(run.Input("student_logits"), run.Input("teacher_logits"), run.Config.Double("temperature"))
        );
    }
}
