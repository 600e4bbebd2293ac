using Tessera.Models;
using Tessera.Training;
using Tessera.Training.Losses;
using Tessera.Training.Objectives;
using Tessera.Training.Objectives.SelfSupervision;
using Tessera.Training.Optimization;

namespace Tessera.Conformance.Cases;

[Case("sit.v1-network")]
internal sealed class SitV1Network : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        c.Expect("variant", "v1");
        c.ExpectOneOf("training_mode", "ssl", "finetune");
        var pretrains = c.String("training_mode") == "ssl";
        var classes = c.Int("num_classes");
        var network = SitNetworks.Of(run, SitVersion.V1, pretrains ? 0 : classes);
        if (!pretrains)
        {
            run.Load(network);
            var heads = network.Run(new(run.Input("x"))).Named[Outputs.Heads];
            run.Output("out.0", heads[0]);
            run.Output("out.1", heads[1]);
            run.Output("out.tokens", network.ForwardFeatures(run.Input("x")));
            return;
        }
        // The width of the embeddings is fixed in the reference.
        var method = new SitV1(new SitV1Options(Probe: false), new ObjectiveContext(network, Device.Cpu));
        run.Load(new Joined(run.File, network, method));
        var pass = method.See(run.Input("x"));
        var (rotation, contrastive, reconstruction) = method.Weights;
        Tensor[] outputs = [pass.Rotations, pass.Embeddings, pass.Painted, rotation, contrastive, reconstruction];
        foreach (var (i, output) in outputs.Index())
            run.Output($"out.{i}", output);
        run.Output("out.tokens", pass.Tokens);
    }
}

/// <summary>The networks of the cases below.</summary>
internal static class SitNetworks
{
    internal static Sit Of(GoldenRun run, SitVersion version, int classes)
    {
        var c = run.Config;
        return new Sit(
            new Sit.Config(
                c.Size("image_size"),
                c.Int("patch_size"),
                c.Int("embed_dim"),
                c.Int("depth"),
                c.Int("num_heads"),
                version,
                classes,
                c.Int("in_channels"),
                c.Double("mlp_ratio"),
                c.Bool("qkv_bias"),
                c.Has("representation_size") ? c.Int("representation_size") : null,
                Eps: c.Double("layer_norm_eps")
            )
        );
    }
}

[Case("sit.v2-network")]
internal sealed class SitV2Network : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        c.Expect("variant", "v2");
        var image = run.Input("x");
        c.Expect("run_size", image.Size(2));
        var network = SitNetworks.Of(run, SitVersion.V2, 0);
        var sizes = network.Options;
        var head = new SitProjection(sizes.Dim, c.Int("head_hidden_dim"), c.Int("out_dim"), c.Int("head_layers"));
        var painter = new SitReconstruction(sizes.Dim, sizes.Channels, sizes.Patch, layers: 3);
        run.Load(new Named(("backbone", network), ("head", head), ("head_recons", painter)));
        var tokens = network.ForwardFeatures(image);
        run.Output("out.0", head.Call(tokens.Select(1, 0)));
        run.Output("out.1", painter.Paint(tokens.Slice(1, 1), image.Size(2), image.Size(3)));
        run.Output("out.tokens", tokens);
    }
}

[Case("sit.v2-classifier-network")]
internal sealed class SitV2Classifier : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        c.Expect("variant", "v2_classify");
        c.Expect("run_height", run.Input("x").Size(2));
        c.Expect("run_width", run.Input("x").Size(3));
        var network = run.Load(SitNetworks.Of(run, SitVersion.V2, c.Int("num_classes")));
        run.Output("out", network.Call(run.Input("x")));
    }
}

[Case("sit.v1-loss")]
internal sealed class SitV1Loss : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        c.Expect("variant", "v1");
        var (first, second) = (run.Input("contrastive_1"), run.Input("contrastive_2"));
        var (painted, images) = (run.Input("reconstruction"), run.Input("images"));
        c.Expect("batch", first.Size(0));
        c.Expect("embedding_dim", first.Size(1));
        c.Expect("channels", images.Size(1));
        c.Expect("height", images.Size(2));
        var rotation = ClassificationLosses.CrossEntropy(run.Input("rotation_logits"), run.Input("rotation_targets"));
        var contrastive = NtXent.Of(first, second, c.Double("temperature")).Mean;
        var reconstruction = SitV1.Difference(painted, images);
        run.Output("rotation", rotation);
        run.Output("contrastive", contrastive);
        run.Output("reconstruction", reconstruction);
        var total = SitV1.Total(
            rotation,
            contrastive,
            reconstruction,
            (run.Input("rot_w"), run.Input("contrastive_w"), run.Input("recons_w"))
        );
        run.Differentiate(run.Output("total", total).Sum());
    }
}

