using Tessera.Models.Layers;
using Tessera.Nn;

namespace Tessera.Models;

/// <summary>
/// SoT: a ViT on densely connected convolutional tokens whose head classifies by the class token and by second-order
/// statistics of the words together. Xie et al., "SoT: Delving Deeper into Classification Head for Transformer", 2021,
/// arXiv:2104.10935.
/// </summary>
/// <remarks>
/// The head alone is <see cref="SecondOrderHead"/>; it fits behind other backbones too. With two losses, training puts out
/// the class token's logits and those of the words as <see cref="ByWords"/>. Names and order of the weights are the authors'.
/// </remarks>
public sealed partial class Sot : ConfiguredBackbone<Sot.Config>
{
    /// <summary>Name of the words' logits among the outputs of training with two losses, [B, classes].</summary>
    public const string ByWords = "second_order";

    /// <summary>Sizes and options.</summary>
    /// <param name="ImageSize">Height and width in pixels.</param>
    /// <param name="Dim">Width of the tokens.</param>
    /// <param name="Depth">Number of blocks.</param>
    /// <param name="Heads">Heads of the attention.</param>
    /// <param name="MlpRatio">Hidden width of the MLP over the width.</param>
    /// <param name="PoolHeads">Heads of the second-order pooling.</param>
    /// <param name="PoolDim">Width of each.</param>
    /// <param name="Classes">Number of classes; 0 for no classifier.</param>
    /// <param name="Channels">Channels of the images.</param>
    /// <param name="Tokens">How the image becomes tokens.</param>
    /// <param name="StemDim">Channels of the stem.</param>
    /// <param name="LargeGrid">Keeps four times as many rows and columns of tokens.</param>
    /// <param name="Head">Options of the head; its sizes are taken from here.</param>
    /// <param name="QkvBias">Whether queries, keys and values have a bias.</param>
    /// <param name="Eps">Of all layer norms.</param>
    /// <param name="HeadDropout">Dropout of the second-order statistics.</param>
    /// <param name="Dropout">Dropout of tokens, MLPs and projections.</param>
    /// <param name="DropPath">Stochastic depth of the last block.</param>
    public sealed record Config(
        (int Height, int Width) ImageSize,
        int Dim,
        int Depth,
        int Heads,
        double MlpRatio,
        int PoolHeads,
        int PoolDim,
        int Classes = 1000,
        int Channels = 3,
        VisualTokens.Style Tokens = VisualTokens.Style.Dense,
        int StemDim = 64,
        bool LargeGrid = false,
        SecondOrderHead.Config? Head = null,
        bool QkvBias = false,
        double Eps = 1e-5,
        double HeadDropout = 0,
        double Dropout = 0,
        double DropPath = 0
    ) : RegularizedConfig;

    private readonly Parameter clsToken; // [1, 1, D]
    private Parameter posEmbed; // [1, 1 + N, D], fixed
    private readonly VisualTokens visualTokens;
    private readonly ModuleList<TransformerBlock> blocks;
    private readonly SecondOrderHead classifier;
    private readonly LayerNorm norm;
    private readonly Dropout drop;
    private readonly SecondOrderHead.Config head;

    /// <summary>A model with the authors' initialisation: linear maps and the class token truncated normal 0.02.</summary>
    public Sot(Config config)
        : base(config)
    {
        clsToken = Init.TruncatedNormal(new Parameter([1, 1, config.Dim]), 0.02);
        visualTokens = new VisualTokens(config.Tokens, config.ImageSize, config.Channels, config.Dim, config.StemDim, config.LargeGrid);
        posEmbed = Positions();
        var rates = Nn.DropPath.Rates(config.DropPath, config.Depth);
        blocks = new(
            Enumerable
                .Range(0, config.Depth)
                .Select(i =>
                    TransformerInit.Linears(
                        new TransformerBlock(
                            config.Dim,
                            new SelfAttention(config.Dim, config.Heads, config.QkvBias, dropout: config.Dropout),
                            config.MlpRatio,
                            config.Eps,
                            config.Dropout,
                            rates[i]
                        )
                    )
                )
        );
        head = (config.Head ?? new(config.Dim, config.Classes, config.PoolHeads, config.PoolDim)) with
        {
            Dim = config.Dim,
            Classes = config.Classes,
            Heads = config.PoolHeads,
            HeadDim = config.PoolDim,
            Dropout = config.HeadDropout,
        };
        classifier = new SecondOrderHead(head);
        norm = new LayerNorm(config.Dim, config.Eps);
        drop = new Dropout(config.Dropout);
    }

    /// <summary>Width of class token and statistics side by side.</summary>
    public override int NumFeatures => classifier.Width;

    /// <inheritdoc/>
    public override int NumPrefixTokens => 1;

    /// <inheritdoc/>
    public override IReadOnlyList<string> BlockPaths => [.. Enumerable.Range(0, Options.Depth).Select(i => $"blocks.{i}")];

    /// <inheritdoc/>
    public override IReadOnlyList<string> ClassifierNames => [.. classifier.ClassifierNames.Select(name => $"classifier.{name}")];

    /// <inheritdoc/>
    public override bool NoWeightDecay(string name) => name is "pos_embed" or "cls_token";

    private (int Height, int Width) Grid => visualTokens.Grid(Options.ImageSize);

