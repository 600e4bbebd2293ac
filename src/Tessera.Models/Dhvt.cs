using Tessera.Models.Layers;
using Tessera.Nn;

namespace Tessera.Models;

/// <summary>
/// Dynamic hybrid vision transformer for small data: overlapping convolutions make the patches, head tokens let the heads talk
/// to each other, depthwise convolutions stand in the MLP; no positions.
/// Lu et al., "Bridging the Gap Between Vision Transformers and Convolutional Neural Networks on Small Datasets", 2022, arXiv:2210.05958.
/// </summary>
/// <remarks>
/// Names and order of the weights are those of the authors' code; they published no weights. The reference takes square grids
/// of tokens only; here any grid will do. The three parts can be switched off for ablation, each giving place to ViT's.
/// </remarks>
public sealed partial class Dhvt : Backbone<Dhvt.Config>
{
    /// <summary>Sizes and options.</summary>
    /// <param name="ImageSize">Height and width in pixels that it is meant for; it takes any.</param>
    /// <param name="Patch">Pixels per token along a side, a power of two: 2, 4 or 16 as published.</param>
    /// <param name="Dim">Width of the tokens.</param>
    /// <param name="Depth">Number of blocks.</param>
    /// <param name="Heads">Heads of the attention, and number of head tokens.</param>
    /// <param name="Classes">Number of classes; 0 for no classifier.</param>
    /// <param name="Channels">Channels of the images.</param>
    /// <param name="MlpRatio">Hidden width of the feed-forward part over the width.</param>
    /// <param name="QkvBias">Whether queries, keys and values have a bias.</param>
    /// <param name="Dropout">Dropout of tokens and of the attention's result.</param>
    /// <param name="AttentionDropout">Dropout of the attention weights.</param>
    /// <param name="DropPath">Stochastic depth of the last block.</param>
    /// <param name="Eps">Of the layer norms but that of the head tokens.</param>
    /// <param name="HeadTokenEps">Of the norm of the head tokens.</param>
    /// <param name="BatchNormEps">Of the batch norms.</param>
    /// <param name="OverlappingPatches">Convolutions make the patches (SOPE); otherwise one projection per patch.</param>
    /// <param name="HeadTokens">Head tokens in the attention (HI-MHSA); otherwise ViT's attention.</param>
    /// <param name="DynamicFeedForward">Convolutions and a gate in the feed-forward part (DAFF); otherwise ViT's MLP.</param>
    public sealed record Config(
        (int Height, int Width) ImageSize,
        int Patch,
        int Dim,
        int Depth,
        int Heads,
        int Classes = 100,
        int Channels = 3,
        double MlpRatio = 4,
        bool QkvBias = true,
        double Dropout = 0,
        double AttentionDropout = 0,
        double DropPath = 0,
        double Eps = 1e-6,
        double HeadTokenEps = 1e-5,
        double BatchNormEps = 1e-5,
        bool OverlappingPatches = true,
        bool HeadTokens = true,
        bool DynamicFeedForward = true
    ) : RegularizedConfig;

    private readonly Parameter clsToken; // [1, 1, D]
    private readonly Stem patchEmbed;
    private readonly ModuleList<Block> blocks;
    private readonly LayerNorm norm;
    private Linear? head;
    private readonly Dropout drop;

    /// <summary>A model with the authors' initialisation.</summary>
    public Dhvt(Config config)
        : base(config)
    {
        clsToken = Init.TruncatedNormal(new Parameter([1, 1, config.Dim]), 0.02);
        patchEmbed = new Stem(config);
        var rates = Nn.DropPath.Rates(config.DropPath, config.Depth);
        blocks = new(Enumerable.Range(0, config.Depth).Select(i => new Block(config, rates[i])));
        norm = new LayerNorm(config.Dim, config.Eps);
        if (config.Classes > 0)
            head = new Linear(config.Dim, config.Classes);
        drop = new Dropout(config.Dropout);
        TransformerInit.Linears(this);
    }

    /// <inheritdoc/>
    public override int NumFeatures => Options.Dim;

    /// <inheritdoc/>
    public override int NumPrefixTokens => 1;

    /// <inheritdoc/>
    public override IReadOnlyList<string> BlockPaths => [.. Enumerable.Range(0, Options.Depth).Select(i => $"blocks.{i}")];

