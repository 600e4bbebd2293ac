using Tessera.Models.Layers;
using Tessera.Nn;

namespace Tessera.Models;

/// <summary>
/// CSWin Transformer: half of the heads attend within vertical stripes of the map, half within horizontal ones, which together
/// form a cross. Dong et al., "CSWin Transformer: A General Vision Transformer Backbone with Cross-Shaped Windows", 2021, arXiv:2107.00652.
/// </summary>
/// <remarks>
/// Names and order of the weights are those of the authors' code: of the classifier, or, with <see cref="Config.Dense"/>, of their
/// backbone for segmentation, which takes any size by padding and puts a norm after every stage. The paper prints half of the
/// heads for the base size; the published weights have those of the variant here. The authors' dense code widens stages by the
/// ratio of their heads, which fails for the large size; here every stage doubles.
/// </remarks>
public sealed partial class CsWin : StagedTokens<CsWin.Config>
{
    /// <summary>Sizes and options.</summary>
    /// <param name="ImageSize">Height and width in pixels; a dense model takes others too.</param>
    /// <param name="Dim">Width of the first stage; each further one doubles it.</param>
    /// <param name="Depths">Blocks per stage.</param>
    /// <param name="Splits">Width of the stripes per stage; the last stage attends over its whole map.</param>
    /// <param name="Heads">Heads per stage, of both directions together.</param>
    /// <param name="Classes">Number of classes; 0 for no classifier.</param>
    /// <param name="Channels">Channels of the images.</param>
    /// <param name="MlpRatio">Hidden width of the MLP over the width.</param>
    /// <param name="QkvBias">Whether queries, keys and values have a bias.</param>
    /// <param name="Lepe">The values' convolution that carries position (equation 8).</param>
    /// <param name="StemStride">Stride of the first convolution: 4, or 2 for small images.</param>
    /// <param name="Eps">Of all norms.</param>
    /// <param name="Dropout">Dropout of the MLPs.</param>
    /// <param name="DropPath">Stochastic depth of the last block.</param>
    /// <param name="Dense">The backbone for dense tasks: any image size, a norm per stage instead of the last one.</param>
    public sealed record Config(
        (int Height, int Width) ImageSize,
        int Dim,
        IReadOnlyList<int> Depths,
        IReadOnlyList<int> Splits,
        IReadOnlyList<int> Heads,
        int Classes = 1000,
        int Channels = 3,
        double MlpRatio = 4,
        bool QkvBias = true,
        bool Lepe = true,
        int StemStride = 4,
        double Eps = 1e-5,
        double Dropout = 0,
        double DropPath = 0,
        bool Dense = false
    ) : RegularizedConfig
    {
        /// <inheritdoc/>
        public override BackboneConfig With(ModelOptions options)
        {
            var own = (Config)base.With(options with { ImageSize = null }) with
            {
                Dense = options.Dense,
                Classes = options.Classes ?? (options.Dense ? 0 : Classes),
            };
            return options.ImageSize is { } size ? own.At(size) : own;
        }

        /// <summary>The sizes for images of another size: stripes grow and shrink with their maps.</summary>
        /// <exception cref="ShapeException">A map does not divide into stripes, or would have weights of other directions.</exception>
        internal Config At((int Height, int Width) size)
        {
            var (from, to) = (Grids(ImageSize), Grids(size));
            int[] splits =
            [
                .. Splits.Select(
                    (split, i) =>
                    {
                        var fits = to[i].Height % split == 0 && to[i].Width % split == 0;
                        return Dense || IsFull(i) || fits || split * to[i].Height % from[i].Height != 0
                            ? split
                            : split * to[i].Height / from[i].Height;
                    }
                ),
            ];
            var resized = this with { ImageSize = size, Splits = splits };
            for (var i = 0; i + 1 < Stages; i++)
            {
                if (Dense || IsFull(i) == resized.IsFull(i))
                    continue;
                if (!IsFull(i))
                    throw new ShapeException(
                        $"an image of {size.Height} x {size.Width} gives stage {i + 1} a map as small as a stripe of {splits[i]}: "
                            + "its weights are for two directions, which need a larger image"
                    );
                // A single window stays one: its stripes are as wide as the map.
                if (to[i].Height != to[i].Width)
                    throw new ShapeException(
                        $"an image of {size.Height} x {size.Width} gives stage {i + 1} a map of {to[i].Height} x {to[i].Width}, "
                            + "which must be square for its single window"
                    );
                splits[i] = to[i].Height;
            }
            resized.Check();
            return resized;
        }

        internal int Stages => Depths.Count;

        internal int Width(int stage) => Dim << stage;

        internal int StemPadding => (8 - StemStride) / 2;

        /// <summary>The maps of all stages for an image.</summary>
        internal (int Height, int Width)[] Grids((int Height, int Width) image)
        {
            if (Math.Min(image.Height, image.Width) + 2 * StemPadding < 7)
                throw new ShapeException(
                    $"an image of {image.Height} x {image.Width} is smaller than the kernel of the first convolution, which spans 7 pixels"
                );
            var grids = new (int Height, int Width)[Stages];
            grids[0] = ((image.Height + 2 * StemPadding - 7) / StemStride + 1, (image.Width + 2 * StemPadding - 7) / StemStride + 1);
            for (var i = 1; i < grids.Length; i++)
                grids[i] = ((grids[i - 1].Height + 1) / 2, (grids[i - 1].Width + 1) / 2);
            return grids;
        }

        /// <summary>One window over the whole map: in the last stage, and in classifiers where a stripe is as wide as the map.</summary>
        internal bool IsFull(int stage) => stage + 1 == Stages || (!Dense && Grids(ImageSize)[stage] == (Splits[stage], Splits[stage]));

        /// <exception cref="ShapeException">A stage's map does not divide into stripes.</exception>
        internal void Check()
        {
            if (Dense)
                return;
            foreach (var (i, (height, width)) in Grids(ImageSize).Index())
                if (!IsFull(i) && (height % Splits[i] != 0 || width % Splits[i] != 0))
                    throw new ShapeException(
                        $"an image of {ImageSize.Height} x {ImageSize.Width} gives stage {i + 1} a map of {height} x {width}, "
                            + $"which does not divide into stripes of {Splits[i]}"
                    );
        }
    }