    private Parameter Positions() =>
        new(Torch.Scope(() => PositionTable.Sine(1 + Grid.Height * Grid.Width, Options.Dim)), requiresGrad: false);

    /// <inheritdoc/>
    protected override Tensor Features(Tensor input) // [B, C, H, W] -> [B, 1 + N, D]
    {
        ExpectOwnSize(input);
        var x = visualTokens.Call(input);
        x = drop.Call(Torch.Cat([clsToken.Expand([x.Size(0), -1, -1]), x], 1) + posEmbed);
        foreach (var block in blocks)
            x = block.Call(x);
        return Record("normed", norm.Call(x));
    }

    /// <summary>Class token and second-order statistics, [B, <see cref="NumFeatures"/>].</summary>
    protected override Tensor Pool(Tensor features) => classifier.Pool(features);

    /// <inheritdoc/>
    protected override Tensor Classify(Tensor pooled) => classifier.Classify(pooled);

    /// <inheritdoc/>
    protected override Outputs ForwardOutputs(ModelInput input)
    {
        if (!Training || head.Fusion != SecondOrderHead.Fusion.Losses || Options.Classes == 0)
            return base.ForwardOutputs(input);
        var (byClass, byWords) = classifier.ClassifyApart(Pool(Features(input.Inputs)));
        return new Outputs(byClass) { Named = new Dictionary<string, Tensor> { [ByWords] = byWords } };
    }

    /// <inheritdoc/>
    protected override IReadOnlyList<FeatureMap> FeatureMaps(Tensor input) =>
        [
            new(
                Features(input).Slice(1, 1).Transpose(1, 2).Reshape(input.Size(0), Options.Dim, Grid.Height, Grid.Width),
                (int)Math.Round(Options.ImageSize.Height / (double)Grid.Height)
            ),
        ];

    /// <inheritdoc/>
    public override void ResetClassifier(int classes)
    {
        Options = Options with { Classes = classes };
        classifier.Reset(classes, clsToken.Device, clsToken.DType);
    }

    /// <summary>
    /// Takes another size: the table of positions is a formula and made anew, strides stay those of the size that the model was made for.
    /// </summary>
    public override void Resize(int height, int width)
    {
        visualTokens.Grid((height, width));
        Options = Options with { ImageSize = (height, width) };
        var (device, type) = (posEmbed.Device, posEmbed.DType);
        posEmbed = new Parameter(Torch.Scope(() => Positions().To(type).To(device)), requiresGrad: false);
    }

    /// <inheritdoc/>
    public override void AdaptStateDict(IDictionary<string, Tensor> state)
    {
        // The table is a formula: that of this size is right, whatever the file holds.
        if (state.TryGetValue("pos_embed", out var table) && table.Shape != posEmbed.Shape)
            state["pos_embed"] = posEmbed;
    }

    private const string Paper = "SoT: Delving Deeper into Classification Head for Transformer, 2021, arXiv:2104.10935";

    private static Variant Make(
        string name,
        int dim,
        int depth,
        int heads,
        double ratio,
        int poolDim,
        double headDropout,
        double parameters,
        double gmacs,
        double top1,
        string? note = null
    ) =>
        new(
            name,
            Paper: Paper,
            Create: Variant.Configured(
                new Config(
                    ImageSize: (224, 224),
                    Dim: dim,
                    Depth: depth,
                    Heads: heads,
                    MlpRatio: ratio,
                    PoolHeads: 6,
                    PoolDim: poolDim,
                    Classes: 1000,
                    HeadDropout: headDropout,
                    DropPath: 0.1
                ),
                config => new Sot(config)
            ),
            ImageSize: 224,
            Parameters: parameters,
            GMacs: gmacs,
            MacsWithAttention: false,
            Top1: top1,
            Dataset: "ImageNet-1k",
            Preprocessing: Preprocessing.ImageNet,
            Note: note
        );

    /// <summary>The published sizes; no weights were published.</summary>
    public static IReadOnlyList<Variant> Variants { get; } =
    [
        Make(
            "sot_tiny",
            dim: 240,
            depth: 12,
            heads: 4,
            ratio: 2.5,
            poolDim: 14,
            headDropout: 0,
            parameters: 8.04,
            gmacs: 2.5,
            top1: 80.3,
            note: "ImageNet-A 21.5; 7.7 million parameters in the paper, this is its code"
        ),
        Make(
            "sot_small",
            dim: 384,
            depth: 14,
            heads: 6,
            ratio: 3.5,
            poolDim: 24,
            headDropout: 0.5,
            parameters: 27.1,
            gmacs: 5.8,
            top1: 82.7,
            note: "ImageNet-A 31.8; 26.9 million parameters in the paper, this is its code"
        ),
        Make(
            "sot_base",
            dim: 528,
            depth: 24,
            heads: 8,
            ratio: 3,
            poolDim: 38,
            headDropout: 0.7,
            parameters: 76.8,
            gmacs: 14.5,
            top1: 83.5,
            note: "ImageNet-A 34.6"
        ),
        Variant.Micro(
            "sot_micro_64",
            Paper,
            config: new Config(ImageSize: (64, 64), Dim: 128, Depth: 6, Heads: 4, MlpRatio: 2, PoolHeads: 4, PoolDim: 10, Classes: 10),
            create: config => new Sot(config)
        ),
    ];
}
