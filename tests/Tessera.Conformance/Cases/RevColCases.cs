using Tessera.Models;
using Tessera.Training;
using Tessera.Training.Losses;
using Tessera.Training.Objectives;
using Tessera.Training.Optimization;

namespace Tessera.Conformance.Cases;

[Case("revcol.network")]
internal sealed class RevColNetwork : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        c.ExpectOneOf("variant", "standard", "huge");
        c.ExpectOneOf<string>("decoder", c.Bool("intermediate_supervision") ? ["full", "simple"] : ["none"]);
        var model = run.Load(
            new RevCol(
                new RevCol.Config(
                    c.Size("image_size"),
                    c.Ints("channels"),
                    c.Ints("layers"),
                    c.Int("num_columns"),
                    c.Bool("intermediate_supervision"),
                    c.String("variant") == "huge",
                    c.Int("num_classes"),
                    c.Int("in_channels"),
                    c.Int("kernel_size"),
                    c.String("decoder", "none") == "simple",
                    run.Rate("drop_path"),
                    Mode: c.Bool("reversible_backward") ? RevCol.Backpropagation.Boundary : RevCol.Backpropagation.Plain
                )
            )
        );
        using var taps = new Taps(model, "subnet*.*");
        var outputs = model.Run(new(run.Input("x")));
        var heads = model.Options.Supervision ? 4 : 1;
        for (var i = 0; i < heads - 1; i++)
        {
            run.Output($"out.cls.{i}", outputs.Named[RevCol.Head(i)]);
            run.Output($"out.image.{i}", outputs.Named[RevCol.Image(i)]);
        }
        run.Output($"out.cls.{heads - 1}", outputs.Logits);
        for (var column = 0; column < model.Options.Columns; column++)
        for (var level = 0; level < 4; level++)
            run.Output($"column{column}.c{level}", taps[$"subnet{column}.c{level}"]);
    }
}

[Case("revcol.loss")]
internal sealed class RevColLoss : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        var heads = c.Int("num_heads");
        c.Expect("num_classes", run.Input("logits0").Size(1));
        c.Expect("soft_targets", run.Input("targets").DType.IsFloat());
        var loss = ColumnSupervision.Loss(
            [.. Enumerable.Range(0, heads).Select(i => run.Input($"logits{i}"))],
            [.. Enumerable.Range(0, heads - 1).Select(i => run.Input($"feature{i}"))],
            run.Input("image"),
            run.Input("targets"),
            c.Double("feature_coefficient"),
            c.Double("class_coefficient"),
            c.Double("label_smoothing")
        );
        run.Output("loss", loss.Total);
        run.Output("parts", Torch.Stack([.. loss.Parts.Values]));
    }
}
