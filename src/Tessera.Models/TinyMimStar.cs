using Tessera.Models.Layers;
using Tessera.Nn;

namespace Tessera.Models;

/// <summary>
/// The improved tiny ViT of TinyMIM: class and distillation token, biases by relative position in every block, layer scale, and a
/// wide layer before the classifier. Ren et al., 2023, arXiv:2301.01296.
/// </summary>
/// <remarks>
/// What is known of it is the backbone that the authors released for segmentation; names of the weights are theirs as far as it
/// goes. Their classifier and its training are not: that each of the two tokens has a head behind the wide layer and prediction
/// is the mean of both, as in DeiT, is our reading.
/// </remarks>
public sealed partial class TinyMimStar : Backbone<TinyMimStar.Config>
{
    private const int Prefix = 2;

    /// <summary>Sizes and options.</summary>
    /// <param name="ImageSize">Height and width in pixels, multiples of the patch.</param>
    /// <param name="Patch">Side of a patch.</param>
    /// <param name="Dim">Width of the tokens.</param>
    /// <param name="Depth">Number of blocks.</param>
    /// <param name="Heads">Heads of the attention.</param>
    /// <param name="Wide">Width of the layer before the classifier.</param>
    /// <param name="Classes">Number of classes; 0 for no classifier.</param>
    /// <param name="Channels">Channels of the images.</param>
    /// <param name="MlpRatio">Hidden width of the MLP over the width.</param>
    /// <param name="LayerScale">What its factors start at.</param>
    /// <param name="Dropout">Dropout of tokens, MLPs and projections.</param>
    /// <param name="DropPath">Stochastic depth of the last block.</param>
    /// <param name="Eps">Of all norms.</param>
    public sealed record Config(
        (int Height, int Width) ImageSize,
        int Patch,
        int Dim,
        int Depth,
        int Heads,
        int Wide,
        int Classes = 1000,
        int Channels = 3,
        double MlpRatio = 4,
        double LayerScale = 1,
        double Dropout = 0,
        double DropPath = 0,
        double Eps = 1e-6
    ) : RegularizedConfig
    {
        internal (int Height, int Width) Grid => (ImageSize.Height / Patch, ImageSize.Width / Patch);
    }

    private readonly Parameter clsToken; // [1, 1, D]
    private readonly Parameter distToken; // [1, 1, D]
    private Parameter posEmbed; // [1, 2 + N, D]
    private readonly PatchEmbed patchEmbed;
    private readonly ModuleList<Block> blocks;
    private readonly LayerNorm norm;
    private readonly Sequential conv1x1;
    private Linear? head;
    private Linear? headDist;
    private readonly Dropout drop;

    /// <summary>A model with weights truncated normal 0.02, biases zero.</summary>
    public TinyMimStar(Config config)
        : base(config)
    {
        PatchEmbed.CheckSize(config.ImageSize.Height, config.ImageSize.Width, config.Patch);
        clsToken = Init.TruncatedNormal(new Parameter([1, 1, config.Dim]), 0.02);
        distToken = Init.TruncatedNormal(new Parameter([1, 1, config.Dim]), 0.02);
        posEmbed = Init.TruncatedNormal(new Parameter([1, Prefix + config.Grid.Height * config.Grid.Width, config.Dim]), 0.02);
        patchEmbed = new PatchEmbed(config.Channels, config.Dim, config.Patch);
        var rates = Nn.DropPath.Rates(config.DropPath, config.Depth);
        blocks = new(Enumerable.Range(0, config.Depth).Select(i => new Block(config, rates[i])));
        norm = new LayerNorm(config.Dim, config.Eps);
        conv1x1 = new Sequential(new LayerNorm(config.Dim, config.Eps), new Linear(config.Dim, config.Wide), new Gelu());
        drop = new Dropout(config.Dropout);
        TransformerInit.Linears(this);
        (head, headDist) = (InitialClassifier(), InitialClassifier());
    }

    /// <inheritdoc/>
    public override int NumFeatures => Options.Wide;

    /// <inheritdoc/>
    public override int NumPrefixTokens => Prefix;

    /// <inheritdoc/>
    public override IReadOnlyList<string> BlockPaths => [.. Enumerable.Range(0, Options.Depth).Select(i => $"blocks.{i}")];

    /// <inheritdoc/>
    protected override ref Linear? Classifier => ref head;

    /// <inheritdoc/>
    public override IReadOnlyList<string> ClassifierNames => [.. base.ClassifierNames, "head_dist.weight", "head_dist.bias"];

    /// <inheritdoc/>
    public override void ResetClassifier(int classes)
    {
        base.ResetClassifier(classes);
        headDist = FreshClassifier();
    }

    /// <inheritdoc/>
    public override bool NoWeightDecay(string name) =>
        name is "pos_embed" or "cls_token" or "dist_token" || name.EndsWith(TableName, StringComparison.Ordinal);

