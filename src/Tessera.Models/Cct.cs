using Tessera.Models.Layers;
using Tessera.Nn;

namespace Tessera.Models;

/// <summary>
/// The compact transformers ViT-Lite, CVT and CCT: small enough to train from scratch on small data.
/// Hassani et al., "Escaping the Big Data Paradigm with Compact Transformers", 2021, arXiv:2104.05704.
/// </summary>
/// <remarks>
/// ViT-Lite is a small ViT; CVT replaces the class token by sequence pooling; CCT also replaces patches by a convolutional
/// tokenizer. Names and order of the weights are those of the authors' code. Its factories ignore the kind of position
/// table that is asked for; ours do not: <c>_sine</c> models have the fixed table, which published weights hold too.
/// </remarks>
public sealed partial class Cct : ConfiguredBackbone<Cct.Config>
{
    /// <summary>Sizes and options.</summary>
    /// <param name="ImageSize">Height and width in pixels.</param>
    /// <param name="Dim">Width of the tokens.</param>
    /// <param name="Depth">Number of blocks.</param>
    /// <param name="Heads">Heads of the attention.</param>
    /// <param name="MlpRatio">Hidden width of the MLP over the width.</param>
    /// <param name="Tokenizer">How the image becomes tokens.</param>
    /// <param name="SequencePool">Pools by a learned softmax over the tokens; otherwise a class token is used.</param>
    /// <param name="Position">learnable, sine or none.</param>
    /// <param name="Classes">Number of classes; 0 for no classifier.</param>
    /// <param name="Channels">Channels of the images.</param>
    /// <param name="Dropout">Dropout of tokens and MLPs.</param>
    /// <param name="AttentionDropout">Dropout of the attention weights.</param>
    /// <param name="DropPath">Stochastic depth of the last block.</param>
    public sealed record Config(
        (int Height, int Width) ImageSize,
        int Dim,
        int Depth,
        int Heads,
        double MlpRatio,
        TokenizerConfig Tokenizer,
        bool SequencePool = true,
        string Position = "learnable",
        int Classes = 10,
        int Channels = 3,
        double Dropout = 0,
        double AttentionDropout = 0.1,
        double DropPath = 0.1
    ) : RegularizedConfig
    {
        /// <inheritdoc/>
        public override BackboneConfig With(ModelOptions options) =>
            (Config)base.With(options) with
            {
                AttentionDropout = options.AttentionDropout ?? AttentionDropout,
            };
    }

    /// <summary>A convolution (and, in CCT, ReLU and max pooling) per layer; the hidden width is 64.</summary>
    /// <param name="Kernel">Side of the convolution's kernel.</param>
    /// <param name="Stride">Its stride.</param>
    /// <param name="Padding">Its padding.</param>
    /// <param name="Layers">Number of layers.</param>
    /// <param name="Convolutional">CCT: ReLU and pooling follow, no bias. Otherwise patches: bias, nothing follows.</param>
    /// <param name="PoolKernel">Side of the pooling window.</param>
    /// <param name="PoolStride">Its stride.</param>
    /// <param name="PoolPadding">Its padding, with minus infinity.</param>
    /// <param name="Hidden">Channels between the layers.</param>
    public sealed record TokenizerConfig(
        int Kernel,
        int Stride,
        int Padding,
        int Layers = 1,
        bool Convolutional = true,
        int PoolKernel = 3,
        int PoolStride = 2,
        int PoolPadding = 1,
        int Hidden = 64
    )
    {
        /// <summary>CCT's convolutions: stride and padding follow from the kernel.</summary>
        public static TokenizerConfig Conv(int kernel, int layers) =>
            new(kernel, Math.Max(1, kernel / 2 - 1), Math.Max(1, kernel / 2), layers);

        /// <summary>Patches that do not overlap.</summary>
        public static TokenizerConfig Patches(int side) => new(side, side, 0, Convolutional: false);

        internal (int Height, int Width) Grid((int Height, int Width) image)
        {
            for (var i = 0; i < Layers; i++)
                image = (After(image.Height), After(image.Width));
            return image;
        }

        private int After(int size)
        {
            size = (size + 2 * Padding - Kernel) / Stride + 1;
            return Convolutional ? (size + 2 * PoolPadding - PoolKernel) / PoolStride + 1 : size;
        }
    }

    private readonly ConvTokenizer tokenizer;
    private readonly CompactClassifier classifier;

