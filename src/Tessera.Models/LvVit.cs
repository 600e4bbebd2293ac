using Tessera.Models.Layers;
using Tessera.Nn;

namespace Tessera.Models;

/// <summary>
/// LV-ViT: a ViT with a convolutional patch embedding, scaled residuals and a second head that classifies every patch token,
/// made to be trained with a label per token. Jiang et al., "All Tokens Matter: Token Labeling for Training Better Vision
/// Transformers", 2021, arXiv:2104.10858.
/// </summary>
/// <remarks>
/// In training it puts out the class token's logits and, as <see cref="Dense"/>, those of every patch token; with
/// <see cref="ModelInput.MixBox"/> the tokens of the box are exchanged with the reversed batch after the patch embedding, and
/// the dense logits exchanged back, so that their row b belongs to image b everywhere. Prediction adds half the maximum over
/// the patch tokens' logits to the class token's. Names and order of the weights are the authors'.
/// </remarks>
public sealed partial class LvVit : Backbone<LvVit.Config>
{
    /// <summary>Name of the logits of the patch tokens among the outputs of training, [B, N, classes].</summary>
    public const string Dense = "dense";

    /// <summary>Sizes and options.</summary>
    /// <param name="ImageSize">Height and width in pixels, multiples of the patch.</param>
    /// <param name="Patch">Side of a patch.</param>
    /// <param name="Dim">Width of the tokens.</param>
    /// <param name="Depth">Number of blocks.</param>
    /// <param name="Heads">Heads of the attention.</param>
    /// <param name="Divisor">What the residual branches are divided by.</param>
    /// <param name="Filters">Channels of the convolutions of the patch embedding: 64 or 128; 0 for a plain projection.</param>
    /// <param name="Classes">Number of classes; 0 for no classifier.</param>
    /// <param name="Channels">Channels of the images.</param>
    /// <param name="MlpRatio">Hidden width of the MLP over the width.</param>
    /// <param name="QkvBias">Whether queries, keys and values have a bias.</param>
    /// <param name="DenseHead">Whether the patch tokens have a head.</param>
    /// <param name="Dropout">Dropout of tokens, MLPs and projections.</param>
    /// <param name="DropPath">Stochastic depth of the last block.</param>
    /// <param name="Order">Kinds of the blocks, <c>tr</c>, <c>mha</c> or <c>ffn</c>, in place of the depth; null: all <c>tr</c>.</param>
    public sealed record Config(
        (int Height, int Width) ImageSize,
        int Patch,
        int Dim,
        int Depth,
        int Heads,
        double Divisor,
        int Filters = 64,
        int Classes = 1000,
        int Channels = 3,
        double MlpRatio = 3,
        bool QkvBias = false,
        bool DenseHead = true,
        double Dropout = 0,
        double DropPath = 0,
        IReadOnlyList<string>? Order = null
    ) : RegularizedConfig;

    private readonly Parameter clsToken; // [1, 1, D]
    private Parameter posEmbed; // [1, 1 + N, D]
    private readonly StemPatchEmbed patchEmbed;
    private readonly ModuleList<Block> blocks;
    private readonly LayerNorm norm;
    private Linear? head;
    private Linear? auxHead;
    private readonly Dropout drop;

    /// <summary>A model with the authors' initialisation: linear maps, tokens and positions truncated normal 0.02.</summary>
    public LvVit(Config config)
        : base(config)
    {
        clsToken = Init.TruncatedNormal(new Parameter([1, 1, config.Dim]), 0.02);
        posEmbed = Init.TruncatedNormal(new Parameter([1, 1 + Grid.Height * Grid.Width, config.Dim]), 0.02);
        patchEmbed = new StemPatchEmbed(config.Channels, config.Dim, config.Patch, config.Filters);
        var order = config.Order ?? [.. Enumerable.Repeat("tr", config.Depth)];
        var rates = Nn.DropPath.Rates(config.DropPath, order.Count);
        blocks = new(order.Select((kind, i) => new Block(config, kind, rates[i])));
        norm = new LayerNorm(config.Dim);
        drop = new Dropout(config.Dropout);
        head = InitialClassifier();
        auxHead = config.DenseHead ? InitialClassifier() : null;
    }

    /// <inheritdoc/>
    public override int NumFeatures => Options.Dim;

    /// <inheritdoc/>
    public override int NumPrefixTokens => 1;

    /// <inheritdoc/>
    public override IReadOnlyList<string> BlockPaths => [.. Enumerable.Range(0, blocks.Count).Select(i => $"blocks.{i}")];

    /// <inheritdoc/>
    protected override ref Linear? Classifier => ref head;