    /// <inheritdoc/>
    protected override ref Linear? Classifier => ref head;

    /// <summary>The class token alone: the blocks' embeddings of head tokens do decay, as in the reference.</summary>
    public override bool NoWeightDecay(string name) => name == "cls_token";

    /// <inheritdoc/>
    protected override Tensor Features(Tensor input) // [B, C, H, W] -> [B, 1 + N, D]
    {
        var map = patchEmbed.Call(input);
        var (batch, _, height, width) = map.Shape;
        var patches = Record("patch_tokens", map.ToTokens());
        var x = drop.Call(Torch.Cat([clsToken.Expand([batch, -1, -1]), patches], 1));
        foreach (var block in blocks)
            x = block.Call((x, height, width));
        return Record("normed", norm.Call(x));
    }

    /// <inheritdoc/>
    protected override Tensor Pool(Tensor features) => features.Select(1, 0);

    /// <inheritdoc/>
    protected override IReadOnlyList<FeatureMap> FeatureMaps(Tensor input)
    {
        var (height, width) = ConvStem.Grid(((int)input.Size(2), (int)input.Size(3)), Options.Patch);
        return [new(Features(input).Slice(1, 1).ToMap(height, width), Options.Patch)];
    }

    /// <summary>Takes note of the size; nothing depends on it, but without convolutions patches have to divide it.</summary>
    public override void Resize(int height, int width)
    {
        if (!Options.OverlappingPatches)
            PatchEmbed.CheckSize(height, width, Options.Patch);
        Options = Options with { ImageSize = (height, width) };
    }

    /// <summary>Sequential overlapping patch embedding (SOPE): <see cref="ConvStem"/> between two affine maps of the channels.</summary>
    private sealed partial class Stem : Layer
    {
        private readonly Layer proj;
        private readonly Affine? preAffine;
        private readonly Affine? postAffine;

        public Stem(Config config)
        {
            if (!config.OverlappingPatches)
            {
                proj = new Conv2d(config.Channels, config.Dim, config.Patch, config.Patch);
                return;
            }
            // A single stage would be linear: it alone is followed by GELU.
            proj = ConvStem.Make(config.Channels, config.Dim, config.Patch, config.BatchNormEps, activateLast: config.Patch == 2);
            preAffine = new Affine(config.Channels);
            postAffine = new Affine(config.Dim);
        }

        protected override Tensor Forward(
            Tensor input
        ) // [B, C, H, W] -> [B, D, h, w]
            => preAffine is null || postAffine is null ? proj.Call(input) : postAffine.Call(proj.Call(preAffine.Call(input)));
    }

    /// <summary>alpha x + beta per channel.</summary>
    private sealed partial class Affine(int channels) : Layer
    {
        private readonly Parameter alpha = Init.Ones(new Parameter([1, channels, 1, 1]));
        private readonly Parameter beta = Init.Zeros(new Parameter([1, channels, 1, 1]));

        protected override Tensor Forward(Tensor input) => input * alpha + beta;
    }

    /// <summary>x + attention(norm(x)), then x + feed-forward(norm(x)).</summary>
    private sealed partial class Block : Module<(Tensor X, long Height, long Width), Tensor>
    {
        private readonly LayerNorm norm1;
        private readonly Layer attn;
        private readonly LayerNorm norm2;

        [Name("mlp")]
        private readonly DynamicFeedForward? daff;

        [Name("mlp")]
        private readonly Mlp? plain;
        private readonly DropPath dropPath;

        public Block(Config config, double dropPath)
        {
            var hidden = (int)(config.Dim * config.MlpRatio);
            norm1 = new LayerNorm(config.Dim, config.Eps);
            attn = config.HeadTokens
                ? new HeadInteractedAttention(config)
                : new SelfAttention(config.Dim, config.Heads, config.QkvBias, config.AttentionDropout, config.Dropout);
            norm2 = new LayerNorm(config.Dim, config.Eps);
            if (config.DynamicFeedForward)
                daff = new DynamicFeedForward(config.Dim, hidden, config.BatchNormEps);
            else
                plain = new Mlp(config.Dim, hidden, config.Dropout);
            this.dropPath = new DropPath(dropPath);
        }

