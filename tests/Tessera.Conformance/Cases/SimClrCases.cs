using Tessera.Models;
using Tessera.Training.Losses;
using Tessera.Training.Objectives;
using Tessera.Training.Objectives.SelfSupervision;

namespace Tessera.Conformance.Cases;

[Case("simclr.nt-xent")]
internal sealed class SimClrNtXent : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        var hidden = run.Input("hidden");
        c.Expect("batch", hidden.Size(0) / 2);
        c.Expect("dim", hidden.Size(1));
        var views = hidden.Chunk(2);
        var loss = NtXent.Of(views[0], views[1], c.Double("temperature"), c.Bool("hidden_norm"));
        run.Output("loss_mean", loss.Mean);
        run.Output("logits_ab", loss.Logits);
        run.Output("contrast_accuracy", loss.Hits() / (double)views[0].Size(0));
        run.Output("loss_sum", loss.Sum);
    }
}

[Case("simclr.projection-head")]
internal sealed class SimClrProjectionHead : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        var count = c.Int("num_proj_layers");
        var head = run.Load(
            new ProjectionHead(
                c.Int("in_dim"),
                c.Int("proj_out_dim"),
                count,
                eps: c.Double("batch_norm_eps"),
                momentum: 1 - c.Double("batch_norm_decay")
            )
        );
        using var taps = new Taps(head, "layers.*");
        run.Output("out.0", run.Input("x"));
        head.Call(run.Input("x"));
        for (var i = 1; i <= count; i++)
            run.Output($"out.{i}", taps[$"layers.{i - 1}"]);
    }
}

[Case("simclr.step")]
internal sealed class SimClrStep : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        foreach (var view in new[] { "view1", "view2" })
            run.ExpectBatch(view);
        var encoder = SmallEncoder.Of(c);
        var method = new SimClr(
            new(c.Double("temperature"), SimClrForm.Htdt, c.Int("head_layers"), c.Int("head_size"), c.Int("embedding_dim"), Probe: false),
            new ObjectiveContext(encoder, run.Device)
        );
        run.Load(new Joined(run.File, method));
        var features = method.Features(run.Input("view1"), run.Input("view2"));
        foreach (var (i, of) in features.Index())
            run.Output($"out.features{i}", of);
        var embeddings = method.Embed(features);
        run.Output("out.embedding", Torch.Cat([.. embeddings], 0));
        run.Output("out.loss", NtXent.Of(embeddings[0], embeddings[1], c.Double("temperature")).Mean);
    }
}