    /// <inheritdoc/>
    public override IReadOnlyList<string> ClassifierNames =>
        Options.DenseHead ? [.. base.ClassifierNames, "aux_head.weight", "aux_head.bias"] : base.ClassifierNames;

    /// <inheritdoc/>
    public override bool NoWeightDecay(string name) => name is "pos_embed" or "cls_token";

    /// <summary>Rows and columns of patch tokens.</summary>
    public (int Height, int Width) Grid => (Options.ImageSize.Height / Options.Patch, Options.ImageSize.Width / Options.Patch);

    private Tensor Encode(Tensor image, TokenBox? box) // [B, C, H, W] -> [B, 1 + N, D]
    {
        ExpectOwnSize(image);
        var x = Record("embedding", patchEmbed.Call(image)).Flatten(2).Transpose(1, 2); // [B, N, D]
        if (box is { } region)
            x = MixToken.Exchange(x, region, Grid);
        x = drop.Call(Torch.Cat([clsToken.Expand([x.Size(0), -1, -1]), x], 1) + posEmbed);
        foreach (var block in blocks)
            x = block.Call(x);
        return Record("normed", norm.Call(x));
    }

    /// <inheritdoc/>
    protected override Tensor Features(Tensor input) => Encode(input, null);

    /// <summary>The class token, [B, D].</summary>
    protected override Tensor Pool(Tensor features) => features.Select(1, 0);

    /// <summary>Logits for prediction: class token plus half the maximum over the patch tokens.</summary>
    protected override Tensor Logits(Tensor features)
    {
        var logits = Record("class_logits", base.Logits(features));
        return auxHead is null ? logits : logits + 0.5 * Record("dense_logits", auxHead.Call(features.Slice(1, 1))).Amax(1);
    }

    /// <inheritdoc/>
    protected override Outputs ForwardOutputs(ModelInput input)
    {
        if (!Training || auxHead is null)
            return base.ForwardOutputs(input);
        var tokens = Encode(input.Inputs, input.MixBox);
        var dense = auxHead.Call(tokens.Slice(1, 1)); // [B, N, classes]
        if (input.MixBox is { } box)
            dense = MixToken.Exchange(dense, box, Grid);
        return new Outputs(Classify(Pool(tokens))) { Named = new Dictionary<string, Tensor> { [Dense] = dense } };
    }

    /// <inheritdoc/>
    protected override IReadOnlyList<FeatureMap> FeatureMaps(Tensor input) =>
        [new(Features(input).Slice(1, 1).Transpose(1, 2).Reshape(input.Size(0), Options.Dim, Grid.Height, Grid.Width), Options.Patch)];

    /// <inheritdoc/>
    public override void ResetClassifier(int classes)
    {
        base.ResetClassifier(classes);
        auxHead = Options.DenseHead ? FreshClassifier() : null;
    }

    /// <inheritdoc/>
    public override void Resize(int height, int width)
    {
        PatchEmbed.CheckSize(height, width, Options.Patch);
        var before = Grid;
        Options = Options with { ImageSize = (height, width) };
        posEmbed = PositionTable.ResampleParameter(posEmbed, before, Grid, 1, PositionResampling.Bicubic);
    }

    /// <inheritdoc/>
    public override void AdaptStateDict(IDictionary<string, Tensor> state)
    {
        PositionTable.Fit(state, "pos_embed", posEmbed, Grid, 1, PositionResampling.Bicubic);
    }

    /// <summary>
    /// x + attention(norm(x)) / divisor, then x + MLP(norm(x)) / divisor; <c>mha</c> and <c>ffn</c> blocks are one half each and
    /// multiply their input by the divisor before the norm.
    /// </summary>
    private sealed partial class Block : Layer
    {
        private readonly LayerNorm? norm1;
        private readonly SelfAttention? attn;
        private readonly LayerNorm? norm2;
        private readonly Mlp? mlp;
        private readonly DropPath dropPath;
        private readonly double divisor;
        private readonly double factor;

        public Block(Config config, string kind, double dropPath)
        {
            if (kind is not ("tr" or "mha" or "ffn"))
                throw new ArgumentException($"block '{kind}' must be tr, mha or ffn", nameof(kind));
            this.dropPath = new DropPath(dropPath);
            divisor = config.Divisor;
            factor = kind == "tr" ? 1 : divisor;
            if (kind != "ffn")
            {
                norm1 = new LayerNorm(config.Dim);
                attn = new SelfAttention(config.Dim, config.Heads, config.QkvBias, dropout: config.Dropout);
            }
            if (kind != "mha")
            {
                norm2 = new LayerNorm(config.Dim);
                mlp = new Mlp(config.Dim, (int)(config.Dim * config.MlpRatio), config.Dropout);
            }
            TransformerInit.Linears(this);
        }