    private readonly Stem stem;
    private readonly ModuleList<Block>[] stages;
    private readonly Merge[] merges;
    private readonly LayerNorm[] norms;
    private Linear? head;

    /// <summary>A model with the authors' initialisation.</summary>
    /// <exception cref="ShapeException">A stage's map does not divide into stripes.</exception>
    public CsWin(Config config)
        : base(config)
    {
        if (config.Heads.Count != config.Stages || config.Splits.Count != config.Stages)
            throw new ArgumentException(
                $"{config.Stages} depths, {config.Splits.Count} splits and {config.Heads.Count} numbers of heads were given: "
                    + "every stage needs one of each",
                nameof(config)
            );
        config.Check();
        stem = new Stem(config);
        var rates = Nn.DropPath.Rates(config.DropPath, config.Depths.Sum());
        stages =
        [
            .. config.Depths.Select(
                (depth, i) =>
                    new ModuleList<Block>(
                        Enumerable.Range(0, depth).Select(j => new Block(config, i, rates[config.Depths.Take(i).Sum() + j]))
                    )
            ),
        ];
        merges = [.. Enumerable.Range(1, config.Stages - 1).Select(i => new Merge(config.Width(i - 1), config.Width(i), config.Eps))];
        norms = config.Dense
            ? [.. config.Depths.Select((_, i) => new LayerNorm(config.Width(i), config.Eps))]
            : [new LayerNorm(NumFeatures, config.Eps)];
        head = InitialClassifier();
    }

    /// <inheritdoc/>
    protected override void ListMembers(Members members)
    {
        members.Add("stage1_conv_embed", stem);
        for (var i = 0; i < Options.Stages; i++)
        {
            if (i > 0)
                members.Add($"merge{i}", merges[i - 1]);
            // The authors' dense code declares the norm of each stage before its blocks, the last one after them.
            if (Options.Dense && i + 1 < Options.Stages)
                members.Add($"norm{i + 1}", norms[i]);
            members.Add($"stage{i + 1}", stages[i]);
        }
        members.Add(Options.Dense ? $"norm{Options.Stages}" : "norm", norms[^1]);
        members.Add("head", head);
    }

