using Tessera.Models.Layers;
using Tessera.Nn;

namespace Tessera.Models;

/// <summary>
/// DeiT: a ViT trained on ImageNet-1k alone, optionally with a second token that learns from a teacher.
/// Touvron et al., "Training data-efficient image transformers and distillation through attention", 2020, arXiv:2012.12877.
/// </summary>
/// <remarks>
/// The plain variants are a <see cref="Vit"/>. The distilled ones have the tokens [class, distillation, patches] and two heads:
/// training puts out both logits, prediction the mean of the two logits (not of the probabilities).
/// </remarks>
public sealed partial class Deit : Vit
{
    private readonly Parameter distToken; // [1, 1, D]
    private Linear? headDist;

    /// <summary>A distilled DeiT.</summary>
    public Deit(Config config)
        : base(config with { Resampling = PositionResampling.Bicubic }, distillationToken: true)
    {
        distToken = Init.TruncatedNormal(new Parameter([1, 1, config.Dim]), 0.02);
        headDist = InitialClassifier();
    }

    /// <inheritdoc/>
    public override IReadOnlyList<string> ClassifierNames => [.. base.ClassifierNames, "head_dist.weight", "head_dist.bias"];

    private protected override IEnumerable<Parameter> Prefix() => base.Prefix().Append(distToken);

    /// <summary>Both tokens in front, [B, 2, D]: the classifier needs each.</summary>
    protected override Tensor Pool(Tensor features) => features.Slice(1, 0, 2);

    /// <inheritdoc/>
    protected override Tensor Classify(Tensor pooled) => Heads(pooled).Mean;

    private TwoHeads Heads(Tensor pooled)
    {
        var (byClass, byTeacher) = (Record("class_features", pooled.Select(1, 0)), Record("distillation_features", pooled.Select(1, 1)));
        return new(
            Record("class_logits", base.Classify(byClass)),
            Record("distillation_logits", headDist is null ? byTeacher : headDist.Call(byTeacher))
        );
    }

    /// <summary>In training the logits of both heads; in evaluation their mean.</summary>
    protected override Outputs ForwardOutputs(ModelInput input) =>
        Training ? Heads(Pool(Features(input.Inputs))).ForTraining : base.ForwardOutputs(input);

    /// <inheritdoc/>
    public override void ResetClassifier(int classes)
    {
        base.ResetClassifier(classes);
        headDist = FreshClassifier();
    }

    private const string Paper = "Training data-efficient image transformers, 2020, arXiv:2012.12877";

    private static Variant Make(
        string name,
        int dim,
        int heads,
        int image,
        double? parameters,
        double? gmacs,
        double? top1,
        string? note = null
    )
    {
        var distilled = name.Contains("distilled", StringComparison.Ordinal);
        return new(
            name,
            Paper: Paper,
            Create: Variant.Configured(
                new Config(
                    ImageSize: (image, image),
                    Patch: 16,
                    Dim: dim,
                    Depth: 12,
                    Heads: heads,
                    DropPath: 0.1,
                    Resampling: PositionResampling.Bicubic
                ),
                config => distilled ? new Deit(config) : new Vit(config)
            ),
            ImageSize: image,
            Parameters: parameters,
            GMacs: gmacs,
            Top1: top1,
            Dataset: "ImageNet-1k",
            Preprocessing: Preprocessing.ImageNet with
            {
                CropRatio = image > 224 ? 1 : 0.875,
            },
            Note: note
        );
    }

    /// <summary>The published sizes.</summary>
    public static new IReadOnlyList<Variant> Variants { get; } =
    [
        Make("deit_tiny_patch16_224", dim: 192, heads: 3, image: 224, parameters: 5.72, gmacs: 1.26, top1: 72.2),
        Make(
            "deit_256_patch16_224",
            dim: 256,
            heads: 4,
            image: 224,
            parameters: null,
            gmacs: null,
            top1: null,
            note: "the dense model of dynamicvit_deit_256_07"
        ),
        Make("deit_small_patch16_224", dim: 384, heads: 6, image: 224, parameters: 22.05, gmacs: 4.61, top1: 79.9),
        Make("deit_base_patch16_224", dim: 768, heads: 12, image: 224, parameters: 86.57, gmacs: 17.58, top1: 81.8),
        Make("deit_tiny_distilled_patch16_224", dim: 192, heads: 3, image: 224, parameters: 5.91, gmacs: 1.27, top1: 74.5),
        Make("deit_small_distilled_patch16_224", dim: 384, heads: 6, image: 224, parameters: 22.44, gmacs: 4.63, top1: 81.2),
        Make("deit_base_distilled_patch16_224", dim: 768, heads: 12, image: 224, parameters: 87.34, gmacs: 17.68, top1: 83.4),
        Make("deit_base_patch16_384", dim: 768, heads: 12, image: 384, parameters: 86.86, gmacs: 55.5, top1: 82.9),
        Make(
            "deit_base_distilled_patch16_384",
            dim: 768,
            heads: 12,
            image: 384,
            parameters: 87.63,
            gmacs: 55.7,
            top1: 85.2,
            note: "1000 epochs"
        ),
        Variant.Micro(
            "deit_micro_distilled_patch4_32",
            Paper,
            config: new Config(ImageSize: (32, 32), Patch: 4, Dim: 128, Depth: 6, Heads: 4, Classes: 10),
            create: config => new Deit(config)
        ),
    ];
}
