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
        if (config.Classes > 0)
            headDist = Initialised(new Linear(config.Dim, config.Classes));
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
        headDist = classes > 0 ? Initialised(new Linear(Options.Dim, classes)) : null;
        headDist?.To(distToken.Device, distToken.DType);
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
            Paper,
            options =>
            {
                var config = new Config(
                    options.ImageSize ?? (image, image),
                    16,
                    dim,
                    12,
                    heads,
                    options.Classes ?? 1000,
                    options.Channels ?? 3,
                    Dropout: options.Dropout ?? 0,
                    DropPath: options.DropPath ?? 0.1,
                    Resampling: PositionResampling.Bicubic
                );
                return distilled ? new Deit(config) : new Vit(config);
            },
            image,
            parameters,
            gmacs,
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
        Make("deit_tiny_patch16_224", 192, 3, 224, 5.72, 1.26, 72.2),
        Make("deit_256_patch16_224", 256, 4, 224, null, null, null, "the dense model of dynamicvit_deit_256_07"),
        Make("deit_small_patch16_224", 384, 6, 224, 22.05, 4.61, 79.9),
        Make("deit_base_patch16_224", 768, 12, 224, 86.57, 17.58, 81.8),
        Make("deit_tiny_distilled_patch16_224", 192, 3, 224, 5.91, 1.27, 74.5),
        Make("deit_small_distilled_patch16_224", 384, 6, 224, 22.44, 4.63, 81.2),
        Make("deit_base_distilled_patch16_224", 768, 12, 224, 87.34, 17.68, 83.4),
        Make("deit_base_patch16_384", 768, 12, 384, 86.86, 55.5, 82.9),
        Make("deit_base_distilled_patch16_384", 768, 12, 384, 87.63, 55.7, 85.2, "1000 epochs"),
        Variant.Micro("deit_micro_distilled_patch4_32", Paper, 32, a => new Deit(
            new Config(a.ImageSize, 4, 128, 6, 4, a.Classes, a.Channels, Dropout: a.Dropout, DropPath: a.DropPath)
        )),
    ];
}