    /// <inheritdoc/>
    protected override int FirstStride => Options.StemStride;

    /// <inheritdoc/>
    protected override bool IsDense => Options.Dense;

    /// <inheritdoc/>
    protected override IReadOnlyList<LayerNorm> StageNorms => norms;

    /// <inheritdoc/>
    public override int NumFeatures => Options.Width(Options.Stages - 1);

    /// <inheritdoc/>
    public override IReadOnlyList<string> BlockPaths =>
        [.. Options.Depths.SelectMany((depth, i) => Enumerable.Range(0, depth).Select(j => $"stage{i + 1}.{j}"))];

    /// <inheritdoc/>
    public override IReadOnlyList<string> EmbeddingPaths =>
        [.. Options.Depths.Select((_, i) => i == 0 ? "stage1_conv_embed" : $"merge{i}")];

    /// <inheritdoc/>
    protected override ref Linear? Classifier => ref head;

    /// <summary>Tokens after the last block of each stage with the size of their map.</summary>
    protected override IEnumerable<(Tensor Tokens, int Height, int Width)> Stages(Tensor image)
    {
        var size = ((int)image.Size(2), (int)image.Size(3));
        if (!Options.Dense)
            ExpectOwnSize(image);
        var grids = Options.Grids(size);
        var x = stem.Call(image);
        for (var i = 0; i < stages.Length; i++)
        {
            var (height, width) = grids[i];
            if (i > 0)
                x = merges[i - 1].Call(x.ToMap(grids[i - 1].Height, grids[i - 1].Width));
            foreach (var block in stages[i])
                x = block.Call((x, height, width, Options.Splits[i]));
            yield return (Record($"stage{i + 1}", x), height, width);
        }
    }

    /// <summary>The upright and the level stripes of the last block of the last stages that have them.</summary>
    protected override IEnumerable<Insight> Insights(Tensor image)
    {
        var attention = RecordDuring(image, "**.attention");
        var grids = Options.Grids(((int)image.Size(2), (int)image.Size(3)));
        foreach (var i in Enumerable.Range(0, Options.Stages).Where(i => !Options.IsFull(i)).TakeLast(2))
        {
            var (path, (height, width), split) = ($"stage{i + 1}.{Options.Depths[i] - 1}.attns", grids[i], Options.Splits[i]);
            yield return Insight.OfWindows(
                $"upright stripes, stage {i + 1}",
                attention[$"{path}.0.attention"],
                (height, split),
                (height, width),
                (0, (Windows.Ceiling(width, split) - width) / 2)
            );
            yield return Insight.OfWindows(
                $"level stripes, stage {i + 1}",
                attention[$"{path}.1.attention"],
                (split, width),
                (height, width),
                ((Windows.Ceiling(height, split) - height) / 2, 0)
            );
        }
        var last = Options.Stages - 1;
        yield return Insight.OfWindows(
            $"stage {Options.Stages}",
            attention[$"stage{last + 1}.{Options.Depths[last] - 1}.attns.0.attention"],
            grids[last],
            grids[last]
        );
    }

    /// <summary>
    /// Takes images of another size. Where a map no longer divides into its stripes, they grow or shrink with it, as from 7 at
    /// 224 pixels to 12 at 384; no weight depends on them.
    /// </summary>
    /// <exception cref="ShapeException">A stage's map does not divide into stripes, or would become a single window.</exception>
    public override void Resize(int height, int width) => Options = Options.At((height, width));

    /// <summary>A 7 x 7 convolution, tokens, norm. The authors' sequence has a rearrangement without weights at index 1.</summary>
    private sealed partial class Stem(Config config) : Layer
    {
        [Name("0")]
        private readonly Conv2d conv = new(config.Channels, config.Dim, 7, config.StemStride, config.StemPadding);

        [Name("2")]
        private readonly LayerNorm norm = new(config.Dim, config.Eps);

        public Parameter Weight => conv.Weight;

        protected override Tensor Forward(Tensor input) => norm.Call(conv.Call(input).ToTokens()); // [B, C, H, W] -> [B, N, D]
    }

