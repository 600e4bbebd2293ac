using Tessera.Models.Layers;
using Tessera.Nn;

namespace Tessera.Models;

/// <summary>
/// ConViT: a ViT whose first blocks mix attention by content with attention by position, which begins as a convolution and may
/// be forgotten, head by head. d'Ascoli et al., "ConViT: Improving Vision Transformers with Soft Convolutional Inductive Biases",
/// 2021, arXiv:2103.10697.
/// </summary>
/// <remarks>
/// The class token joins after the positional blocks. Names and order of the weights are the authors'. Their code knows square
/// maps only; here offsets are those of the map's own rows and columns.
/// </remarks>
public sealed partial class ConVit : Backbone<ConVit.Config>
{
    /// <summary>Sizes and options.</summary>
    /// <param name="ImageSize">Height and width in pixels, multiples of the patch.</param>
    /// <param name="Patch">Side of a patch.</param>
    /// <param name="Dim">Width of the tokens.</param>
    /// <param name="Depth">Number of blocks.</param>
    /// <param name="Heads">Heads of the attention; the largest square among them begins as the points of a convolution's kernel.</param>
    /// <param name="PositionalBlocks">So many blocks, from the first, have gated positional attention: fewer than all.</param>
    /// <param name="Classes">Number of classes; 0 for no classifier.</param>
    /// <param name="Channels">Channels of the images.</param>
    /// <param name="LocalityStrength">How narrowly the heads look at first: the factor of the negative squared distance.</param>
    /// <param name="MlpRatio">Hidden width of the MLP over the width.</param>
    /// <param name="QkvBias">Whether queries, keys and values have a bias.</param>
    /// <param name="Eps">Of all norms.</param>
    /// <param name="Dropout">Dropout of tokens, projections and MLPs.</param>
    /// <param name="DropPath">Stochastic depth of the last block.</param>
    public sealed record Config(
        (int Height, int Width) ImageSize,
        int Patch,
        int Dim,
        int Depth,
        int Heads,
        int PositionalBlocks,
        int Classes = 1000,
        int Channels = 3,
        double LocalityStrength = 1,
        double MlpRatio = 4,
        bool QkvBias = false,
        double Eps = 1e-6,
        double Dropout = 0,
        double DropPath = 0
    ) : RegularizedConfig;

    private readonly Parameter clsToken; // [1, 1, D]
    private Parameter posEmbed; // [1, N, D]
    private ModuleBuffer offsets; // [N, N, 3]
    private readonly PatchEmbed patchEmbed;
    private readonly ModuleList<Block> blocks;
    private readonly LayerNorm norm;
    private Linear? head;
    private readonly Dropout drop;

    /// <summary>
    /// A model with the authors' initialisation: linear maps, tokens and positions truncated normal 0.02, positional attention local.
    /// </summary>
    /// <exception cref="ArgumentException">No block is left that the class token takes part in.</exception>
    public ConVit(Config config)
        : base(config)
    {
        if (config.PositionalBlocks >= config.Depth)
            throw new ArgumentException(
                $"PositionalBlocks must be below the depth {config.Depth}, not {config.PositionalBlocks}: "
                    + "the class token takes part in the remaining blocks only",
                nameof(config)
            );
        PatchEmbed.CheckSize(config.ImageSize.Height, config.ImageSize.Width, config.Patch);
        clsToken = Init.TruncatedNormal(new Parameter([1, 1, config.Dim]), 0.02);
        posEmbed = Init.TruncatedNormal(new Parameter([1, Grid.Height * Grid.Width, config.Dim]), 0.02);
        offsets = Offsets(Grid, posEmbed);
        patchEmbed = new PatchEmbed(config.Channels, config.Dim, config.Patch);
        var rates = Nn.DropPath.Rates(config.DropPath, config.Depth);
        blocks = new(Enumerable.Range(0, config.Depth).Select(i => new Block(config, i < config.PositionalBlocks, rates[i])));
        norm = new LayerNorm(config.Dim, config.Eps);
        head = InitialClassifier();
        drop = new Dropout(config.Dropout);
    }

    // For every query and key: columns to the right, rows down, squared distance.
    private static ModuleBuffer Offsets((int Height, int Width) grid, Tensor like)
    {
        var (width, count) = (grid.Width, grid.Height * grid.Width);
        var values = new float[count * count * 3];
        for (var query = 0; query < count; query++)
        for (var key = 0; key < count; key++)
        {
            var (right, down, at) = (key % width - query % width, key / width - query / width, 3 * (query * count + key));
            (values[at], values[at + 1], values[at + 2]) = (right, down, right * right + down * down);
        }
        using var scope = new Scope();
        return new ModuleBuffer(Tensor.From(values, count, count, 3).To(like.Device).To(like.DType), persistent: false, constant: true);
    }

