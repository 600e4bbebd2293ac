using Tessera.Models.Layers;
using Tessera.Nn;

namespace Tessera.Models;

/// <summary>
/// ViTAS: DeiT-like transformers whose patch, widths, heads and depth an architecture search has found. Su et al., "ViTAS: Vision
/// Transformer Architecture Search", 2021, arXiv:2106.13700.
/// </summary>
/// <remarks>
/// As in the authors' code, scores are divided by the root of the width of the tokens over the heads, not by that of a head; the norms of
/// the blocks have another eps than the last one; and positions of the search space without a block count for the rates of stochastic
/// depth. Names and order of the weights are the authors'.
/// </remarks>
public sealed partial class Vitas : Backbone<Vitas.Config>
{
    /// <summary>A block.</summary>
    /// <param name="Heads">Heads of the attention.</param>
    /// <param name="Qkv">Width of queries, keys and values together, a multiple of three times the heads.</param>
    /// <param name="Mlp">Hidden width of the MLP.</param>
    public sealed record BlockOptions(int Heads, int Qkv, int Mlp);

    /// <summary>Sizes and options.</summary>
    /// <param name="ImageSize">Height and width in pixels, multiples of the patch.</param>
    /// <param name="Patch">Side of a patch.</param>
    /// <param name="Dim">Width of the tokens.</param>
    /// <param name="Blocks">The positions of the search space; null for one without a block.</param>
    /// <param name="Classes">Number of classes; 0 for no classifier.</param>
    /// <param name="Channels">Channels of the images.</param>
    /// <param name="QkvBias">Whether queries, keys and values have a bias.</param>
    /// <param name="Eps">Of the norms of the blocks.</param>
    /// <param name="FinalEps">Of the last norm.</param>
    /// <param name="Dropout">Dropout of tokens, projections and MLPs.</param>
    /// <param name="DropPath">Stochastic depth of the last position.</param>
    public sealed record Config(
        (int Height, int Width) ImageSize,
        int Patch,
        int Dim,
        IReadOnlyList<BlockOptions?> Blocks,
        int Classes = 1000,
        int Channels = 3,
        bool QkvBias = true,
        double Eps = 1e-6,
        double FinalEps = 1e-5,
        double Dropout = 0,
        double DropPath = 0
    ) : RegularizedConfig
    {
        /// <summary>
        /// Multiply-adds by the authors' counter, in whose unit their budgets are: without the class token, and with the classifier
        /// applied to every token.
        /// </summary>
        public long PublishedCost
        {
            get
            {
                long tokens = ImageSize.Height / Patch * (ImageSize.Width / Patch),
                    cost = 3L * Dim * tokens * Patch * Patch + tokens * Dim * Classes;
                foreach (var block in Blocks.OfType<BlockOptions>())
                    cost +=
                        tokens * Dim * block.Qkv
                        + 2 * tokens * tokens * (block.Qkv / 3)
                        + tokens * (block.Qkv / 3) * Dim
                        + 2 * tokens * Dim * block.Mlp;
                return cost;
            }
        }
    }

    internal const string StemPath = "net.backbone_init_stem_Patch_init_0.0",
        NormPath = "net.backbone_Norm_Norm_0.0",
        HeadPath = "net.backbone_FC_FC_0.0.module.0";

    private readonly Parameter clsToken; // [1, 1, D]
    private Parameter posEmbed; // [1, 1 + N, D]
    private readonly PatchEmbed patchEmbed;
    private readonly Block?[] blocks;
    private readonly LayerNorm norm;
    private Linear? head;
    private readonly Dropout drop;

    /// <summary>A model with the authors' initialisation: linear maps truncated normal, class token and positions zero.</summary>
    /// <exception cref="ArgumentException">A block cannot be divided among its heads.</exception>
    public Vitas(Config config)
        : base(config)
    {
        PatchEmbed.CheckSize(config.ImageSize.Height, config.ImageSize.Width, config.Patch);
        clsToken = Init.Zeros(new Parameter([1, 1, config.Dim]));
        posEmbed = Init.Zeros(new Parameter([1, 1 + Grid.Height * Grid.Width, config.Dim]));
        patchEmbed = new PatchEmbed(config.Channels, config.Dim, config.Patch);
        var rates = Nn.DropPath.Rates(config.DropPath, config.Blocks.Count);
        blocks = [.. config.Blocks.Select((own, i) => own is null ? null : new Block(config, own, rates[i]))];
        norm = new LayerNorm(config.Dim, config.FinalEps);
        head = InitialClassifier();
        drop = new Dropout(config.Dropout);
    }