        protected override Tensor Forward((Tensor X, long Height, long Width) input)
        {
            var x = input.X + dropPath.Call(attn.Call(norm1.Call(input.X)));
            var normed = norm2.Call(x);
            return x + dropPath.Call(daff is null ? plain!.Call(normed) : daff.Call((normed, input.Height, input.Width)));
        }
    }

    /// <summary>
    /// Head-interacted attention (HI-MHSA): the mean over all tokens of each head's channels becomes a token of its own that joins
    /// the attention; what these tokens gather goes to the class token. Records <c>head_tokens</c>, [B, h, D], and
    /// <c>attention</c>, [B, h, 1 + N + h, 1 + N + h].
    /// </summary>
    private sealed partial class HeadInteractedAttention : Layer
    {
        private readonly Parameter posEmbed; // [1, h, D]
        private readonly Linear qkv;
        private readonly Linear proj;
        private readonly Linear htProj;
        private readonly LayerNorm htNorm;
        private readonly Dropout drop;
        private readonly int heads;
        private readonly double attentionDropout;

        public HeadInteractedAttention(Config config)
        {
            if (config.Dim % config.Heads != 0)
                throw new ArgumentException($"the width {config.Dim} must be a multiple of the {config.Heads} heads", nameof(config));
            (heads, attentionDropout) = (config.Heads, config.AttentionDropout);
            posEmbed = Init.TruncatedNormal(new Parameter([1, heads, config.Dim]), 0.02);
            qkv = new Linear(config.Dim, 3 * config.Dim, config.QkvBias);
            proj = new Linear(config.Dim, config.Dim);
            htProj = new Linear(config.Dim / heads, config.Dim);
            htNorm = new LayerNorm(config.Dim / heads, config.HeadTokenEps);
            drop = new Dropout(config.Dropout);
        }

        protected override Tensor Forward(Tensor input) // [B, T, D]
        {
            var (batch, tokens, dim) = input.Shape;
            var depth = dim / heads;
            var means = input.Mean(1).Reshape(batch, heads, depth); // [B, h, d]
            var groups = htNorm.Call(htProj.Call(means).Reshape(batch, heads, heads, depth)).Gelu(); // [B, h, h, d]
            var headTokens = Record("head_tokens", groups.Flatten(2) + posEmbed); // [B, h, D]
            var x = Torch.Cat([input, headTokens], 1);
            // 3 of [B, h, T + h, d]
            var packed = qkv.Call(x).Reshape(batch, tokens + heads, 3, heads, depth).Permute(2, 0, 3, 1, 4).Unbind();
            var mixed = Attention.Apply(this, packed[0], packed[1], packed[2], dropout: attentionDropout);
            x = proj.Call(mixed.Transpose(1, 2).Reshape(batch, tokens + heads, dim));
            var token = x.Slice(1, 0, 1) + x.Slice(1, tokens).Mean(1, true);
            return drop.Call(Torch.Cat([token, x.Slice(1, 1, tokens)], 1));
        }
    }

    /// <summary>
    /// Dynamic aggregation feed-forward (DAFF): the patches pass convolutions, and their mean gates the class token. There is no
    /// sigmoid in the gate.
    /// </summary>
    private sealed partial class DynamicFeedForward(int dim, int hidden, double eps) : Module<(Tensor X, long Height, long Width), Tensor>
    {
        private readonly Conv2d conv1 = new(dim, hidden, 1);
        private readonly Conv2d conv2 = new(hidden, hidden, 3, 1, 1, groups: hidden);
        private readonly Conv2d conv3 = new(hidden, dim, 1);
        private readonly BatchNorm bn1 = new(hidden, eps);
        private readonly BatchNorm bn2 = new(hidden, eps);
        private readonly BatchNorm bn3 = new(dim, eps);
        private readonly Linear compress = new(dim, dim / 4);
        private readonly Linear excitation = new(dim / 4, dim);

        protected override Tensor Forward((Tensor X, long Height, long Width) input) // [B, 1 + N, D]
        {
            var (token, patches) = (input.X.Slice(1, 0, 1), input.X.Slice(1, 1).ToMap(input.Height, input.Width));
            var wide = bn1.Call(conv1.Call(patches)).Gelu();
            wide = wide + bn2.Call(conv2.Call(wide)).Gelu();
            var tokens = bn3.Call(conv3.Call(wide)).ToTokens(); // [B, N, D]
            var gate = excitation.Call(compress.Call(tokens.Mean(1, true)).Gelu());
            return Torch.Cat([token * gate, tokens], 1);
        }
    }