    /// <inheritdoc/>
    public override int NumFeatures => Options.Dim;

    /// <inheritdoc/>
    public override int NumPrefixTokens => 1;

    /// <inheritdoc/>
    public override int NumPrefixTokensAt(string blockPath) => IndexOf(blockPath) < Options.PositionalBlocks ? 0 : 1;

    /// <inheritdoc/>
    public override IReadOnlyList<string> BlockPaths => [.. Enumerable.Range(0, Options.Depth).Select(i => $"blocks.{i}")];

    /// <inheritdoc/>
    protected override ref Linear? Classifier => ref head;

    /// <inheritdoc/>
    public override bool NoWeightDecay(string name) => name is "pos_embed" or "cls_token";

    private static int IndexOf(string blockPath) =>
        int.Parse(blockPath.AsSpan("blocks.".Length), System.Globalization.CultureInfo.InvariantCulture);

    private (int Height, int Width) Grid => (Options.ImageSize.Height / Options.Patch, Options.ImageSize.Width / Options.Patch);

    /// <inheritdoc/>
    protected override Tensor Features(Tensor input) // [B, C, H, W] -> [B, 1 + N, D]
    {
        ExpectOwnSize(input);
        var x = drop.Call(Record("patch_tokens", patchEmbed.Call(input)) + posEmbed);
        foreach (var (i, block) in blocks.Index())
        {
            if (i == Options.PositionalBlocks)
                x = Torch.Cat([clsToken.Expand([input.Size(0), -1, -1]), x], 1);
            x = block.Call((x, offsets));
        }
        return Record("normed", norm.Call(x));
    }

    /// <inheritdoc/>
    protected override Tensor Pool(Tensor features) => features.Select(1, 0);

    /// <inheritdoc/>
    protected override IReadOnlyList<FeatureMap> FeatureMaps(Tensor input) =>
        [new(Features(input).Slice(1, NumPrefixTokens).ToMap(Grid.Height, Grid.Width), Options.Patch)];

    /// <summary>
    /// Takes images of another size: the position table is resampled bicubically, as DeiT's fine-tuning does; offsets are those of the new
    /// grid.
    /// </summary>
    /// <exception cref="ShapeException">Patches do not divide the size.</exception>
    public override void Resize(int height, int width)
    {
        PatchEmbed.CheckSize(height, width, Options.Patch);
        var before = Grid;
        Options = Options with { ImageSize = (height, width) };
        posEmbed = PositionTable.ResampleParameter(posEmbed, before, Grid, 0, PositionResampling.Bicubic);
        offsets = Offsets(Grid, posEmbed);
    }

    /// <summary>A position table of another grid is resampled bicubically.</summary>
    public override void AdaptStateDict(IDictionary<string, Tensor> state) =>
        PositionTable.Fit(state, "pos_embed", posEmbed, Grid, 0, PositionResampling.Bicubic);

    /// <summary>x + attention(norm(x)), then x + MLP(norm(x)).</summary>
    private sealed partial class Block : Module<(Tensor Tokens, Tensor Offsets), Tensor>
    {
        private readonly LayerNorm norm1;
        private readonly Module attn; // one of the two below
        private readonly LayerNorm norm2;
        private readonly Mlp mlp;
        private readonly DropPath dropPath;

        public Block(Config config, bool positional, double dropPath)
        {
            norm1 = new LayerNorm(config.Dim, config.Eps);
            attn = positional
                ? new PositionalAttention(config)
                : TransformerInit.Linears(new SelfAttention(config.Dim, config.Heads, config.QkvBias, dropout: config.Dropout));
            norm2 = new LayerNorm(config.Dim, config.Eps);
            mlp = TransformerInit.Linears(new Mlp(config.Dim, (int)(config.Dim * config.MlpRatio), config.Dropout));
            this.dropPath = new DropPath(dropPath);
        }

        protected override Tensor Forward((Tensor Tokens, Tensor Offsets) input)
        {
            var normed = norm1.Call(input.Tokens);
            var mixed = attn is PositionalAttention positional
                ? positional.Call((normed, input.Offsets))
                : ((SelfAttention)attn).Call(normed);
            var x = input.Tokens + dropPath.Call(mixed);
            return x + dropPath.Call(mlp.Call(norm2.Call(x)));
        }
    }

