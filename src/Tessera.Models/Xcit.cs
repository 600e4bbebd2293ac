using Tessera.Models.Layers;
using Tessera.Nn;

namespace Tessera.Models;

/// <summary>
/// Cross-covariance image transformer: attention between channels, depthwise convolutions between neighbours, and class
/// attention at the end. El-Nouby et al., "XCiT: Cross-Covariance Image Transformers", 2021, arXiv:2106.09681.
/// With other embeddings of queries, keys and values: Ahn et al., "Rethinking Query, Key, and Value Embedding in Vision
/// Transformer under Tiny Model Constraints", 2021, arXiv:2111.10017.
/// </summary>
/// <remarks>
/// Names and order of the weights are those of the authors' code. Two of its oddities are kept, because published weights
/// were trained with them: in class attention the patches get their normalised selves added and are doubled after the MLP, and the class
/// token's second residual starts
/// from the normalised token. The reference gives its logits twice while training, for two losses on one head; here they come once.
/// </remarks>
public sealed partial class Xcit : Backbone<Xcit.Config>
{
    /// <summary>Sizes and options.</summary>
    /// <param name="ImageSize">Height and width in pixels that it is meant for; it takes any.</param>
    /// <param name="Patch">Pixels per token along a side: 16 or 8 as published, 4 or 2 for small images.</param>
    /// <param name="Dim">Width of the tokens.</param>
    /// <param name="Depth">Number of cross-covariance blocks.</param>
    /// <param name="Heads">Heads of the attention.</param>
    /// <param name="Classes">Number of classes; 0 for no classifier.</param>
    /// <param name="Channels">Channels of the images.</param>
    /// <param name="MlpRatio">Hidden width of the MLP over the width.</param>
    /// <param name="QkvBias">Whether the linear maps of queries, keys and values have a bias.</param>
    /// <param name="ClassBlocks">Number of class attention blocks.</param>
    /// <param name="TokensNorm">Whether the second norm of class attention covers the patches too (all models but nano).</param>
    /// <param name="LayerScale">Initial factor of the residuals: 1 for 12 blocks, 1e-5 for 24.</param>
    /// <param name="PositionEncoding">Whether sines of the position are added to the tokens.</param>
    /// <param name="PositionHidden">Sines and cosines per axis.</param>
    /// <param name="Eps">Of the layer norms.</param>
    /// <param name="BatchNormEps">Of the batch norms.</param>
    /// <param name="Embedding">How the cross-covariance blocks make queries, keys and values.</param>
    /// <param name="EmbeddingHidden">Width between its two layers; null: that of the tokens.</param>
    /// <param name="CodeDim">Length of the codes of a fully shared embedding; null: the width of the tokens.</param>
    /// <param name="Dropout">Dropout of tokens, MLPs and projections.</param>
    /// <param name="DropPath">Stochastic depth, the same for all cross-covariance blocks.</param>
    /// <param name="FrozenStem">The patch embedding comes from elsewhere: it is not trained, its batch norms stay in evaluation.</param>
    public sealed record Config(
        (int Height, int Width) ImageSize,
        int Patch,
        int Dim,
        int Depth,
        int Heads,
        int Classes = 1000,
        int Channels = 3,
        double MlpRatio = 4,
        bool QkvBias = true,
        int ClassBlocks = 2,
        bool TokensNorm = true,
        double LayerScale = 1,
        bool PositionEncoding = true,
        int PositionHidden = 32,
        double Eps = 1e-6,
        double BatchNormEps = 1e-5,
        QkvEmbedding Embedding = QkvEmbedding.Linear,
        int? EmbeddingHidden = null,
        int? CodeDim = null,
        double Dropout = 0,
        double DropPath = 0,
        bool FrozenStem = false
    ) : RegularizedConfig;

    private readonly Parameter clsToken; // [1, 1, D]
    private readonly Stem patchEmbed;
    private readonly ModuleList<Block> blocks;
    private readonly ModuleList<ClassBlock> clsAttnBlocks;
    private readonly LayerNorm norm;
    private Linear? head;
    private readonly FourierPositions posEmbeder;
    private readonly Dropout drop;