    /// <inheritdoc/>
    protected override void ListMembers(Members members)
    {
        members.Add($"{StemPath}.cls_token", clsToken);
        members.Add($"{StemPath}.pos_embed", posEmbed);
        members.Add($"{StemPath}.patch_embed", patchEmbed);
        foreach (var (i, block) in blocks.Index())
            members.Add(PathOf(i), block);
        members.Add(NormPath, norm);
        members.Add(HeadPath, head);
    }

    internal static string PathOf(int position) => $"net.backbone_Block_Block_{position}.0";

    /// <inheritdoc/>
    public override int NumFeatures => Options.Dim;

    /// <inheritdoc/>
    public override int NumPrefixTokens => 1;

    /// <inheritdoc/>
    public override IReadOnlyList<string> BlockPaths =>
        [.. Enumerable.Range(0, blocks.Length).Where(i => blocks[i] is not null).Select(PathOf)];

    /// <inheritdoc/>
    protected override ref Linear? Classifier => ref head;

    /// <inheritdoc/>
    protected override string ClassifierPath => HeadPath;

    private (int Height, int Width) Grid => (Options.ImageSize.Height / Options.Patch, Options.ImageSize.Width / Options.Patch);

    /// <inheritdoc/>
    protected override Tensor Features(Tensor input) // [B, C, H, W] -> [B, 1 + N, D]
    {
        ExpectOwnSize(input);
        var patches = Record("patch_tokens", patchEmbed.Call(input));
        var x = Record("embedded", drop.Call(Torch.Cat([clsToken.Expand([input.Size(0), -1, -1]), patches], 1) + posEmbed));
        foreach (var block in blocks)
            x = block?.Call(x) ?? x;
        return Record("normed", norm.Call(x));
    }

    /// <inheritdoc/>
    protected override Tensor Pool(Tensor features) => features.Select(1, 0);

    /// <inheritdoc/>
    protected override IReadOnlyList<FeatureMap> FeatureMaps(Tensor input) =>
        [new(Features(input).Slice(1, NumPrefixTokens).ToMap(Grid.Height, Grid.Width), Options.Patch)];

    /// <summary>Takes images of another size: positions of patches are resampled bicubically.</summary>
    /// <exception cref="ShapeException">Patches do not divide the size.</exception>
    public override void Resize(int height, int width)
    {
        PatchEmbed.CheckSize(height, width, Options.Patch);
        var before = Grid;
        Options = Options with { ImageSize = (height, width) };
        posEmbed = PositionTable.ResampleParameter(posEmbed, before, Grid, 1, PositionResampling.Bicubic);
    }

    /// <summary>A position table of another grid is resampled bicubically.</summary>
    public override void AdaptStateDict(IDictionary<string, Tensor> state) =>
        PositionTable.Fit(state, $"{StemPath}.pos_embed", posEmbed, Grid, 1, PositionResampling.Bicubic);

    /// <summary>x + attention(norm(x)), then x + MLP(norm(x)).</summary>
    private sealed partial class Block : Layer
    {
        private readonly LayerNorm norm1;
        private readonly Heads attn;
        private readonly LayerNorm norm2;
        private readonly Mlp mlp;
        private readonly DropPath dropPath;

        internal Block(Config config, BlockOptions own, double dropPath)
        {
            norm1 = new LayerNorm(config.Dim, config.Eps);
            attn = new Heads(config, own);
            norm2 = new LayerNorm(config.Dim, config.Eps);
            mlp = new Mlp(config.Dim, own.Mlp, config.Dropout);
            this.dropPath = new DropPath(dropPath);
            TransformerInit.Linears(this);
        }

        protected override Tensor Forward(Tensor input)
        {
            var x = input + dropPath.Call(attn.Call(norm1.Call(input)));
            return x + dropPath.Call(mlp.Call(norm2.Call(x)));
        }
    }

    /// <summary>Self-attention of a width of its own. Records <c>attention</c>, [B, h, N, N].</summary>
    private sealed partial class Heads : Layer
    {
        private readonly Linear qkv;
        private readonly Linear proj;
        private readonly Dropout drop;
        private readonly int heads,
            headDim;
        private readonly double scale;