    /// <summary>A model with the authors' initialisation.</summary>
    public Cct(Config config)
        : base(config)
    {
        var (height, width) = config.Tokenizer.Grid(config.ImageSize);
        tokenizer = new ConvTokenizer(config);
        classifier = new CompactClassifier(
            new(
                config.Dim,
                config.Depth,
                config.Heads,
                config.MlpRatio,
                height * width,
                config.SequencePool,
                config.Position,
                config.Classes,
                config.Dropout,
                config.AttentionDropout,
                config.DropPath
            )
        );
    }

    /// <inheritdoc/>
    public override int NumFeatures => Options.Dim;

    /// <inheritdoc/>
    public override int NumPrefixTokens => Options.SequencePool ? 0 : 1;

    /// <inheritdoc/>
    public override IReadOnlyList<string> BlockPaths => [.. Enumerable.Range(0, Options.Depth).Select(i => $"classifier.blocks.{i}")];

    /// <inheritdoc/>
    public override IReadOnlyList<string> ClassifierNames => ["classifier.fc.weight", "classifier.fc.bias"];

    /// <inheritdoc/>
    public override bool BelongsToHead(string name) =>
        base.BelongsToHead(name) || name.StartsWith("classifier.attention_pool.", StringComparison.Ordinal);

    /// <inheritdoc/>
    public override bool NoWeightDecay(string name) => name is "classifier.positional_emb" or "classifier.class_emb";

    /// <inheritdoc/>
    protected override Tensor Features(Tensor input) => classifier.Encode(Record("tokens", tokenizer.Call(input)), null);

    /// <inheritdoc/>
    protected override Tensor Pool(Tensor features) => classifier.Pool(features);

    /// <inheritdoc/>
    protected override Tensor Classify(Tensor pooled) => classifier.Classify(pooled);

    /// <inheritdoc/>
    protected override IReadOnlyList<FeatureMap> FeatureMaps(Tensor input)
    {
        var (height, width) = Options.Tokenizer.Grid(((int)input.Size(2), (int)input.Size(3)));
        var tokens = Features(input).Slice(1, NumPrefixTokens);
        return
        [
            new(tokens.Transpose(1, 2).Reshape(input.Size(0), Options.Dim, height, width), (int)Math.Round(input.Size(2) / (double)height)),
        ];
    }

    /// <summary>With sequence pooling its weights, otherwise the class token's attention.</summary>
    protected override IEnumerable<Insight> Insights(Tensor image)
    {
        if (!Options.SequencePool)
            return base.Insights(image);
        var (height, width) = Options.Tokenizer.Grid(((int)image.Size(2), (int)image.Size(3)));
        return
        [
            Insight.Map(
                "sequence pooling",
                "How much each token counts in the pooled features, a softmax over the tokens.",
                RecordDuring(image, "**.pool_weights").Single().Value.Reshape(height, width)
            ),
        ];
    }

    /// <inheritdoc/>
    public override void ResetClassifier(int classes)
    {
        Options = Options with { Classes = classes };
        classifier.ResetClassifier(classes);
    }

    /// <inheritdoc/>
    public override void Resize(int height, int width)
    {
        var before = Options.Tokenizer.Grid(Options.ImageSize);
        Options = Options with { ImageSize = (height, width) };
        classifier.Resize(before, Options.Tokenizer.Grid(Options.ImageSize));
    }

    /// <inheritdoc/>
    public override void AdaptStateDict(IDictionary<string, Tensor> state)
    {
        const string name = "classifier.positional_emb";
        if (
            !state.TryGetValue(name, out var table)
            || classifier.Positions is not { } own
            || table.Dim != 3
            || table.Size(1) == own.Size(1)
        )
            return;
        var grid = Options.Tokenizer.Grid(Options.ImageSize);
        // A sine table is a formula: that of this size is right, whatever the file holds.
        state[name] =
            Options.Position == "sine"
                ? own
                : PositionTable.Resample(
                    table,
                    PositionTable.GridOf(table.Size(1) - NumPrefixTokens, grid),
                    grid,
                    NumPrefixTokens,
                    PositionResampling.Bilinear
                );
    }

    /// <summary>Convolution, ReLU and max pooling per layer, then the map as tokens (section 3.3).</summary>
    private sealed partial class ConvTokenizer : Layer
    {
        private readonly ModuleList<Sequential> convLayers;
        private readonly TokenizerConfig config;