    /// <summary>A model with the authors' initialisation.</summary>
    public Xcit(Config config)
        : base(config)
    {
        clsToken = Init.TruncatedNormal(new Parameter([1, 1, config.Dim]), 0.02);
        patchEmbed = new Stem(config);
        blocks = new(Enumerable.Range(0, config.Depth).Select(_ => new Block(config)));
        clsAttnBlocks = new(Enumerable.Range(0, config.ClassBlocks).Select(_ => new ClassBlock(config)));
        norm = new LayerNorm(config.Dim, config.Eps);
        if (config.Classes > 0)
            head = new Linear(config.Dim, config.Classes);
        posEmbeder = new FourierPositions(config.Dim, config.PositionHidden);
        drop = new Dropout(config.Dropout);
        TransformerInit.Linears(this);
        if (config.FrozenStem)
            patchEmbed.RequireGrad(false);
    }

    /// <inheritdoc/>
    public override int NumFeatures => Options.Dim;

    /// <inheritdoc/>
    public override int NumPrefixTokens => 1;

    /// <inheritdoc/>
    public override int NumPrefixTokensAt(string blockPath) => blockPath.StartsWith("cls_attn_blocks.", StringComparison.Ordinal) ? 1 : 0;

    /// <inheritdoc/>
    public override IReadOnlyList<string> BlockPaths =>
        [
            .. Enumerable.Range(0, Options.Depth).Select(i => $"blocks.{i}"),
            .. Enumerable.Range(0, Options.ClassBlocks).Select(i => $"cls_attn_blocks.{i}"),
        ];

    /// <inheritdoc/>
    protected override ref Linear? Classifier => ref head;

    /// <inheritdoc/>
    public override bool NoWeightDecay(string name) => name == "cls_token";

    /// <inheritdoc/>
    public override void Train(bool training = true)
    {
        base.Train(training);
        if (Options.FrozenStem)
            patchEmbed.Eval();
    }