[Case("sit.v1b-loss")]
internal sealed class SitV1bLoss : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        c.Expect("variant", "v1b");
        var (rows, images) = (run.Input("contrastive").Chunk(2), run.Input("images"));
        c.Expect("batch", rows[0].Size(0));
        c.Expect("embedding_dim", rows[0].Size(1));
        c.Expect("height", images.Size(2));
        var rotation = ClassificationLosses.CrossEntropy(run.Input("rotation_logits"), run.Input("rotation_targets"));
        var contrastive = NtXent.Of(rows[0], rows[1], c.Double("temperature")).Mean;
        var mask = run.Input("mask").Gt(0).To(run.Real);
        var reconstruction = SitV1b.Difference(run.Input("reconstruction"), images, mask, c.Bool("drop_only"));
        run.Output("rotation", rotation);
        run.Output("contrastive", contrastive);
        run.Output("reconstruction", reconstruction);
        var total = SitV1b.Total(rotation, contrastive, reconstruction, (run.Input("rot_w"), run.Input("contr_w"), run.Input("rec_w")));
        run.Differentiate(run.Output("total", total).Sum());
    }
}

[Case("sit.v2-loss")]
internal sealed class SitV2Loss : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        c.Expect("variant", "v2");
        var (student, teacher) = (run.Input("student").Chunk(2), run.Input("teacher").Chunk(2));
        var images = run.Input("images");
        c.Expect("batch", student[0].Size(0));
        c.Expect("embedding_dim", student[0].Size(1));
        c.Expect("height", images.Size(2));
        var contrastive = TeacherContrast.Loss((student[0], student[1]), (teacher[0], teacher[1]), c.Double("temperature"));
        var mask = run.Input("mask").Gt(0).To(run.Real);
        var reconstruction = MaskedPixels.Difference(run.Input("reconstruction"), images, mask);
        run.Output("contrastive", contrastive);
        run.Output("reconstruction", reconstruction);
        run.Differentiate(run.Output("total", contrastive + reconstruction * c.Double("reconstruction_weight")));
    }
}

[Case("sit.v2-schedules")]
internal sealed class SitV2Schedules : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        c.Expect("variant", "v2");
        var (epochs, each) = (c.Int("epochs"), c.Int("iterations_per_epoch"));
        var schedule = new CosineOptions(epochs, c.Double("warmup_epochs"), MinLearningRate: c.Double("min_lr"), Form: CosineForm.Dino);
        var optimizer = new AdamWOptions(
            c.Double("lr"),
            c.Double("weight_decay"),
            LearningRateBatch: SitBatch,
            WeightDecayEnd: c.Double("weight_decay_end")
        );
        var top = optimizer.TopLearningRate(c.Int("batch_size"));
        var steps = schedule.TotalSteps(each);
        var all = Enumerable.Range(0, (int)steps).ToArray();
        run.Output("lr", all.Select(step => schedule.LearningRate(top, step, each)));
        run.Output("weight_decay", all.Select(step => optimizer.WeightDecay * optimizer.DecayScale(step, steps)));
        run.Output("teacher_momentum", all.Select(step => CosineRamp.At(c.Double("momentum_teacher"), 1, step, steps)));
    }

    // Samples that the learning rate is meant for.
    private const int SitBatch = 256;
}

[Case("sit.corruption-blocks")]
internal sealed class SitCorruption : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var (image, other, noise) = (run.Input("image"), run.Input("other"), run.Input("noise"));
        var (_, height, width) = image.Shape;
        run.Config.Expect("image_size", height);
        var sources = new PixelSources(2, (int)height, (int)width);
        foreach (var block in run.Config["blocks"].EnumerateArray())
        {
            int At(int index) => block[index].GetInt32();
            var filling = block[4].GetString() switch
            {
                "zeros" => BlockFilling.Zeros,
                "noise" => BlockFilling.Noise,
                "replace" => BlockFilling.Replace,
                "block" => BlockFilling.Block,
                var kind => throw new NotSupportedException($"blocks of kind '{kind}'"),
            };
            sources.Write(0, new(At(0), At(1), At(2), At(3), filling, At(5), At(6)), other: 1);
        }
        var images = Torch.Stack([image, other], 0);
        run.Output("corrupted", sources.Render(images, Torch.Stack([noise, noise], 0))[0]);
        run.Output("mask", sources.Mask(images)[0].Expand(image.Shape));
        run.Output("covered", sources.Covered(0));
    }
}