    /// <summary>
    /// Gated positional self-attention (section 3, positional gating): (1 - g) softmax(q k^T / sqrt(d)) + g softmax(v^T r) with a gate g
    /// per head,
    /// v learned per head, and r the offset of key and query. Records <c>attention</c>, [B, h, N, N].
    /// </summary>
    private sealed partial class PositionalAttention : Module<(Tensor Tokens, Tensor Offsets), Tensor>
    {
        private readonly Parameter gatingParam; // [h]
        private readonly Linear qk;
        private readonly Linear v;
        private readonly Linear proj;
        private readonly Linear posProj;
        private readonly Dropout drop;
        private readonly int heads;

        public PositionalAttention(Config config)
        {
            if (config.Dim % config.Heads != 0)
                throw new ArgumentException($"the width {config.Dim} must be a multiple of the {config.Heads} heads", nameof(config));
            heads = config.Heads;
            gatingParam = Init.Ones(new Parameter(heads));
            qk = new Linear(config.Dim, 2 * config.Dim, config.QkvBias);
            v = new Linear(config.Dim, config.Dim, config.QkvBias);
            proj = new Linear(config.Dim, config.Dim);
            posProj = new Linear(3, heads);
            drop = new Dropout(config.Dropout);
            TransformerInit.Linears(this);
            BeginLocal(config.LocalityStrength);
        }

        /// <summary>
        /// Section 2, self-attention as a generalised convolution: values pass unchanged, and each head looks at one point of a square
        /// kernel, -strength |offset - point|^2 up to a constant.
        /// </summary>
        private void BeginLocal(double strength)
        {
            var side = (int)Math.Sqrt(heads);
            var points = new float[side * side * 3];
            for (var head = 0; head < side * side; head++)
                (points[3 * head], points[3 * head + 1], points[3 * head + 2]) = (
                    2 * (head / side) - (side - 1),
                    2 * (head % side) - (side - 1),
                    -1
                );
            using var scope = new Scope();
            using var outside = Torch.NoGrad();
            v.Weight.Copy_(Torch.Eye(v.Weight.Size(0)));
            // Heads beyond the square keep their random points.
            posProj.Weight.Slice(0, 0, side * side).Copy_(Tensor.From(points, side * side, 3));
            posProj.Weight.Mul_(strength);
        }

        protected override Tensor Forward((Tensor Tokens, Tensor Offsets) input)
        {
            var (batch, tokens, dim) = input.Tokens.Shape;
            // 2 of [B, h, N, d]
            var packed = qk.Call(input.Tokens).Reshape(batch, tokens, 2, heads, dim / heads).Permute(2, 0, 3, 1, 4).Unbind();
            var byContent = Attention.Weights(packed[0], packed[1]); // [B, h, N, N]
            var byPosition = posProj.Call(input.Offsets).Permute(2, 0, 1).Softmax(-1); // [h, N, N]
            var gate = gatingParam.Sigmoid().Reshape(-1, 1, 1);
            // Both sum to 1, and so does what is between them.
            var weights = Record("attention", (1 - gate) * byContent + gate * byPosition);
            var values = v.Call(input.Tokens).Reshape(batch, tokens, heads, dim / heads).Transpose(1, 2);
            return drop.Call(proj.Call(weights.Matmul(values).Transpose(1, 2).Reshape(batch, tokens, dim)));
        }
    }

    private const string Paper = "ConViT: Improving Vision Transformers with Soft Convolutional Inductive Biases, 2021, arXiv:2103.10697";

    private static Variant Make(string name, int heads, double parameters, double? gmacs, double top1, string? note = null) =>
        new(
            name,
            Paper: Paper,
            Create: Variant.Configured(
                new Config(
                    ImageSize: (224, 224),
                    Patch: 16,
                    Dim: 48 * heads,
                    Depth: 12,
                    Heads: heads,
                    PositionalBlocks: 10,
                    Classes: 1000,
                    DropPath: 0.1
                ),
                config => new ConVit(config)
            ),
            ImageSize: 224,
            Parameters: parameters,
            GMacs: gmacs,
            Top1: top1,
            Dataset: "ImageNet-1k",
            Preprocessing: Preprocessing.ImageNet,
            Note: note
        );

    /// <summary>The published sizes.</summary>
    public static IReadOnlyList<Variant> Variants { get; } =
    [
        Make("convit_tiny", heads: 4, parameters: 5.7, gmacs: 1.26, top1: 73.1),
        Make("convit_small", heads: 9, parameters: 27.8, gmacs: null, top1: 81.3),
        Make("convit_base", heads: 16, parameters: 86.5, gmacs: 17.5, top1: 82.4),
        Variant.Micro(
            "convit_micro_patch4_32",
            Paper,
            config: new Config(ImageSize: (32, 32), Patch: 4, Dim: 128, Depth: 6, Heads: 4, PositionalBlocks: 4, Classes: 10),
            create: config => new ConVit(config)
        ),
    ];
}
