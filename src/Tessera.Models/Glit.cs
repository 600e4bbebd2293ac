using System.Globalization;
using Tessera.Models.Layers;
using Tessera.Nn;

namespace Tessera.Models;

/// <summary>
/// GLiT: a DeiT in which the heads of a block are global (self-attention) or local (a convolution along the tokens), in shares that an
/// architecture search has found. Chen et al., "GLiT: Neural Architecture Search for Global and Local Image Transformer", 2021,
/// arXiv:2107.02960.
/// </summary>
/// <remarks>
/// The class token is the first element of the sequence that the local part convolves, and the last patch of a row is the neighbour of the
/// first one of the next row. Names and order of the weights are the authors'. A block may hold several candidates, of which a path takes
/// one each: that is the supernet of the search.
/// </remarks>
public sealed partial class Glit : Backbone<Glit.Config>, IPathSearchable
{
    /// <summary>A candidate of a block.</summary>
    /// <param name="GlobalThirds">Thirds of the heads that are global, from 0 to 3.</param>
    /// <param name="GlobalExpansion">Width of queries, keys and values over that of the global part.</param>
    /// <param name="LocalExpansion">Width inside of the local part over its own.</param>
    /// <param name="Kernel">Tokens that the local part's convolution sees; odd.</param>
    /// <param name="MlpRatio">Hidden width of the MLP over the width.</param>
    public sealed record BlockOptions(
        int GlobalThirds,
        double GlobalExpansion = 1,
        double LocalExpansion = 1,
        int Kernel = 31,
        double MlpRatio = 4
    )
    {
        /// <summary>Candidates of a block in the second stage of the search.</summary>
        public const int DetailCount = 9;

        private static readonly int[] kernels = [17, 31, 45],
            localExpansions = [1, 2, 4],
            mlpRatios = [2, 4, 6];
        private static readonly double[] globalExpansions = [0.5, 1, 2];

        /// <summary>A candidate by its number in the second stage: kind of block and details, as the published codes have them.</summary>
        /// <param name="globalThirds">Thirds of the heads that are global, from 0 to 3.</param>
        /// <param name="detail">From 0 to 8.</param>
        /// <exception cref="ArgumentOutOfRangeException">One of them is outside of its range.</exception>
        public static BlockOptions Decode(int globalThirds, int detail)
        {
            ArgumentOutOfRangeException.ThrowIfNegative(globalThirds);
            ArgumentOutOfRangeException.ThrowIfGreaterThan(globalThirds, 3);
            ArgumentOutOfRangeException.ThrowIfNegative(detail);
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(detail, DetailCount);
            var (slow, fast) = (detail / 3, detail % 3);
            return globalThirds switch
            {
                0 => new(0, LocalExpansion: localExpansions[fast], Kernel: kernels[slow]),
                3 => new(3, GlobalExpansion: globalExpansions[slow], MlpRatio: mlpRatios[fast]),
                _ => new(globalThirds, LocalExpansion: localExpansions[slow], MlpRatio: mlpRatios[fast]),
            };
        }
    }