        protected override Tensor Forward(Tensor x)
        {
            if (norm1 is not null && attn is not null)
                x = x + Branch(attn, norm1, x);
            if (norm2 is not null && mlp is not null)
                x = x + Branch(mlp, norm2, x);
            return x;
        }

        private Tensor Branch(Layer body, LayerNorm norm, Tensor x)
        {
            var branch = dropPath.Call(body.Call(norm.Call(factor == 1 ? x : x * factor)));
            return divisor == 1 ? branch : branch / divisor;
        }
    }

    private const string Paper = "All Tokens Matter: Token Labeling for Training Better Vision Transformers, 2021, arXiv:2104.10858";

    private static Variant Make(
        string name,
        int dim,
        int depth,
        int heads,
        double divisor,
        int filters,
        int image,
        double dropPath,
        double crop,
        double? parameters,
        double? gmacs,
        double top1,
        string note = "token labels from NFNet-F6"
    ) =>
        new(
            name,
            Paper: Paper,
            Create: Variant.Configured(
                new Config(
                    ImageSize: (image, image),
                    Patch: 16,
                    Dim: dim,
                    Depth: depth,
                    Heads: heads,
                    Divisor: divisor,
                    Filters: filters,
                    Classes: 1000,
                    DropPath: dropPath
                ),
                config => new LvVit(config)
            ),
            ImageSize: image,
            Parameters: parameters,
            GMacs: gmacs,
            Top1: top1,
            Dataset: "ImageNet-1k",
            Preprocessing: Preprocessing.ImageNet with
            {
                CropRatio = image > 224 ? 1 : crop,
            },
            Note: note
        );

    /// <summary>The published sizes.</summary>
    public static IReadOnlyList<Variant> Variants { get; } =
    [
        Make(
            "lvvit_t",
            dim: 240,
            depth: 12,
            heads: 4,
            divisor: 1,
            filters: 64,
            image: 224,
            dropPath: 0.1,
            crop: 0.9,
            parameters: 8.53,
            gmacs: 2.9,
            top1: 79.1
        ),
        Make(
            "lvvit_s",
            dim: 384,
            depth: 16,
            heads: 6,
            divisor: 2,
            filters: 64,
            image: 224,
            dropPath: 0.1,
            crop: 0.9,
            parameters: 26.15,
            gmacs: 6.6,
            top1: 83.3
        ),
        Make(
            "lvvit_s_384",
            dim: 384,
            depth: 16,
            heads: 6,
            divisor: 2,
            filters: 64,
            image: 384,
            dropPath: 0.1,
            crop: 1,
            parameters: 26.30,
            gmacs: 22,
            top1: 84.4
        ),
        Make(
            "lvvit_m",
            dim: 512,
            depth: 20,
            heads: 8,
            divisor: 2,
            filters: 64,
            image: 224,
            dropPath: 0.2,
            crop: 1,
            parameters: 55.83,
            gmacs: null,
            top1: 84.0,
            note: "token labels from NFNet-F6; 12.7 GMACs, published as 16"
        ),
        Make(
            "lvvit_m_384",
            dim: 512,
            depth: 20,
            heads: 8,
            divisor: 2,
            filters: 64,
            image: 384,
            dropPath: 0.2,
            crop: 1,
            parameters: null,
            gmacs: 42,
            top1: 85.4
        ),
        Make(
            "lvvit_m_448",
            dim: 512,
            depth: 20,
            heads: 8,
            divisor: 2,
            filters: 64,
            image: 448,
            dropPath: 0.2,
            crop: 1,
            parameters: null,
            gmacs: null,
            top1: 85.5
        ),
        Make(
            "lvvit_l_448",
            dim: 768,
            depth: 24,
            heads: 12,
            divisor: 3,
            filters: 128,
            image: 448,
            dropPath: 0.3,
            crop: 1,
            parameters: 150.47,
            gmacs: 157,
            top1: 86.2
        ),
        Make(
            "lvvit_l_512",
            dim: 768,
            depth: 24,
            heads: 12,
            divisor: 3,
            filters: 128,
            image: 512,
            dropPath: 0.3,
            crop: 1,
            parameters: null,
            gmacs: null,
            top1: 86.4
        ),
        Variant.Micro(
            "lvvit_micro_32",
            Paper,
            config: new Config(ImageSize: (32, 32), Patch: 4, Dim: 128, Depth: 6, Heads: 4, Divisor: 1, Filters: 16, Classes: 10),
            create: config => new LvVit(config)
        ),
    ];
}