        internal Heads(Config config, BlockOptions own)
        {
            if (own.Heads < 1 || own.Qkv < 1 || own.Qkv % (3 * own.Heads) != 0)
                throw new ArgumentException(
                    $"{own.Qkv} channels of queries, keys and values must be a multiple of three times the {own.Heads} heads",
                    nameof(own)
                );
            (heads, headDim) = (own.Heads, own.Qkv / 3 / own.Heads);
            scale = ScaleOf(config.Dim, heads);
            qkv = new Linear(config.Dim, own.Qkv, config.QkvBias);
            proj = new Linear(own.Qkv / 3, config.Dim);
            drop = new Dropout(config.Dropout);
        }

        protected override Tensor Forward(Tensor input) // [B, N, D]
        {
            var (batch, tokens, _) = input.Shape;
            // 3 of [B, h, N, d]
            var packed = qkv.Call(input).Reshape(batch, tokens, 3, heads, headDim).Permute(2, 0, 3, 1, 4).Unbind();
            var mixed = Attention.Apply(this, packed[0], packed[1], packed[2], scale: scale);
            return drop.Call(proj.Call(mixed.Transpose(1, 2).Reshape(batch, tokens, heads * headDim)));
        }
    }

    /// <summary>Factor of the scores: by the width of the tokens, whatever the width of a head.</summary>
    internal static double ScaleOf(int dim, int heads) => Math.Pow(dim / heads, -0.5);

    private const string Paper = "ViTAS: Vision Transformer Architecture Search, 2021, arXiv:2106.13700";

    private static Variant Make(string name, VitasSpace space, string netId, double parameters, double top1)
    {
        var found = space.Decode(netId);
        return new(
            name,
            Paper,
            Variant.Configured(space.Configure(found, (224, 224)) with { DropPath = 0.1 }, config => new Vitas(config)),
            ImageSize: 224,
            Parameters: parameters,
            Top1: top1,
            Dataset: "ImageNet-1k",
            Preprocessing: Preprocessing.ImageNet
        );
    }

    /// <summary>The published sizes; D and G are not published.</summary>
    public static IReadOnlyList<Variant> Variants { get; } =
    [
        Make(
            "vitas_a",
            VitasSpace.Tiny,
            "1 2 4 3 4 4 1 3 4 3 4 4 4 4 3 3 4 0 0 3 1 6 7 9 4 3 6 8 4 9 1 8 6 4 9 2 7 6 8 9 3 0 3 8 7 0 5 7 9 8 4 4",
            parameters: 3.679,
            top1: 71.1
        ),
        Make(
            "vitas_b",
            VitasSpace.Tiny,
            "1 3 4 4 3 4 3 4 4 2 2 4 2 3 4 4 1 0 0 4 1 5 1 6 2 2 2 3 2 9 2 6 3 9 5 7 7 5 6 4 8 1 5 3 2 8 5 9 2 4 5 5",
            parameters: 4.4,
            top1: 72.4
        ),
        new(
            "vitas_c",
            Paper,
            Variant.Configured(
                new Config(
                    ImageSize: (224, 224),
                    Patch: 16,
                    Dim: 230,
                    Blocks: [.. Enumerable.Repeat(new BlockOptions(Heads: 3, Qkv: 432, Mlp: 720), 12)],
                    DropPath: 0.1
                ),
                config => new Vitas(config)
            ),
            ImageSize: 224,
            Parameters: 6.048,
            Top1: 74.7,
            Dataset: "ImageNet-1k",
            Preprocessing: Preprocessing.ImageNet
        ),
        Make(
            "vitas_e",
            VitasSpace.Tiny,
            "1 3 4 3 4 3 1 4 0 4 2 1 2 4 2 1 2 0 0 8 4 4 1 7 6 5 3 8 5 6 5 6 3 6 3 4 4 4 8 8 8 7 4 0 4 5 9 5 3 6 7 8",
            parameters: 12.551,
            top1: 77.4
        ),
        Make(
            "vitas_f",
            VitasSpace.Small,
            "1 3 3 3 3 3 3 3 3 3 3 3 3 3 0 0 3 2 5 0 7 5 2 3 6 6 2 4 4 8 7 4 6 7 2 6 1 6 6 4 7 5 7",
            parameters: 22.54,
            top1: 80.6
        ),
        Variant.Micro(
            "vitas_micro_patch4_32",
            Paper,
            config: new Config(
                ImageSize: (32, 32),
                Patch: 4,
                Dim: 96,
                Blocks: [new(3, 288, 192), null, new(6, 144, 288), new(3, 216, 192), null, new(6, 288, 96)],
                Classes: 10
            ),
            create: config => new Vitas(config)
        ),
    ];
}