    /// <inheritdoc/>
    protected override Tensor Features(Tensor input) // [B, C, H, W] -> [B, 1 + N, D]
    {
        var map = patchEmbed.Call(input);
        var (batch, _, height, width) = map.Shape;
        var x = Record("patch_tokens", map.ToTokens());
        if (Options.PositionEncoding)
            x = x + Record("position_encoding", posEmbeder.Call((height, width)).ToTokens());
        x = drop.Call(x);
        foreach (var block in blocks)
            x = block.Call((x, height, width));
        x = Torch.Cat([clsToken.Expand([batch, -1, -1]), x], 1);
        foreach (var block in clsAttnBlocks)
            x = block.Call(x);
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

    /// <summary>
    /// Weights in timm's names: the position encoding is called otherwise, class attention has three maps instead of one.
    /// </summary>
    public override void AdaptStateDict(IDictionary<string, Tensor> state)
    {
        foreach (var name in new[] { "weight", "bias" })
        {
            if (state.Remove($"pos_embed.token_projection.{name}", out var projection))
                state[$"pos_embeder.token_projection.{name}"] = projection;
            for (var i = 0; i < Options.ClassBlocks; i++)
            {
                var attention = $"cls_attn_blocks.{i}.attn";
                if (
                    !state.Remove($"{attention}.q.{name}", out var query)
                    || !state.Remove($"{attention}.k.{name}", out var key)
                    || !state.Remove($"{attention}.v.{name}", out var value)
                )
                    continue;
                state[$"{attention}.qkv.{name}"] = Torch.Cat([query, key, value], 0);
            }
        }
    }

    /// <summary>The patch embedding: <see cref="ConvStem"/>.</summary>
    private sealed partial class Stem(Config config) : Layer
    {
        private readonly Sequential proj = ConvStem.Make(config.Channels, config.Dim, config.Patch, config.BatchNormEps);

        protected override Tensor Forward(Tensor input) => proj.Call(input);
    }

    /// <summary>Sines and cosines of row and column, projected to the width: [1, D, H, W].</summary>
    private sealed partial class FourierPositions(int dim, int hidden) : Module<(long Height, long Width), Tensor>
    {
        private readonly Conv2d tokenProjection = new(2 * hidden, dim, 1);

        protected override Tensor Forward((long Height, long Width) size)
        {
            var weight = tokenProjection.Weight;
            return tokenProjection.Call(Sines(size.Height, size.Width, hidden, device: weight.Device).To(weight.DType));
        }
    }

    /// <summary>
    /// The channels of the position encoding: first those of the row, then those of the column. Channel k of an axis is the
    /// sine (even k) or cosine (odd k) of 2 pi (i + 1) / n over temperature^(2 (k / 2) / hidden).
    /// </summary>
    /// <param name="height">Rows.</param>
    /// <param name="width">Columns.</param>
    /// <param name="hidden">Channels per axis, even.</param>
    /// <param name="temperature">Base of the frequencies.</param>
    /// <param name="device">Where the result lies; null: on the CPU.</param>
    /// <returns>[1, 2 hidden, H, W], computed in float32.</returns>
    public static Tensor Sines(long height, long width, int hidden, double temperature = 10000, Device? device = null) =>
        Torch.Scope(() =>
        {
            var exponents = Torch.Arange(hidden / 2, dtype: DType.Float32, device: device) * 2 / hidden;
            var frequencies = Torch.Full([hidden / 2], temperature, DType.Float32, device: device).Pow(exponents); // [hidden / 2]
            var rows = Axis(height).View(1, -1, height, 1).Expand([-1, -1, -1, width]);
            var columns = Axis(width).View(1, -1, 1, width).Expand([-1, -1, height, -1]);
            return Torch.Cat([rows, columns], 1);

            Tensor Axis(long length) // [hidden, length]
            {
                var positions = (Torch.Arange(length, dtype: DType.Float32, device: device) + 1) / (length + 1e-6) * (2 * Math.PI);
                var angles = positions / frequencies.Unsqueeze(1);
                return Torch.Stack([angles.Sin(), angles.Cos()], 1).Flatten(0, 1);
            }
        });

    /// <summary>Attention between channels, then between neighbours, then the MLP, each as a scaled residual (section 3.3).</summary>
    private sealed partial class Block : Module<(Tensor X, long Height, long Width), Tensor>
    {
        private readonly Parameter gamma1; // [D]
        private readonly Parameter gamma2; // [D]
        private readonly Parameter gamma3; // [D]
        private readonly LayerNorm norm1;
        private readonly CrossCovarianceAttention attn;
        private readonly LayerNorm norm2;
        private readonly Mlp mlp;
        private readonly LayerNorm norm3;
        private readonly LocalPatchInteraction localMp;
        private readonly Dropout drop;
        private readonly DropPath dropPath;

        public Block(Config config)
        {
            gamma1 = Init.Constant(new Parameter(config.Dim), config.LayerScale);
            gamma2 = Init.Constant(new Parameter(config.Dim), config.LayerScale);
            gamma3 = Init.Constant(new Parameter(config.Dim), config.LayerScale);
            norm1 = new LayerNorm(config.Dim, config.Eps);
            attn = new CrossCovarianceAttention(
                config.Dim,
                config.Heads,
                config.QkvBias,
                config.Embedding,
                config.EmbeddingHidden,
                config.CodeDim
            );
            norm2 = new LayerNorm(config.Dim, config.Eps);
            mlp = new Mlp(config.Dim, (int)(config.Dim * config.MlpRatio), config.Dropout);
            norm3 = new LayerNorm(config.Dim, config.Eps);
            localMp = new LocalPatchInteraction(config.Dim, config.BatchNormEps);
            drop = new Dropout(config.Dropout);
            dropPath = new DropPath(config.DropPath);
        }

        protected override Tensor Forward((Tensor X, long Height, long Width) input)
        {
            var x = input.X;
            x = x + dropPath.Call(gamma1 * drop.Call(attn.Call(norm1.Call(x))));
            x = x + dropPath.Call(gamma3 * localMp.Call((norm3.Call(x), input.Height, input.Width)));
            return x + dropPath.Call(gamma2 * mlp.Call(norm2.Call(x)));
        }
    }

    /// <summary>Two depthwise convolutions over the grid of tokens (section 3.3, LPI).</summary>
    private sealed partial class LocalPatchInteraction(int dim, double eps) : Module<(Tensor X, long Height, long Width), Tensor>
    {
        private readonly Conv2d conv1 = new(dim, dim, 3, 1, 1, groups: dim);
        private readonly BatchNorm bn = new(dim, eps);
        private readonly Conv2d conv2 = new(dim, dim, 3, 1, 1, groups: dim);

        protected override Tensor Forward((Tensor X, long Height, long Width) input) =>
            conv2.Call(bn.Call(conv1.Call(input.X.ToMap(input.Height, input.Width)).Gelu())).ToTokens();
    }

    /// <summary>Class attention (Touvron et al., 2021, arXiv:2103.17239) as the reference does it; see the remarks of the model.</summary>
    private sealed partial class ClassBlock : Layer
    {
        private readonly Parameter gamma1; // [D]
        private readonly Parameter gamma2; // [D]
        private readonly LayerNorm norm1;
        private readonly ClassAttention attn;
        private readonly LayerNorm norm2;
        private readonly Mlp mlp;
        private readonly bool tokensNorm;

        public ClassBlock(Config config)
        {
            tokensNorm = config.TokensNorm;
            gamma1 = Init.Constant(new Parameter(config.Dim), config.LayerScale);
            gamma2 = Init.Constant(new Parameter(config.Dim), config.LayerScale);
            norm1 = new LayerNorm(config.Dim, config.Eps);
            attn = new ClassAttention(config);
            norm2 = new LayerNorm(config.Dim, config.Eps);
            mlp = new Mlp(config.Dim, (int)(config.Dim * config.MlpRatio), config.Dropout);
        }

        protected override Tensor Forward(Tensor x) // [B, 1 + N, D]
        {
            var normed = norm1.Call(x);
            x = x + gamma1 * Torch.Cat([attn.Call(normed), normed.Slice(1, 1)], 1);
            if (tokensNorm)
                x = norm2.Call(x);
            var (token, patches) = (x.Slice(1, 0, 1), x.Slice(1, 1));
            if (!tokensNorm)
                token = norm2.Call(token);
            return Torch.Cat([token + gamma2 * mlp.Call(token), patches * 2], 1);
        }
    }

    /// <summary>Attention of the class token alone to all tokens, itself included. Records <c>attention</c>, [B, h, 1, 1 + N].</summary>
    private sealed partial class ClassAttention(Config config) : Layer
    {
        private readonly Linear qkv = new(config.Dim, 3 * config.Dim, config.QkvBias);
        private readonly Linear proj = new(config.Dim, config.Dim);
        private readonly Dropout drop = new(config.Dropout);

        protected override Tensor Forward(Tensor x) // [B, 1 + N, D] -> [B, 1, D]
        {
            var (batch, tokens, dim) = x.Shape;
            var depth = dim / config.Heads;
            var (weight, bias) = ((Tensor)qkv.Weight, qkv.Bias);
            var query = Torch
                .Linear(x.Slice(1, 0, 1), weight.Slice(0, 0, dim), bias?.Slice(0, 0, dim))
                .Reshape(batch, 1, config.Heads, depth)
                .Transpose(1, 2); // [B, h, 1, d]
            var packed = Torch
                .Linear(x, weight.Slice(0, dim), bias?.Slice(0, dim))
                .Reshape(batch, tokens, 2, config.Heads, depth)
                .Permute(2, 0, 3, 1, 4); // [2, B, h, 1 + N, d]
            var weights = Record("attention", Attention.Weights(query, packed[0]));
            return drop.Call(proj.Call(weights.Matmul(packed[1]).Transpose(1, 2).Reshape(batch, 1, dim)));
        }
    }

    private const string Paper = "XCiT: Cross-Covariance Image Transformers, 2021, arXiv:2106.09681";
    private const string EmbeddingPaper =
        "Rethinking Query, Key, and Value Embedding in Vision Transformer under Tiny Model Constraints, 2021, arXiv:2111.10017";

    private static readonly (string Name, int Dim, int Depth, int Heads, bool TokensNorm, double Scale)[] sizes =
    [
        (Name: "nano_12", Dim: 128, Depth: 12, Heads: 4, TokensNorm: false, Scale: 1),
        (Name: "tiny_12", Dim: 192, Depth: 12, Heads: 4, TokensNorm: true, Scale: 1),
        (Name: "tiny_24", Dim: 192, Depth: 24, Heads: 4, TokensNorm: true, Scale: 1e-5),
        (Name: "small_12", Dim: 384, Depth: 12, Heads: 8, TokensNorm: true, Scale: 1),
        (Name: "small_24", Dim: 384, Depth: 24, Heads: 8, TokensNorm: true, Scale: 1e-5),
        (Name: "medium_24", Dim: 512, Depth: 24, Heads: 8, TokensNorm: true, Scale: 1e-5),
        (Name: "large_24", Dim: 768, Depth: 24, Heads: 16, TokensNorm: true, Scale: 1e-5),
    ];

    private static Variant Make(
        string size,
        int patch,
        QkvEmbedding embedding = QkvEmbedding.Linear,
        int image = 224,
        int classes = 1000,
        double? parameters = null,
        double? gmacs = null,
        double? top1 = null,
        double? distilled = null,
        double? at384 = null
    )
    {
        var (_, dim, depth, heads, tokensNorm, scale) = sizes.First(s => s.Name == size);
        var (suffix, note) = embedding switch
        {
            QkvEmbedding.Separate => ("_separate", "three networks of two layers (SNE)"),
            QkvEmbedding.PartiallyShared => ("_partially_shared", "first layer shared (P-SNE)"),
            QkvEmbedding.FullyShared => ("_fully_shared", "one network with codes (F-SNE)"),
            _ when image == 32 => ("", "for small images: two stages of convolutions"),
            _ => ("", FormattableString.Invariant($"400 epochs; {distilled:F1} distilled, {at384:F1} distilled at 384 pixels")),
        };
        return new(
            $"xcit_{size}_p{patch}{(image == 224 ? "" : $"_{image}")}{suffix}",
            Paper: embedding == QkvEmbedding.Linear ? Paper : EmbeddingPaper,
            Create: Variant.Configured(
                new Config(
                    ImageSize: (image, image),
                    Patch: patch,
                    Dim: dim,
                    Depth: depth,
                    Heads: heads,
                    Classes: classes,
                    TokensNorm: tokensNorm,
                    LayerScale: scale,
                    Embedding: embedding,
                    DropPath: 0
                ),
                config => new Xcit(config)
            ),
            ImageSize: image,
            Parameters: parameters,
            GMacs: gmacs,
            Top1: top1,
            Dataset: classes == 1000 ? "ImageNet-1k" : "CIFAR-10",
            Preprocessing: classes == 1000 ? Preprocessing.ImageNet with { CropRatio = 1 } : Preprocessing.Cifar10,
            Note: note
        );
    }

    /// <summary>The published sizes, those with other embeddings, and one for small images.</summary>
    public static IReadOnlyList<Variant> Variants { get; } =
    [
        Make("nano_12", patch: 16, parameters: 3.05, gmacs: 0.56, top1: 69.9, distilled: 72.2, at384: 75.4),
        Make("nano_12", patch: 8, parameters: 3.05, gmacs: 2.16, top1: 73.8, distilled: 76.3, at384: 77.8),
        Make("tiny_12", patch: 16, parameters: 6.72, gmacs: 1.24, top1: 77.1, distilled: 78.6, at384: 80.9),
        Make("tiny_12", patch: 8, parameters: 6.71, gmacs: 4.81, top1: 79.7, distilled: 81.2, at384: 82.4),
        Make("tiny_24", patch: 16, parameters: 12.12, gmacs: 2.34, top1: 79.4, distilled: 80.4, at384: 82.6),
        Make("tiny_24", patch: 8, parameters: 12.11, gmacs: 9.21, top1: 81.9, distilled: 82.6, at384: 83.7),
        Make("small_12", patch: 16, parameters: 26.25, gmacs: 4.82, top1: 82.0, distilled: 83.3, at384: 84.7),
        Make("small_12", patch: 8, parameters: 26.21, gmacs: 18.69, top1: 83.4, distilled: 84.2, at384: 85.1),
        Make("small_24", patch: 16, parameters: 47.67, gmacs: 9.10, top1: 82.6, distilled: 83.9, at384: 85.1),
        Make("small_24", patch: 8, parameters: 47.63, gmacs: 35.81, top1: 83.9, distilled: 84.9, at384: 85.6),
        Make("medium_24", patch: 16, parameters: 84.40, gmacs: 16.13, top1: 82.7, distilled: 84.3, at384: 85.4),
        Make("medium_24", patch: 8, parameters: 84.32, gmacs: 63.52, top1: 83.7, distilled: 85.1, at384: 85.8),
        Make("large_24", patch: 16, parameters: 189.10, gmacs: 35.86, top1: 82.9, distilled: 84.9, at384: 85.8),
        Make("large_24", patch: 8, parameters: 188.93, gmacs: 141.2, top1: 84.4, distilled: 85.4, at384: 86.0),
        Make("nano_12", patch: 16, embedding: QkvEmbedding.Separate, parameters: 3.648),
        Make("nano_12", patch: 16, embedding: QkvEmbedding.PartiallyShared, parameters: 3.251),
        Make("nano_12", patch: 16, embedding: QkvEmbedding.FullyShared, parameters: 3.056, top1: 71.4),
        Make("tiny_12", patch: 16, embedding: QkvEmbedding.Separate),
        Make("tiny_12", patch: 16, embedding: QkvEmbedding.PartiallyShared),
        Make("tiny_12", patch: 16, embedding: QkvEmbedding.FullyShared, top1: 77.8),
        Make("small_12", patch: 16, embedding: QkvEmbedding.Separate),
        Make("small_12", patch: 16, embedding: QkvEmbedding.PartiallyShared),
        Make("small_12", patch: 16, embedding: QkvEmbedding.FullyShared, top1: 82.1),
        Make("nano_12", patch: 4, image: 32, classes: 10),
    ];
}