        public ConvTokenizer(Config config)
        {
            var t = this.config = config.Tokenizer;
            convLayers = new(
                Enumerable
                    .Range(0, t.Layers)
                    .Select(i =>
                    {
                        var conv = new Conv2d(
                            i == 0 ? config.Channels : t.Hidden,
                            i == t.Layers - 1 ? config.Dim : t.Hidden,
                            t.Kernel,
                            t.Stride,
                            t.Padding,
                            bias: !t.Convolutional
                        );
                        Init.KaimingNormal(conv.Weight);
                        return new Sequential(conv);
                    })
            );
        }

        protected override Tensor Forward(Tensor input) // [B, C, H, W] -> [B, N, D]
        {
            var x = input;
            foreach (var layer in convLayers)
            {
                // Pooling runs five times faster over channels that lie together, and the last map is tokens already. The
                // maximum of rectified values is the rectified maximum: pooled first, there is a quarter to rectify.
                x = !config.Convolutional
                    ? layer.Call(x)
                    : Torch.Scope(() =>
                        Torch
                            .Scope(() => layer.Call(x).Contiguous(MemoryFormat.ChannelsLast))
                            .MaxPool2d(config.PoolKernel, config.PoolStride, config.PoolPadding)
                            .Relu()
                    );
            }
            return x.Flatten(2).Transpose(1, 2);
        }
    }

    private const string Paper = "Escaping the Big Data Paradigm with Compact Transformers, 2021, arXiv:2104.05704";

    private static readonly TokenizerConfig patches4 = TokenizerConfig.Patches(4);
    private static readonly TokenizerConfig conv3x1 = TokenizerConfig.Conv(kernel: 3, layers: 1);
    private static readonly TokenizerConfig conv3x2 = TokenizerConfig.Conv(kernel: 3, layers: 2);
    private static readonly TokenizerConfig conv7x2 = TokenizerConfig.Conv(kernel: 7, layers: 2);

    private static (int Depth, int Heads, double Ratio, int Dim) Family(int size) =>
        size switch
        {
            2 or 4 => (Depth: size, Heads: 2, Ratio: 1, Dim: 128),
            6 or 7 or 8 => (Depth: size, Heads: 4, Ratio: 2, Dim: 256),
            14 => (Depth: 14, Heads: 6, Ratio: 3, Dim: 384),
            _ => throw new ArgumentOutOfRangeException(nameof(size), size, "the size of a family must be 2, 4, 6, 7, 8 or 14"),
        };

    private static Variant Make(
        string name,
        TokenizerConfig tokenizer,
        int size,
        int image,
        int classes,
        bool pooled = true,
        string position = "learnable",
        double? parameters = null,
        double? gmacs = null,
        double? top1 = null,
        string? dataset = null,
        string? note = null
    )
    {
        var (depth, heads, ratio, dim) = Family(size);
        return new(
            name,
            Paper: Paper,
            Create: Variant.Configured(
                new Config(
                    ImageSize: (image, image),
                    Dim: dim,
                    Depth: depth,
                    Heads: heads,
                    MlpRatio: ratio,
                    Tokenizer: tokenizer,
                    SequencePool: pooled,
                    Position: position,
                    Classes: classes,
                    AttentionDropout: 0.1,
                    DropPath: 0.1
                ),
                config => new Cct(config)
            ),
            ImageSize: image,
            Parameters: parameters,
            GMacs: gmacs,
            MacsWithAttention: false,
            Top1: top1,
            Dataset: dataset,
            Preprocessing: image == 32 ? (classes == 100 ? Preprocessing.Cifar100 : Preprocessing.Cifar10) : Preprocessing.ImageNet,
            Note: note
        );
    }

    // Every CIFAR model exists for 10 and 100 classes, and with either position table.
    private static IEnumerable<Variant> Cifar(
        string stem,
        TokenizerConfig tokenizer,
        int size,
        bool pooled = true,
        double? parameters = null,
        double? gmacs = null,
        double? cifar10 = null,
        double? cifar100 = null,
        string? note = "200 epochs, basic script"
    )
    {
        foreach (var sine in new[] { "", "_sine" })
        {
            var position = sine.Length == 0 ? "learnable" : "sine";
            var published = sine.Length == 0;
            yield return Make(
                $"{stem}_32{sine}",
                tokenizer: tokenizer,
                size: size,
                image: 32,
                classes: 10,
                pooled: pooled,
                position: position,
                parameters: parameters,
                gmacs: gmacs,
                top1: published ? cifar10 : null,
                dataset: "CIFAR-10",
                note: published && cifar10 is not null ? note : null
            );
            yield return Make(
                $"{stem}_32{sine}_c100",
                tokenizer: tokenizer,
                size: size,
                image: 32,
                classes: 100,
                pooled: pooled,
                position: position,
                gmacs: gmacs,
                top1: published ? cifar100 : null,
                dataset: "CIFAR-100",
                note: published && cifar100 is not null ? note : null
            );
        }
    }

