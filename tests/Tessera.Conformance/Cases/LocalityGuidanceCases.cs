using Tessera.Data;
using Tessera.Models;
using Tessera.Models.Layers;
using Tessera.Training;
using Tessera.Training.Losses;
using Tessera.Training.Objectives;
using Tessera.Training.Optimization;

namespace Tessera.Conformance.Cases;

[Case("locality-guidance.resnet-cifar")]
internal sealed class LocalityGuide : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        c.Expect("model", "resnet_cifar");
        var guide = run.Load(
            new GuideResNet(
                new(
                    Blocks(c.Int("depth")),
                    c.Size("image_size"),
                    c.Ints("widths"),
                    c.Int("num_classes"),
                    c.Int("in_channels"),
                    c.Double("bn_eps"),
                    c.Double("bn_momentum")
                )
            )
        );
        using var taps = new Taps(guide, "s*");
        run.Output("out.pred", guide.Call(run.Input("x")));
        for (var i = 1; i <= guide.Options.Widths.Count; i++)
            run.Output($"out.s{i}", taps[$"s{i}"]);
    }

    /// <summary>Blocks of each of the three stages of a network of so many layers: two layers a block, and two around them.</summary>
    internal static int Blocks(int depth) =>
        depth > 2 && (depth - 2) % 6 == 0
            ? (depth - 2) / 6
            : throw new NotSupportedException($"a residual network of {depth} layers: 6 n + 2 was expected");
}

[Case("locality-guidance.align-loss")]
internal sealed class LocalityAlignment : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var losses = new List<Tensor>();
        foreach (var (k, c) in run.Config.Objects("cases").Index())
        {
            var kind = c.String("kind") switch
            {
                "linear" => AlignmentKind.Linear,
                "attention" => AlignmentKind.Attention,
                "similarity" => AlignmentKind.Similarity,
                var other => throw new NotSupportedException($"an alignment '{other}'"),
            };
            var student = run.Input($"s_{k}");
            var teacher = run.Input($"t_{k}");
            foreach (var (key, map) in new[] { ("student", student), ("teacher", teacher) })
            {
                c.Expect("batch", map.Size(0));
                c.Expect($"{key}_dim", map.Size(1));
                c.Expect($"{key}_hw", map.Shape.ToArray()[2..]);
            }
            if (kind == AlignmentKind.Linear)
                student = Torch.Conv2d(student, run.Input($"w_{k}").Unsqueeze(-1).Unsqueeze(-1), run.Input($"b_{k}"));
            losses.Add(run.Output($"loss_{k}", FeatureAlignment.Loss(student, teacher, kind)));
        }
        run.Differentiate(Torch.Stack([.. losses]).Sum());
    }
}

[Case("locality-guidance.deit-step")]
[Case("locality-guidance.pvt-step")]
internal sealed class LocalityStep : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        c.ExpectOneOf("model", "DeiT", "PVTv2");
        c.Expect("teacher", "resnet_cifar");
        if (c.String("model") == "PVTv2")
        {
            // Of PVTv2's patches and norms some are fixed.
            c.Expect<int[]>("patch_size", [7, 3, 3, 3]);
            c.Expect<int[]>("patch_stride", [4, 2, 2, 2]);
            c.Expect("sr_norm_eps", c.Double("patch_embed_norm_eps", 1e-6));
        }
        Backbone student =
            c.String("model") == "DeiT"
                ? new Vit(
                    new(
                        c.Size("image_size"),
                        c.Int("patch_size"),
                        c.Int("embed_dim"),
                        c.Int("depth"),
                        c.Int("num_heads"),
                        c.Int("num_classes"),
                        MlpRatio: c.Double("mlp_ratio"),
                        Eps: c.Double("norm_eps"),
                        DropPath: run.Rate("drop_path")
                    )
                )
                : new PvtV2(
                    new(
                        c.Size("image_size"),
                        c.Ints("embed_dim"),
                        c.Ints("depth"),
                        c.Ints("num_heads"),
                        c.Doubles("mlp_ratio"),
                        c.Ints("sr_ratio"),
                        Classes: c.Int("num_classes"),
                        Eps: c.Double("norm_eps"),
                        EmbedEps: c.Double("patch_embed_norm_eps", 1e-6),
                        DropPath: run.Rate("drop_path")
                    )
                );
        var side = c.Int("teacher_image_size");
        var guide = new GuideResNet(new(LocalityGuide.Blocks(c.Int("teacher_depth")), (side, side), Classes: c.Int("num_classes")));
        c.ExpectOneOf("teacher_batch_norm", "batch statistics", "running statistics");
        var batchStatistics = c.String("teacher_batch_norm") == "batch statistics";
        var blocks = c.Ints("student_layers");
        var options = new LocalityGuidanceOptions(
            new(Model: "guide_resnet20"),
            blocks,
            c.Ints("teacher_layers"),
            c.Double("inter_weight"),
            GuideBatchNorm: batchStatistics ? GuideStatistics.Batch : GuideStatistics.Running
        );
        var method = new LocalityGuidance(options, student, guide);
        run.Load(
            new Named(("student_model", student), ("teacher_model", guide), ("feature_transforms", method.Adapters)),
            student is Vit ? Rename : null
        );
        guide.Train(batchStatistics);

        var classifier = student.ClassifierNames[0][..student.ClassifierNames[0].LastIndexOf('.')];
        using var ofStudent = new Taps(student, [.. student.BlockPaths, classifier]);
        using var ofGuide = new Taps(guide, "s*", "head");
        var images = run.Input("x");
        var loss = method.Compute(
            new Batch(images, new ClassTargets(run.Input("labels")), [.. Enumerable.Range(0, (int)images.Size(0))]),
            new(0, 1, 0, 1)
        );
        run.Output("pred", ofStudent[classifier]);
        run.Output("loss_inter", loss.Parts["guidance"]);
        run.Output("loss_cls", loss.Parts["labels"]);
        run.Output("total", loss.Total);
        foreach (var block in blocks)
            run.Output($"student_feat_{block}", Map(student, ofStudent[student.BlockPaths[block]], images));
        for (var i = 0; i < guide.Options.Widths.Count; i++)
            run.Output($"teacher_feat_{i}", ofGuide[$"s{i + 1}"]);
        using (Torch.NoGrad())
            run.Output("teacher_pred", guide.ForwardClassifier(ofGuide[$"s{guide.Options.Widths.Count}"].Mean((2, 3))));
        run.Differentiate(loss.Total);
    }

    // Tokens by rows as a map of the image's proportions.
    private static Tensor Map(Backbone model, Tensor block, Tensor image)
    {
        if (block.Dim == 4)
            return block;
        var tokens = block.Slice(1, model.NumPrefixTokens);
        var rows = (long)Math.Round(Math.Sqrt(tokens.Size(1) * image.Size(2) / (double)image.Size(3)));
        return tokens.Transpose(1, 2).Reshape(tokens.Size(0), tokens.Size(2), rows, -1);
    }

    private static string Rename(string name) =>
        TinyTransformersNames.Of(name.Replace("student_model.", "", StringComparison.Ordinal)) is var renamed
        && name.StartsWith("student_model.", StringComparison.Ordinal)
            ? "student_model." + renamed
            : name;
}