    /// <summary>Sizes and options.</summary>
    /// <param name="ImageSize">Height and width in pixels, multiples of the patch.</param>
    /// <param name="Patch">Side of a patch.</param>
    /// <param name="Dim">Width of the tokens, a multiple of the heads.</param>
    /// <param name="Heads">Heads of a block, a multiple of 3 where a block is both global and local.</param>
    /// <param name="Blocks">The candidates of every block; one each, except in a supernet.</param>
    /// <param name="Classes">Number of classes; 0 for no classifier.</param>
    /// <param name="Channels">Channels of the images.</param>
    /// <param name="Eps">Of all layer norms.</param>
    /// <param name="Dropout">Dropout of tokens, projections and MLPs.</param>
    /// <param name="DropPath">Stochastic depth of the last block.</param>
    public sealed record Config(
        (int Height, int Width) ImageSize,
        int Patch,
        int Dim,
        int Heads,
        IReadOnlyList<IReadOnlyList<BlockOptions>> Blocks,
        int Classes = 1000,
        int Channels = 3,
        double Eps = 1e-6,
        double Dropout = 0,
        double DropPath = 0
    ) : RegularizedConfig
    {
        /// <summary>
        /// Multiply-adds of the model by the authors' formula, in millions, by which their budgets are meant. It counts the first map of a
        /// local part once, although its gate doubles it, and an MLP for 197 tokens whatever the image.
        /// </summary>
        /// <param name="path">Of every block the candidate that is taken; null for the first of each.</param>
        public double PublishedCost(IReadOnlyList<int>? path = null)
        {
            var (height, width) = (ImageSize.Height / Patch, ImageSize.Width / Patch);
            double patches = 3.0 * Dim * Patch * Patch * height * width;
            var inside = Blocks.Select((candidates, i) => BlockCost(candidates[path?[i] ?? 0], Dim, 1 + height * width));
            return (patches + (double)Dim * Classes) / 1e6 + inside.Sum();
        }

        /// <summary>The blocks of a found architecture.</summary>
        /// <param name="thirds">Of each block, thirds of the heads that are global.</param>
        /// <param name="details">Of each block, the number of its candidate.</param>
        /// <exception cref="ArgumentException">They differ in length.</exception>
        public static IReadOnlyList<IReadOnlyList<BlockOptions>> Decode(IReadOnlyList<int> thirds, IReadOnlyList<int> details) =>
            thirds.Count == details.Count
                ? [.. thirds.Zip(details, (third, detail) => (IReadOnlyList<BlockOptions>)[BlockOptions.Decode(third, detail)])]
                : throw new ArgumentException($"{thirds.Count} kinds of blocks and {details.Count} details: there must be one of each");

        /// <summary>The blocks of the first stage's supernet: one candidate for each number of global thirds.</summary>
        /// <param name="depth">Number of blocks.</param>
        public static IReadOnlyList<IReadOnlyList<BlockOptions>> Distributions(int depth) =>
            [
                .. Enumerable
                    .Range(0, depth)
                    .Select(_ => (IReadOnlyList<BlockOptions>)[.. Enumerable.Range(0, 4).Select(third => new BlockOptions(third))]),
            ];

        /// <summary>The blocks of the second stage's supernet: all candidates of each kind of block.</summary>
        /// <param name="thirds">Of each block, thirds of the heads that are global.</param>
        public static IReadOnlyList<IReadOnlyList<BlockOptions>> Candidates(IReadOnlyList<int> thirds) =>
            [
                .. thirds.Select(third =>
                    (IReadOnlyList<BlockOptions>)
                        [.. Enumerable.Range(0, BlockOptions.DetailCount).Select(detail => BlockOptions.Decode(third, detail))]
                ),
            ];
    }

    private readonly Parameter clsToken; // [1, 1, D]
    private Parameter posEmbed; // [1, 1 + N, D]
    private readonly PatchEmbed patchEmbed;
    private readonly ModuleList<ModuleList<Block>> blocks;
    private readonly LayerNorm norm;
    private Linear? head;
    private readonly Dropout drop;
    private int[]? chosen;

    /// <summary>A model with the authors' initialisation: linear maps, tokens and positions truncated normal 0.02.</summary>
    /// <exception cref="ArgumentException">A block cannot be divided among its heads.</exception>
    public Glit(Config config)
        : base(config)
    {
        PatchEmbed.CheckSize(config.ImageSize.Height, config.ImageSize.Width, config.Patch);
        clsToken = Init.TruncatedNormal(new Parameter([1, 1, config.Dim]), 0.02);
        posEmbed = Init.TruncatedNormal(new Parameter([1, 1 + Grid.Height * Grid.Width, config.Dim]), 0.02);
        patchEmbed = new PatchEmbed(config.Channels, config.Dim, config.Patch);
        var rates = Nn.DropPath.Rates(config.DropPath, config.Blocks.Count);
        blocks = new(
            config.Blocks.Select((candidates, i) => new ModuleList<Block>(candidates.Select(own => new Block(config, own, rates[i]))))
        );
        norm = new LayerNorm(config.Dim, config.Eps);
        head = InitialClassifier();
        drop = new Dropout(config.Dropout);
    }