    /// <summary>A 3 x 3 convolution of stride 2 to twice the width, and a norm (section 3.1).</summary>
    private sealed partial class Merge(int inputs, int outputs, double eps) : Layer
    {
        private readonly Conv2d conv = new(inputs, outputs, 3, 2, 1);
        private readonly LayerNorm norm = new(outputs, eps);

        protected override Tensor Forward(Tensor input) => norm.Call(conv.Call(input).ToTokens()); // [B, D, H, W] -> [B, N / 4, 2 D]
    }

    /// <summary>x + projection of the cross-shaped attention(norm(x)), then x + MLP(norm(x)) (equation 7).</summary>
    private sealed partial class Block : Module<(Tensor Tokens, int Height, int Width, int Split), Tensor>
    {
        private readonly Linear qkv;
        private readonly LayerNorm norm1;
        private readonly Linear proj;
        private readonly ModuleList<StripeAttention> attns;
        private readonly Mlp mlp;
        private readonly LayerNorm norm2;
        private readonly DropPath dropPath;

        public Block(Config config, int stage, double dropPath)
        {
            var (dim, heads, full) = (config.Width(stage), config.Heads[stage], config.IsFull(stage));
            if (dim % heads != 0 || (!full && heads % 2 != 0))
                throw new ArgumentException(
                    $"the width {dim} must be a multiple of the {heads} heads, whose number must be even for two directions",
                    nameof(config)
                );
            qkv = new Linear(dim, 3 * dim, config.QkvBias);
            norm1 = new LayerNorm(dim, config.Eps);
            proj = new Linear(dim, dim);
            attns = full
                ? new(new StripeAttention(dim, heads, config.Lepe))
                : new(Enumerable.Range(0, 2).Select(_ => new StripeAttention(dim / 2, heads / 2, config.Lepe)));
            mlp = new Mlp(dim, (int)(dim * config.MlpRatio), config.Dropout);
            norm2 = new LayerNorm(dim, config.Eps);
            this.dropPath = new DropPath(dropPath);
            TransformerInit.Linears(this);
        }

        protected override Tensor Forward((Tensor Tokens, int Height, int Width, int Split) input)
        {
            var (x, height, width, split) = input;
            var (batch, tokens, dim) = x.Shape;
            var maps = qkv.Call(norm1.Call(x)).Reshape(batch, height, width, 3, dim).Permute(3, 0, 1, 2, 4); // [3, B, H, W, D]
            Tensor mixed;
            if (attns.Count == 1)
                mixed = attns[0].Call((maps, (height, width)));
            else
            {
                var halves = maps.Chunk(2, -1);
                mixed = Torch.Cat([attns[0].Call((halves[0], (height, split))), attns[1].Call((halves[1], (split, width)))], -1);
            }
            x = x + dropPath.Call(proj.Call(mixed.Reshape(batch, tokens, dim)));
            return x + dropPath.Call(mlp.Call(norm2.Call(x)));
        }
    }

    /// <summary>
    /// Attention within stripes plus a depthwise convolution of the values within each stripe, which carries position (equation 8).
    /// Records <c>attention</c>, [B stripes, heads, N, N].
    /// </summary>
    private sealed partial class StripeAttention : Module<(Tensor Maps, (int Height, int Width) Stripe), Tensor>
    {
        private readonly Conv2d? getV;
        private readonly int heads;

        public StripeAttention(int dim, int heads, bool lepe)
        {
            this.heads = heads;
            if (lepe)
                getV = new Conv2d(dim, dim, 3, 1, 1, groups: dim);
        }

