namespace Tessera.Models;

/// <summary>
/// Mix Transformer, the encoder of SegFormer. Xie et al., "SegFormer: Simple and Efficient Design for Semantic Segmentation with
/// Transformers", 2021, arXiv:2105.15203, section 3.1.
/// </summary>
/// <remarks>
/// A PVT v2 whose MLPs are four times as wide as the tokens in every stage. Names of the weights are those of the authors' code,
/// whose state dict lists all patch embeddings first.
/// </remarks>
public sealed class Mit : PvtV2
{
    /// <summary>An encoder, or, with classes, the classifier that it is trained as on ImageNet.</summary>
    public Mit(Config config)
        : base(config) { }

    /// <inheritdoc/>
    protected override void ListMembers(Members members)
    {
        foreach (var (i, embed) in patchEmbeds.Index())
            members.Add($"patch_embed{i + 1}", embed);
        for (var i = 0; i < blocks.Length; i++)
        {
            members.Add($"block{i + 1}", blocks[i]);
            members.Add($"norm{i + 1}", norms[i]);
        }
        members.Add("head", head);
    }

    /// <summary>Sizes of a published encoder.</summary>
    internal static Config Sizes(int[] dims, int[] depths, (int Height, int Width) image, int channels = 3, double dropPath = 0.1) =>
        new(image, dims, depths, [1, 2, 5, 8], [4, 4, 4, 4], [8, 4, 2, 1], Classes: 0, Channels: channels, DropPath: dropPath);

    private static Variant Make(string name, int[] dims, int[] depths, double encoder, double top1) =>
        new(
            name,
            Paper: "SegFormer: Simple and Efficient Design for Semantic Segmentation with Transformers, 2021, arXiv:2105.15203",
            Create: Variant.Configured(Sizes(dims, depths, (224, 224)) with { Classes = 1000 }, config => new Mit(config)),
            ImageSize: 224,
            Parameters: encoder + (dims[^1] + 1) / 1000.0,
            Top1: top1,
            Dataset: "ImageNet-1k",
            Preprocessing: Preprocessing.ImageNet,
            Note: $"{encoder} million parameters without the classifier, as published"
        );

    /// <summary>The published sizes.</summary>
    public static new IReadOnlyList<Variant> Variants { get; } =
    [
        Make("mit_b0", dims: [32, 64, 160, 256], depths: [2, 2, 2, 2], encoder: 3.319, top1: 70.5),
        Make("mit_b1", dims: [64, 128, 320, 512], depths: [2, 2, 2, 2], encoder: 13.151, top1: 78.7),
        Make("mit_b2", dims: [64, 128, 320, 512], depths: [3, 4, 6, 3], encoder: 24.196, top1: 81.6),
        Make("mit_b3", dims: [64, 128, 320, 512], depths: [3, 4, 18, 3], encoder: 44.072, top1: 83.1),
        Make("mit_b4", dims: [64, 128, 320, 512], depths: [3, 8, 27, 3], encoder: 60.843, top1: 83.6),
        Make("mit_b5", dims: [64, 128, 320, 512], depths: [3, 6, 40, 3], encoder: 81.443, top1: 83.8),
        Variant.Micro(
            "mit_micro_32",
            "SegFormer: Simple and Efficient Design for Semantic Segmentation with Transformers, 2021, arXiv:2105.15203",
            config: new Config(
                ImageSize: (32, 32),
                Dims: [32, 64, 128, 192],
                Depths: [1, 1, 2, 2],
                Heads: [1, 2, 4, 6],
                MlpRatios: [4, 4, 4, 4],
                Reductions: [4, 2, 1, 1],
                Classes: 10,
                StemStride: 2
            ),
            create: config => new Mit(config)
        ),
    ];
}