    /// <inheritdoc/>
    public override int NumFeatures => Options.Dim;

    /// <inheritdoc/>
    public override int NumPrefixTokens => 1;

    /// <inheritdoc/>
    public override IReadOnlyList<string> BlockPaths => [.. Enumerable.Range(0, blocks.Count).Select(i => $"blocks.{i}.{Taken(i)}")];

    /// <inheritdoc/>
    public IReadOnlyList<int> Choices => [.. Options.Blocks.Select(candidates => candidates.Count)];

    // Without a path, the first candidate of each block.
    private int Taken(int block) => chosen?[block] ?? 0;

    /// <inheritdoc/>
    protected override ref Linear? Classifier => ref head;

    /// <inheritdoc/>
    public override bool NoWeightDecay(string name) => name is "pos_embed" or "cls_token";

    private (int Height, int Width) Grid => (Options.ImageSize.Height / Options.Patch, Options.ImageSize.Width / Options.Patch);

    /// <summary>The logits of a path through a supernet: [B, classes].</summary>
    /// <param name="images">[B, C, H, W].</param>
    /// <param name="path">Of every block the candidate that is taken.</param>
    /// <exception cref="ArgumentException">It is no path: another length, or a candidate that a block does not have.</exception>
    /// <exception cref="ShapeException">The model cannot take the images.</exception>
    public Tensor Call(Tensor images, IReadOnlyList<int> path)
    {
        using (Use(path))
            return Call(images);
    }

    /// <inheritdoc/>
    public IDisposable Use(IReadOnlyList<int> genome)
    {
        Check(genome);
        if (chosen is not null)
            throw new InvalidOperationException("another path through the supernet is in use");
        chosen = [.. genome];
        return new NetworkInUse(() => chosen = null);
    }

    private void Check(IReadOnlyList<int> path)
    {
        if (path.Count != blocks.Count)
            throw new ArgumentException($"a path through {blocks.Count} blocks must have as many numbers, not {path.Count}", nameof(path));
        foreach (var (i, candidate) in path.Index())
            if (candidate < 0 || candidate >= blocks[i].Count)
                throw new ArgumentException(
                    $"block {i} has the candidates 0 to {blocks[i].Count - 1}, and the path wants {candidate}",
                    nameof(path)
                );
    }

    /// <summary>The weights of a path by the names of the network that has its candidates alone, running statistics included.</summary>
    /// <param name="path">Of every block the candidate that is taken.</param>
    /// <exception cref="ArgumentException">It is no path.</exception>
    public OrderedDictionary<string, Tensor> WeightsOf(IReadOnlyList<int> path)
    {
        Check(path);
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        var weights = new OrderedDictionary<string, Tensor>();
        foreach (var (name, tensor) in StateDict())
        {
            if (name.Split('.') is not ["blocks", var block, var candidate, .. var rest])
                weights.Add(name, tensor.Clone());
            else if (candidate == Number(path[int.Parse(block, CultureInfo.InvariantCulture)]))
                weights.Add($"blocks.{block}.0.{string.Join('.', rest)}", tensor.Clone());
        }
        return scope.Return(weights);

        static string Number(int value) => value.ToString(CultureInfo.InvariantCulture);
    }

    /// <inheritdoc/>
    protected override Tensor Features(Tensor input) // [B, C, H, W] -> [B, 1 + N, D]
    {
        ExpectOwnSize(input);
        var patches = Record("patch_tokens", patchEmbed.Call(input));
        var x = drop.Call(Torch.Cat([clsToken.Expand([input.Size(0), -1, -1]), patches], 1) + posEmbed);
        foreach (var (i, candidates) in blocks.Index())
            x = candidates[Taken(i)].Call(x);
        return Record("normed", norm.Call(x));
    }

