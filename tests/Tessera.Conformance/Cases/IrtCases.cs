using Tessera.Models;
using Tessera.Training.Losses;
using Tessera.Training.Objectives.Retrieval;
using Tessera.Training.Probes;

namespace Tessera.Conformance.Cases;

[Case("irt.network")]
internal sealed class IrtNetwork : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        var config = new Vit.Config(
            c.Size("image_size"),
            c.Int("patch_size"),
            c.Int("embed_dim"),
            c.Int("depth"),
            c.Int("num_heads"),
            c.Int("num_classes"),
            c.Int("in_channels"),
            c.Double("mlp_ratio"),
            c.Bool("qkv_bias"),
            Eps: c.Double("layer_norm_eps")
        );
        var distilled = c.Bool("distilled", run.File.Parameters.Any(parameter => parameter.Name == "dist_token"));
        var model = run.Load(distilled ? new Deit(config) : new Vit(config));
        var (power, floor) = (c.Double("gem_p", 3), c.Double("gem_eps", 1e-6));
        foreach (var name in c.Strings("pools"))
        {
            var pooling = name switch
            {
                "cls" => DescriptorPooling.Cls,
                "avg" => DescriptorPooling.Avg,
                "max" => DescriptorPooling.Max,
                "gem" => DescriptorPooling.Gem,
                _ => throw new NotSupportedException($"pooling '{name}'"),
            };
            run.Output($"out.{name}", new Descriptor(pooling, power) { GemFloor = floor }.Of(model, run.Input("x")));
        }
    }
}

[Case("irt.batch-loss")]
internal sealed class IrtBatchLoss : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        var raw = run.Input("raw");
        run.ExpectBatch("raw");
        c.Expect("dim", raw.Size(1));
        var (rows, labels, margin) = (InfoNce.Normalize(raw), run.Input("labels"), c.Double("margin"));
        var contrastive = run.Output("contrastive", MarginContrast.Of(rows, labels, rows, labels, margin));
        run.Output("contrastive_xbm_form", MarginContrast.Of(rows, labels, rows, labels, margin, ContrastiveForm.CrossBatch));
        var nearest = KoLeo.Nearest(rows, rows);
        run.Output("nearest", nearest.To(run.Real));
        var entropy = run.Output("koleo", KoLeo.Of(KoLeo.Distances(rows, rows, nearest), c.Double("koleo_eps", KoLeo.DefaultEps)));
        run.Output("total", contrastive + c.Double("koleo_weight") * entropy);
    }
}

[Case("irt.memory-loss")]
internal sealed class IrtMemoryLoss : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        var (raw, stored) = (run.Input("raw"), run.Input("memory_raw"));
        run.ExpectBatch("raw");
        c.Expect("dim", raw.Size(1));
        c.Expect("memory", stored.Size(0));
        var (rows, labels, margin) = (InfoNce.Normalize(raw), run.Input("labels"), c.Double("margin"));
        var memory = new DescriptorMemory((int)stored.Size(0), (int)stored.Size(1));
        memory.To(run.Device, run.Real);
        memory.Enqueue(InfoNce.Normalize(stored.Detach()), run.Input("memory_labels"));
        var batch = run.Output("batch", MarginContrast.Of(rows, labels, rows, labels, margin));
        var remembered = run.Output("memory", MarginContrast.Of(rows, labels, memory.Features, memory.Labels, margin));
        var distances = KoLeo.Distances(rows, rows, KoLeo.Nearest(rows, rows));
        var entropy = run.Output("koleo", KoLeo.Of(distances, c.Double("koleo_eps", KoLeo.DefaultEps)));
        run.Output("total", batch + remembered + c.Double("koleo_weight") * entropy);
    }
}

[Case("irt.memory-queue")]
internal sealed class IrtMemoryQueue : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        var memory = new DescriptorMemory(c.Int("size"), c.Int("dim"));
        memory.To(run.Device, run.Real);
        var state = memory.StateDict();
        foreach (var (i, count) in c.Ints("batches").Index())
        {
            var feats = run.Input($"feats_{i}");
            if (feats.Size(0) != count)
                run.Fail($"feats_{i} are {feats.Size(0)}, {count} in 'batches'");
            memory.Enqueue(feats, Torch.Full([count], i + 1, DType.Int64, device: run.Device));
            run.Output($"after_{i}", state["feats"].Clone());
            run.Output($"labels_{i}", state["targets"].To(run.Real));
            run.Output($"ptr_{i}", memory.Pointer);
        }
    }
}

[Case("retrieval-eval.pca")]
internal sealed class RetrievalPca : GoldenCase
{
    // The file's notes say so: all components of a filled vector would point anywhere.
    private const double Shift = 0.3;

    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        var (train, x) = (run.Input("train"), run.Input("x"));
        c.Expect("samples", train.Size(0));
        c.Expect("dim", train.Size(1));
        var found = PrincipalComponents.Fit(InfoNce.Normalize(train + Shift), c.Int("target"));
        var reduced = found.Project(InfoNce.Normalize(x + Shift));
        run.Output("gram", reduced.Matmul(reduced.MT));
        run.Output("explained_variance", found.ExplainedVariance);
    }
}