    /// <inheritdoc/>
    protected override Tensor Features(Tensor input) // [B, C, H, W] -> [B, 2 + N, D]
    {
        ExpectOwnSize(input);
        var patches = patchEmbed.Call(input);
        Tensor[] tokens = [.. new[] { clsToken, distToken }.Select(token => token.Expand([input.Size(0), -1, -1])), patches];
        var x = drop.Call(Torch.Cat(tokens, 1) + posEmbed);
        foreach (var block in blocks)
            x = block.Call(x);
        return norm.Call(x);
    }

    /// <summary>The class token and that of distillation behind the wide layer, [B, 2, wide].</summary>
    protected override Tensor Pool(Tensor features) => conv1x1.Call(features.Slice(1, 0, Prefix));

    /// <inheritdoc/>
    protected override Tensor Classify(Tensor pooled) => TwoHeads.Of(pooled, head, headDist).Mean;

    /// <summary>In training the logits of both heads; in evaluation their mean.</summary>
    protected override Outputs ForwardOutputs(ModelInput input) =>
        Training ? TwoHeads.Of(Pool(Features(input.Inputs)), head, headDist).ForTraining : base.ForwardOutputs(input);

    /// <inheritdoc/>
    protected override IReadOnlyList<FeatureMap> FeatureMaps(Tensor input)
    {
        var (height, width) = Options.Grid;
        return [new(Features(input).Slice(1, Prefix).Transpose(1, 2).Reshape(input.Size(0), Options.Dim, height, width), Options.Patch)];
    }

    /// <summary>Positions are resampled bicubically, those of the table and, offset by offset, the biases.</summary>
    public override void Resize(int height, int width)
    {
        PatchEmbed.CheckSize(height, width, Options.Patch);
        var before = Options.Grid;
        Options = Options with { ImageSize = (height, width) };
        posEmbed = PositionTable.ResampleParameter(posEmbed, before, Options.Grid, Prefix, PositionResampling.Bicubic);
        foreach (var block in blocks)
            block.Resize(before, Options.Grid);
    }

    private const string TableName = "relative_position_bias_table",
        IndexName = "relative_position_index";

    /// <summary>Positions and biases of another square grid are resampled; tables of indices are computed, not read.</summary>
    public override void AdaptStateDict(IDictionary<string, Tensor> state)
    {
        foreach (var name in state.Keys.Where(name => name.EndsWith(IndexName, StringComparison.Ordinal)).ToArray())
            state.Remove(name);
        if (state.TryGetValue("pos_embed", out var table) && table.Dim == 3 && table.Size(1) != posEmbed.Size(1))
            state["pos_embed"] = PositionTable.Resample(
                table,
                PositionTable.GridOf(table.Size(1) - Prefix, Options.Grid),
                Options.Grid,
                Prefix,
                PositionResampling.Bicubic
            );
        foreach (var name in state.Keys.Where(name => name.EndsWith(TableName, StringComparison.Ordinal)).ToArray())
        {
            var side =
                state[name].Size(0) == RelativePositions.Rows(Options.Grid) + Block.Rest
                    ? Options.Grid
                    : Square(state[name].Size(0) - Block.Rest);
            state[name] = Block.ResizeTable(state[name], side, Options.Grid);
        }

        static (int, int) Square(long rows) => (RelativePositions.SideOf(rows), RelativePositions.SideOf(rows));
    }

    /// <summary>
    /// x + gamma_1 attention(norm(x)), then x + gamma_2 MLP(norm(x)); the attention has a bias for every offset of two patches, and six for
    /// what the other two tokens take part in.
    /// </summary>
    public sealed partial class Block : Layer
    {
        /// <summary>
        /// Rows of the table behind those of the patches: row, column and crossing of the distillation token, then of the class token.
        /// </summary>
        internal const int Rest = 6;

        private readonly Parameter gamma_1; // [D]
        private readonly Parameter gamma_2; // [D]
        private readonly LayerNorm norm1;
        private readonly BiasedAttention attn;
        private readonly LayerNorm norm2;
        private readonly Mlp mlp;
        private readonly DropPath dropPath;

        /// <summary>A block.</summary>
        /// <param name="config">Sizes.</param>
        /// <param name="rate">Stochastic depth.</param>
        public Block(Config config, double rate)
        {
            gamma_1 = Init.Constant(new Parameter(config.Dim), config.LayerScale);
            gamma_2 = Init.Constant(new Parameter(config.Dim), config.LayerScale);
            norm1 = new LayerNorm(config.Dim, config.Eps);
            attn = new BiasedAttention(config);
            norm2 = new LayerNorm(config.Dim, config.Eps);
            mlp = new Mlp(config.Dim, (int)(config.Dim * config.MlpRatio), config.Dropout);
            dropPath = new DropPath(rate);
        }

        internal void Resize((int Height, int Width) from, (int Height, int Width) to) => attn.Resize(from, to);