        protected override Tensor Forward((Tensor Maps, (int Height, int Width) Stripe) input) // [3, B, H, W, D] -> [B, H, W, D]
        {
            var (height, width, dim) = (input.Maps.Size(2), input.Maps.Size(3), input.Maps.Size(4));
            var (tall, wide) = input.Stripe;
            var (below, beside) = (Padding(height, tall), Padding(width, wide));
            var maps = input.Maps.Reshape(-1, height, width, dim);
            // Queries, keys and values themselves are padded, half on either side: a padded key has score 0 and value 0.
            if (below + beside > 0)
                maps = maps.ConstantPadNd([0, 0, beside / 2, beside - beside / 2, below / 2, below - below / 2]);
            var windows = Windows.Cut(maps, input.Stripe).Reshape(3, -1, tall * wide, dim); // [3, B stripes, N, D]
            var (stripes, tokens) = (windows.Size(1), windows.Size(2));
            var packed = windows.Reshape(3, stripes, tokens, heads, dim / heads).Transpose(2, 3).Unbind(); // 3 of [B stripes, h, N, d]
            var (query, key, value) = (packed[0], packed[1], packed[2]);
            var mixed = Attention.Apply(this, query, key, value);
            mixed = mixed.Transpose(1, 2).Reshape(stripes, tokens, dim);
            if (getV is not null)
                mixed = mixed + getV.Call(windows[2].ToMap(tall, wide)).ToTokens();
            var joined = Windows.Join(mixed, input.Stripe, height + below, width + beside);
            return below + beside > 0 ? joined.Slice(1, below / 2, below / 2 + height).Slice(2, beside / 2, beside / 2 + width) : joined;
        }

        // How much a size lacks to the next multiple.
        private static long Padding(long size, int multiple) => (multiple - size % multiple) % multiple;
    }

    private const string Paper =
        "CSWin Transformer: A General Vision Transformer Backbone with Cross-Shaped Windows, 2021, arXiv:2107.00652";

    private static readonly Config tiny = new(
        ImageSize: (224, 224),
        Dim: 64,
        Depths: [1, 2, 21, 1],
        Splits: [1, 2, 7, 7],
        Heads: [2, 4, 8, 16]
    );
    private static readonly Config small = tiny with { Depths = [2, 4, 32, 2] };
    private static readonly Config basic = small with { Dim = 96, Heads = [4, 8, 16, 32] };
    private static readonly Config large = small with { Dim = 144, Heads = [6, 12, 24, 24] };

    private static Variant Make(
        string name,
        Config size,
        double dropPath,
        double parameters,
        double gmacs,
        double top1,
        int image = 224,
        int split = 7,
        string? note = null
    ) =>
        new(
            name,
            Paper: Paper,
            Create: Variant.Configured(
                size with
                {
                    ImageSize = (image, image),
                    Splits = [1, 2, split, split],
                    DropPath = dropPath,
                },
                config => new CsWin(config)
            ),
            ImageSize: image,
            Parameters: parameters,
            GMacs: gmacs,
            Top1: top1,
            Dataset: "ImageNet-1k",
            Preprocessing: Preprocessing.ImageNet with
            {
                CropRatio = image > 224 ? 1 : 0.9,
            },
            Note: note
        );

    /// <summary>The published sizes, and a small one for images of 32 pixels.</summary>
    public static IReadOnlyList<Variant> Variants { get; } =
    [
        Make("cswin_tiny_224", tiny, dropPath: 0.2, parameters: 22.321, gmacs: 4.3, top1: 82.8, note: "paper: 82.7"),
        Make("cswin_small_224", small, dropPath: 0.4, parameters: 34.643, gmacs: 6.9, top1: 83.6),
        Make("cswin_base_224", basic, dropPath: 0.5, parameters: 77.382, gmacs: 15.0, top1: 84.2),
        Make(
            "cswin_base_384",
            basic,
            image: 384,
            split: 12,
            dropPath: 0.7,
            parameters: 77.4,
            gmacs: 47.0,
            top1: 85.5,
            note: "fine-tuned; abstract of the paper: 85.4"
        ),
        Make(
            "cswin_large_224",
            large,
            dropPath: 0.2,
            parameters: 173.263,
            gmacs: 31.5,
            top1: 86.5,
            note: "after ImageNet-22k; 33.1 GMACs by our count"
        ),
        Make(
            "cswin_large_384",
            large,
            image: 384,
            split: 12,
            dropPath: 0.2,
            parameters: 173.263,
            gmacs: 96.8,
            top1: 87.5,
            note: "after ImageNet-22k; 101.9 GMACs by our count"
        ),
        Variant.Micro(
            "cswin_micro_32",
            Paper,
            config: new Config(
                ImageSize: (32, 32),
                Dim: 48,
                Depths: [1, 2, 4, 1],
                Splits: [1, 2, 2, 2],
                Heads: [2, 4, 8, 16],
                Classes: 10,
                StemStride: 2,
                DropPath: 0.1
            ),
            create: config => new CsWin(config)
        ),
    ];
}