    /// <summary>The published models.</summary>
    public static IReadOnlyList<Variant> Variants { get; } =
    [
        .. Cifar("vit_2_4", tokenizer: patches4, size: 2, pooled: false, parameters: 0.215),
        .. Cifar("vit_4_4", tokenizer: patches4, size: 4, pooled: false, parameters: 0.413),
        .. Cifar("vit_6_4", tokenizer: patches4, size: 6, pooled: false, parameters: 3.191, gmacs: 0.205, cifar10: 90.94, cifar100: 69.20),
        .. Cifar("vit_7_4", tokenizer: patches4, size: 7, pooled: false, parameters: 3.717, gmacs: 0.239, cifar10: 91.38, cifar100: 69.75),
        .. Cifar("cvt_2_4", tokenizer: patches4, size: 2, parameters: 0.215),
        .. Cifar("cvt_4_4", tokenizer: patches4, size: 4, parameters: 0.413),
        .. Cifar("cvt_6_4", tokenizer: patches4, size: 6, parameters: 3.190, gmacs: 0.202, cifar10: 92.58, cifar100: 72.25),
        .. Cifar("cvt_7_4", tokenizer: patches4, size: 7, parameters: 3.717, gmacs: 0.236, cifar10: 92.43, cifar100: 73.01),
        .. Cifar("cvt_8_4", tokenizer: patches4, size: 8),
        .. Cifar("cct_2_3x2", tokenizer: conv3x2, size: 2, parameters: 0.284, gmacs: 0.033, cifar10: 89.17, cifar100: 66.90),
        .. Cifar("cct_4_3x2", tokenizer: conv3x2, size: 4, parameters: 0.482, gmacs: 0.046, cifar10: 91.45, cifar100: 70.46),
        .. Cifar("cct_6_3x2", tokenizer: conv3x2, size: 6, parameters: 3.327, gmacs: 0.241, cifar10: 93.56, cifar100: 74.47),
        .. Cifar("cct_7_3x2", tokenizer: conv3x2, size: 7, parameters: 3.853, gmacs: 0.275, cifar10: 93.83, cifar100: 74.92),
        .. Cifar(
            "cct_6_3x1",
            tokenizer: conv3x1,
            size: 6,
            parameters: 3.234,
            gmacs: 0.813,
            cifar10: 94.81,
            cifar100: 76.71,
            note: "200 epochs, basic script; 500 epochs: 95.29 / 77.31"
        ),
        .. Cifar(
            "cct_7_3x1",
            tokenizer: conv3x1,
            size: 7,
            parameters: 3.760,
            gmacs: 0.947,
            cifar10: 94.78,
            cifar100: 77.05,
            note: "200 epochs, basic script; 300 epochs, full recipe: 96.53 / 80.92"
        ),
        Make(
            "cct_7_7x2_224",
            tokenizer: conv7x2,
            size: 7,
            image: 224,
            classes: 102,
            parameters: 4.57,
            top1: 97.19,
            dataset: "Flowers-102",
            note: "from scratch"
        ),
        Make("cct_7_7x2_224_sine", tokenizer: conv7x2, size: 7, image: 224, classes: 102, position: "sine", parameters: 4.57),
        Make(
            "cct_14_7x2_224",
            tokenizer: conv7x2,
            size: 14,
            image: 224,
            classes: 1000,
            parameters: 22.37,
            gmacs: 5.11,
            top1: 80.67,
            dataset: "ImageNet-1k",
            note: "310 epochs"
        ),
        Make(
            "cct_14_7x2_384",
            tokenizer: conv7x2,
            size: 14,
            image: 384,
            classes: 1000,
            parameters: 22.51,
            gmacs: 15.02,
            top1: 82.71,
            dataset: "ImageNet-1k",
            note: "310 + 30 epochs"
        ),
        Make(
            "cct_14_7x2_384_fl",
            tokenizer: conv7x2,
            size: 14,
            image: 384,
            classes: 102,
            top1: 99.76,
            dataset: "Flowers-102",
            note: "fine-tuned"
        ),
    ];
}