    private const string Paper =
        "Bridging the Gap Between Vision Transformers and Convolutional Neural Networks on Small Datasets, 2022, arXiv:2210.05958";

    private static Variant Make(
        string name,
        int image,
        int patch,
        int dim,
        int heads,
        int classes,
        double parameters,
        double? gmacs,
        string dataset,
        double? top1 = null,
        string? note = null
    ) =>
        new(
            name,
            Paper: Paper,
            Create: Variant.Configured(
                new Config(ImageSize: (image, image), Patch: patch, Dim: dim, Depth: 12, Heads: heads, Classes: classes, DropPath: 0),
                config => new Dhvt(config)
            ),
            // The published figures leave attention's products out where they weigh most.
            ImageSize: image,
            Parameters: parameters,
            GMacs: gmacs,
            MacsWithAttention: patch > 2,
            Top1: top1,
            Dataset: dataset,
            Preprocessing: image == 32 ? Preprocessing.ImageNet with { CropRatio = 1 } : Preprocessing.ImageNet,
            Note: note
        );

    private const string Unchecked = "accuracy as remembered from the paper's tables";

    /// <summary>The published models.</summary>
    public static IReadOnlyList<Variant> Variants { get; } =
    [
        Make(
            "dhvt_tiny_cifar_patch4",
            image: 32,
            patch: 4,
            dim: 192,
            heads: 4,
            classes: 100,
            parameters: 6.009,
            gmacs: 0.4,
            dataset: "CIFAR-100",
            top1: 80.93,
            note: Unchecked
        ),
        Make(
            "dhvt_small_cifar_patch4",
            image: 32,
            patch: 4,
            dim: 384,
            heads: 8,
            classes: 100,
            parameters: 23.425,
            gmacs: 1.5,
            dataset: "CIFAR-100",
            top1: 82.91,
            note: Unchecked
        ),
        Make(
            "dhvt_tiny_cifar_patch2",
            image: 32,
            patch: 2,
            dim: 192,
            heads: 4,
            classes: 100,
            parameters: 5.845,
            gmacs: 1.4,
            dataset: "CIFAR-100",
            top1: 83.54,
            note: Unchecked
        ),
        Make(
            "dhvt_small_cifar_patch2",
            image: 32,
            patch: 2,
            dim: 384,
            heads: 8,
            classes: 100,
            parameters: 22.767,
            gmacs: 5.6,
            dataset: "CIFAR-100",
            top1: 85.68,
            note: "300 epochs from scratch"
        ),
        Make(
            "dhvt_tiny_domain_patch16",
            image: 224,
            patch: 16,
            dim: 192,
            heads: 4,
            classes: 345,
            parameters: 6.106,
            gmacs: null,
            dataset: "DomainNet"
        ),
        Make(
            "dhvt_small_domain_patch16",
            image: 224,
            patch: 16,
            dim: 384,
            heads: 6,
            classes: 345,
            parameters: 23.788,
            gmacs: null,
            dataset: "DomainNet"
        ),
        Make(
            "dhvt_tiny_imagenet_patch16",
            image: 224,
            patch: 16,
            dim: 192,
            heads: 3,
            classes: 1000,
            parameters: 6.267,
            gmacs: 1.4,
            dataset: "ImageNet-1k",
            top1: 76.5,
            note: Unchecked + "; 77.6 in the authors' repository"
        ),
        Make(
            "dhvt_small_imagenet_patch16",
            image: 224,
            patch: 16,
            dim: 384,
            heads: 6,
            classes: 1000,
            parameters: 24.041,
            gmacs: 5.1,
            dataset: "ImageNet-1k",
            top1: 82.3,
            note: "300 epochs from scratch"
        ),
        Variant.Micro(
            "dhvt_micro_patch4_32",
            Paper,
            config: new Config(ImageSize: (32, 32), Patch: 4, Dim: 96, Depth: 6, Heads: 3, Classes: 10),
            create: config => new Dhvt(config)
        ),
    ];
}