        /// <inheritdoc/>
        protected override Tensor Forward(Tensor x)
        {
            x = x + dropPath.Call(attn.Call(norm1.Call(x)) * gamma_1);
            return x + dropPath.Call(mlp.Call(norm2.Call(x)) * gamma_2);
        }

        /// <summary>The table of another grid; the last rows stay.</summary>
        internal static Tensor ResizeTable(Tensor table, (int Height, int Width) from, (int Height, int Width) to) =>
            from == to
                ? table
                : Torch.Scope(() =>
                {
                    var patches = table.Size(0) - Rest;
                    return Torch.Cat([RelativePositions.Resize(table.Slice(0, 0, patches), from, to), table.Slice(0, patches)], 0);
                });

        /// <summary>
        /// The row of the table for every pair of tokens, int64 [2 + N, 2 + N]: class token, distillation token, patches.
        /// </summary>
        internal static Tensor Index((int Height, int Width) grid)
        {
            using var scope = new Scope();
            var (count, rows) = (grid.Height * grid.Width, RelativePositions.Rows(grid));
            var patches = RelativePositions.Index(grid).ToArray<long>();
            var index = new long[count + Prefix, count + Prefix];
            for (var query = 0; query < count; query++)
            for (var key = 0; key < count; key++)
                index[query + Prefix, key + Prefix] = patches[query * count + key];
            // In the order of the authors: what comes later takes the place of what came before.
            foreach (var (token, first) in new[] { (1, rows), (0, rows + 3) })
            {
                for (var other = 0; other < count + Prefix; other++)
                    index[token, other] = first;
                for (var other = 0; other < count + Prefix; other++)
                    index[other, token] = first + 1;
                index[token, token] = first + 2;
            }
            return scope.Return(Tensor.From(index.Cast<long>().ToArray(), count + Prefix, count + Prefix));
        }
    }

    /// <summary>Attention with a bias per pair of tokens. Records <c>attention</c>, [B, h, 2 + N, 2 + N].</summary>
    private sealed partial class BiasedAttention : Layer
    {
        private Parameter relativePositionBiasTable; // [rows + 6, heads]
        private readonly Linear qkv;
        private readonly Linear proj;
        private readonly Dropout drop;
        private readonly int heads;

        [NotRegistered]
        private Tensor index; // [2 + N, 2 + N]

        public BiasedAttention(Config config)
        {
            if (config.Dim % config.Heads != 0)
                throw new ArgumentException($"the width {config.Dim} must be a multiple of the {config.Heads} heads", nameof(config));
            heads = config.Heads;
            relativePositionBiasTable = Init.Zeros(new Parameter([RelativePositions.Rows(config.Grid) + Block.Rest, heads]));
            index = Block.Index(config.Grid).Keep();
            qkv = new Linear(config.Dim, 3 * config.Dim);
            proj = new Linear(config.Dim, config.Dim);
            drop = new Dropout(config.Dropout);
        }

        public void Resize((int Height, int Width) from, (int Height, int Width) to)
        {
            using var scope = new Scope();
            using var outside = Torch.NoGrad();
            relativePositionBiasTable = new Parameter(
                Block.ResizeTable(relativePositionBiasTable, from, to),
                relativePositionBiasTable.RequiresGrad
            );
            index = Block.Index(to).Keep();
        }

        protected override Tensor Forward(Tensor input)
        {
            var (batch, tokens, dim) = input.Shape;
            var packed = qkv.Call(input).Reshape(batch, tokens, 3, heads, dim / heads).Permute(2, 0, 3, 1, 4).Unbind(); // 3 of [B, h, N, d]
            var (query, key, value) = (packed[0], packed[1], packed[2]);
            // [1, h, N, N]
            var bias = RelativePositions.Bias(relativePositionBiasTable, index.To(input.Device)).Unsqueeze(0).To(query.DType);
            var mixed = Attention.Apply(this, query, key, value, bias);
            return drop.Call(proj.Call(mixed.Transpose(1, 2).Reshape(batch, tokens, dim)));
        }
    }

    /// <summary>The published size.</summary>
    public static IReadOnlyList<Variant> Variants { get; } =
    [
        new(
            "tinymim_star_vit_tiny_patch16",
            Paper: "TinyMIM: An Empirical Study of Distilling MIM Pre-trained Models, 2023, arXiv:2301.01296",
            Create: Variant.Configured(
                new Config(ImageSize: (224, 224), Patch: 16, Dim: 192, Depth: 12, Heads: 12, Wide: 1280, Classes: 1000, DropPath: 0.1),
                config => new TinyMimStar(config)
            ),
            ImageSize: 224,
            GMacs: 1.3,
            Top1: 79.6,
            Dataset: "ImageNet-1k",
            Preprocessing: Preprocessing.ImageNet,
            Note: "5.8 million parameters were published, which is the model without a classifier; training not published, not reproduced"
        ),
    ];
}