    /// <inheritdoc/>
    protected override Tensor Pool(Tensor features) => features.Select(1, 0);

    /// <inheritdoc/>
    protected override IReadOnlyList<FeatureMap> FeatureMaps(Tensor input) =>
        [new(Features(input).Slice(1, NumPrefixTokens).ToMap(Grid.Height, Grid.Width), Options.Patch)];

    /// <summary>Takes images of another size: positions of patches are resampled bicubically; the local kernels stay.</summary>
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
        PositionTable.Fit(state, "pos_embed", posEmbed, Grid, 1, PositionResampling.Bicubic);

    /// <summary>Multiply-adds of the model by the authors' formula, in millions; see <see cref="Config.PublishedCost"/>.</summary>
    /// <param name="path">Of every block the candidate that is taken; null for the first of each.</param>
    public double PublishedCost(IReadOnlyList<int>? path = null) => Options.PublishedCost(path);

    /// <summary>Multiply-adds of a block by the authors' formula, in millions.</summary>
    /// <param name="block">The block.</param>
    /// <param name="dim">Width of the tokens.</param>
    /// <param name="tokens">Tokens with the class token; 197 in the publication.</param>
    public static double BlockCost(BlockOptions block, int dim, int tokens = PublishedTokens)
    {
        double wide = dim * block.GlobalThirds / 3.0,
            local = dim - wide;
        var (expansion, inner) = (block.GlobalExpansion, block.LocalExpansion);
        var attention = wide * wide * expansion * 3 * tokens + 2.0 * tokens * tokens * wide * expansion + wide * wide * expansion * tokens;
        var convolution = local * local * inner * tokens + local * inner * block.Kernel * tokens + local * local * inner * tokens;
        return (attention + convolution + 2 * block.MlpRatio * dim * dim * PublishedTokens) / 1e6;
    }

    private const int PublishedTokens = 197;

    /// <summary>x + heads(norm(x)), then x + MLP(norm(x)).</summary>
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
            mlp = TransformerInit.Linears(new Mlp(config.Dim, (int)(config.Dim * own.MlpRatio), config.Dropout));
            this.dropPath = new DropPath(dropPath);
        }

        protected override Tensor Forward(Tensor input)
        {
            var x = input + dropPath.Call(attn.Call(norm1.Call(input)));
            return x + dropPath.Call(mlp.Call(norm2.Call(x)));
        }
    }

    /// <summary>
    /// The global heads see the first channels, the local ones the others; their results stand side by side. Records <c>attention</c>,
    /// [B, h, N, N], where there are global heads.
    /// </summary>
    private sealed partial class Heads : Layer
    {
        private readonly Linear? qkv;
        private readonly Linear? proj;
        private readonly Sequential? net;
        private readonly Dropout drop;
        private readonly int globalHeads,
            globalDim,
            localDim,
            headDim;
        private readonly double scale;

        internal Heads(Config config, BlockOptions own)
        {
            if (config.Dim % config.Heads != 0)
                throw new ArgumentException($"the width {config.Dim} must be a multiple of the {config.Heads} heads", nameof(config));
            if (own.GlobalThirds is < 0 or > 3 || own.GlobalThirds * config.Heads % 3 != 0)
                throw new ArgumentException(
                    $"{own.GlobalThirds} thirds of {config.Heads} heads must be a whole number of heads, and at most all",
                    nameof(own)
                );
            if (own.Kernel % 2 == 0 || own.Kernel < 1)
                throw new ArgumentException($"the kernel of a local part must be odd, not {own.Kernel}", nameof(own));
            globalHeads = own.GlobalThirds * config.Heads / 3;
            globalDim = config.Dim / config.Heads * globalHeads;
            localDim = config.Dim - globalDim;
            drop = new Dropout(config.Dropout);
            if (globalDim > 0)
            {
                var wide = (int)(globalDim * own.GlobalExpansion);
                headDim = (int)(config.Dim / config.Heads * own.GlobalExpansion);
                if (headDim < 1 || headDim * globalHeads != wide)
                    throw new ArgumentException(
                        $"{globalHeads} global heads of {config.Dim / config.Heads} channels cannot be expanded by {own.GlobalExpansion}: "
                            + "every head must get a whole number of channels",
                        nameof(own)
                    );
                scale = Math.Pow(Math.Floor(config.Dim * own.GlobalExpansion / config.Heads), -0.5);
                qkv = new Linear(globalDim, 3 * wide);
                proj = new Linear(wide, globalDim);
            }
            if (localDim > 0)
            {
                var inner = (int)(localDim * own.LocalExpansion);
                net = new Sequential(
                    ("1", new Conv1d(localDim, 2 * inner, 1)),
                    ("2", new Gate()),
                    ("3", new Along(inner, own.Kernel)),
                    ("4", new BatchNorm(inner)),
                    ("5", new Silu()),
                    ("6", new Conv1d(inner, localDim, 1))
                );
            }
            TransformerInit.Linears(this);
        }

        protected override Tensor Forward(Tensor input) // [B, N, D]
        {
            if (net is null)
                return Global(input);
            var local = net.Call(input.Slice(2, globalDim).Transpose(1, 2)).Transpose(1, 2);
            return qkv is null ? local : Torch.Cat([Global(input.Slice(2, 0, globalDim)), local], 2);
        }

        private Tensor Global(Tensor input)
        {
            var (batch, tokens, _) = input.Shape;
            // 3 of [B, h, N, d]
            var packed = qkv!.Call(input).Reshape(batch, tokens, 3, globalHeads, headDim).Permute(2, 0, 3, 1, 4).Unbind();
            var mixed = Attention.Apply(this, packed[0], packed[1], packed[2], scale: scale);
            return drop.Call(proj!.Call(mixed.Transpose(1, 2).Reshape(batch, tokens, globalHeads * headDim)));
        }
    }

    /// <summary>Half of the channels times the sigmoid of the other half: [B, 2C, N] to [B, C, N].</summary>
    private sealed class Gate : Layer
    {
        protected override Tensor Forward(Tensor input)
        {
            var halves = input.Chunk(2, 1);
            return halves[0] * halves[1].Sigmoid();
        }
    }

    /// <summary>A convolution of every channel along the tokens.</summary>
    private sealed partial class Along(int channels, int kernel) : Layer
    {
        private readonly Conv1d conv = new(channels, channels, kernel, padding: kernel / 2, groups: channels);

        protected override Tensor Forward(Tensor input) => conv.Call(input);
    }

    private const string Paper = "GLiT: Neural Architecture Search for Global and Local Image Transformer, 2021, arXiv:2107.02960";

    /// <summary>The published size; the architectures of the larger ones are not published.</summary>
    public static IReadOnlyList<Variant> Variants { get; } =
    [
        new(
            "glit_tiny_patch16_224",
            Paper,
            Variant.Configured(
                new Config(
                    ImageSize: (224, 224),
                    Patch: 16,
                    Dim: 192,
                    Heads: 3,
                    Blocks: Config.Decode([3, 0, 1, 3, 0, 1, 3, 1, 0, 3, 0, 3], [1, 4, 8, 4, 8, 8, 3, 6, 8, 4, 5, 8]),
                    DropPath: 0.1
                ),
                config => new Glit(config)
            ),
            ImageSize: 224,
            Parameters: 7.264,
            Top1: 76.4,
            Dataset: "ImageNet-1k",
            Preprocessing: Preprocessing.ImageNet,
            Note: "the published 1.33 GMACs leave out half of a map (PublishedCost)"
        ),
        Variant.Micro(
            "glit_micro_patch4_32",
            Paper,
            config: new Config(
                ImageSize: (32, 32),
                Patch: 4,
                Dim: 96,
                Heads: 3,
                Blocks: Config.Decode([3, 0, 1, 3, 0, 1], [4, 4, 4, 4, 4, 4]),
                Classes: 10
            ),
            create: config => new Glit(config)
        ),
    ];
}
