using Tessera.Models.Layers;
using Tessera.Nn;

namespace Tessera.Models;

/// <summary>
/// CMT: a convolutional stem, then four stages of blocks, each a depthwise convolution, attention to a coarser grid with a
/// learned relative bias, and an inverted residual of convolutions.
/// Guo et al., "CMT: Convolutional Neural Networks Meet Vision Transformers", 2021, arXiv:2107.06263.
/// </summary>
/// <remarks>
/// Names and order of the weights are those of the authors' code. Activations come before batch norms. The bias is one table
/// per stage, shared by its blocks, and it fixes the size of the images: <see cref="Resize"/> resamples it.
/// </remarks>
public sealed partial class Cmt : Backbone<Cmt.Config>
{
    /// <summary>Sizes and options.</summary>
    /// <param name="ImageSize">Height and width in pixels, multiples of 32 with the published reductions.</param>
    /// <param name="Dims">Width of the four stages.</param>
    /// <param name="Depths">Their numbers of blocks.</param>
    /// <param name="Heads">Their heads.</param>
    /// <param name="MlpRatios">Hidden width of the feed-forward part over the width; the product is rounded down.</param>
    /// <param name="Stem">Channels of the stem.</param>
    /// <param name="Classes">Number of classes; 0 for no classifier.</param>
    /// <param name="Channels">Channels of the images.</param>
    /// <param name="Reductions">By how much the grid of keys and values is coarser, per side.</param>
    /// <param name="QkRatio">By how much queries and keys are narrower than the tokens.</param>
    /// <param name="QkvBias">Whether queries, keys and values have a bias.</param>
    /// <param name="HeadWidth">Channels of the convolution before pooling.</param>
    /// <param name="HeadDropout">Dropout before the classifier.</param>
    /// <param name="Dropout">Dropout of the blocks.</param>
    /// <param name="AttentionDropout">Dropout of the attention weights.</param>
    /// <param name="DropPath">Stochastic depth of the last block.</param>
    /// <param name="StemStride">Stride of the first convolution: 2 as published, 1 for small images.</param>
    /// <param name="BlockEps">Of the layer norms in blocks.</param>
    /// <param name="PatchEps">Of the layer norms that follow the patch embeddings.</param>
    /// <param name="BatchNormEps">Of the batch norms.</param>
    public sealed record Config(
        (int Height, int Width) ImageSize,
        IReadOnlyList<int> Dims,
        IReadOnlyList<int> Depths,
        IReadOnlyList<int> Heads,
        IReadOnlyList<double> MlpRatios,
        int Stem,
        int Classes = 1000,
        int Channels = 3,
        IReadOnlyList<int>? Reductions = null,
        int QkRatio = 1,
        bool QkvBias = true,
        int HeadWidth = 1280,
        double HeadDropout = 0.1,
        double Dropout = 0,
        double AttentionDropout = 0,
        double DropPath = 0,
        int StemStride = 2,
        double BlockEps = 1e-6,
        double PatchEps = 1e-5,
        double BatchNormEps = 1e-5
    ) : RegularizedConfig
    {
        internal int Reduction(int stage) => Reductions is null ? 8 >> stage : Reductions[stage];

        // Pixels per token along a side.
        internal int Stride(int stage) => StemStride * 2 << stage;

        // Grid of the queries and grid of the keys.
        internal ((int Height, int Width) Queries, (int Height, int Width) Keys) Grids(int stage)
        {
            var (stride, reduction) = (Stride(stage), Reduction(stage));
            return (
                (ImageSize.Height / stride, ImageSize.Width / stride),
                (ImageSize.Height / stride / reduction, ImageSize.Width / stride / reduction)
            );
        }

        internal void Check()
        {
            var unit = Enumerable.Range(0, 4).Select(i => Stride(i) * Reduction(i)).Aggregate(1, LeastCommonMultiple);
            if (ImageSize.Height <= 0 || ImageSize.Width <= 0 || ImageSize.Height % unit != 0 || ImageSize.Width % unit != 0)
                throw new ShapeException(
                    $"an image of {ImageSize.Height} x {ImageSize.Width} does not fit: both sides must be multiples of {unit}"
                );
        }

        private static int LeastCommonMultiple(int a, int b)
        {
            var (x, y) = (a, b);
            while (y != 0)
                (x, y) = (y, x % y);
            return a / x * b;
        }
    }

    private Parameter relativePosA; // [h, N, N / r^2]
    private Parameter relativePosB;
    private Parameter relativePosC;
    private Parameter relativePosD;
    private readonly Conv2d stemConv1;
    private readonly BatchNorm stemNorm1;
    private readonly Conv2d stemConv2;
    private readonly BatchNorm stemNorm2;
    private readonly Conv2d stemConv3;
    private readonly BatchNorm stemNorm3;
    private readonly Aggregation patchEmbedA;
    private readonly Aggregation patchEmbedB;
    private readonly Aggregation patchEmbedC;
    private readonly Aggregation patchEmbedD;
    private readonly ModuleList<Block> blocksA;
    private readonly ModuleList<Block> blocksB;
    private readonly ModuleList<Block> blocksC;
    private readonly ModuleList<Block> blocksD;

    [Name("_fc")]
    private readonly Conv2d fc;

    [Name("_bn")]
    private readonly BatchNorm bn;
    private Linear? head;
    private readonly Dropout drop;

    /// <summary>A model with the authors' initialisation.</summary>
    public Cmt(Config config)
        : base(config)
    {
        if (
            config.Dims.Count != 4
            || config.Depths.Count != 4
            || config.Heads.Count != 4
            || config.MlpRatios.Count != 4
            || config.Reductions is { Count: not 4 }
        )
            throw new ArgumentException("Dims, Depths, Heads, MlpRatios and Reductions must have four values each", nameof(config));
        config.Check();
        (relativePosA, relativePosB, relativePosC, relativePosD) = (Table(0), Table(1), Table(2), Table(3));
        stemConv1 = new Conv2d(config.Channels, config.Stem, 3, config.StemStride, 1);
        stemNorm1 = new BatchNorm(config.Stem, config.BatchNormEps);
        stemConv2 = new Conv2d(config.Stem, config.Stem, 3, 1, 1);
        stemNorm2 = new BatchNorm(config.Stem, config.BatchNormEps);
        stemConv3 = new Conv2d(config.Stem, config.Stem, 3, 1, 1);
        stemNorm3 = new BatchNorm(config.Stem, config.BatchNormEps);
        patchEmbedA = new Aggregation(config.Stem, config.Dims[0], config.PatchEps);
        patchEmbedB = new Aggregation(config.Dims[0], config.Dims[1], config.PatchEps);
        patchEmbedC = new Aggregation(config.Dims[1], config.Dims[2], config.PatchEps);
        patchEmbedD = new Aggregation(config.Dims[2], config.Dims[3], config.PatchEps);
        var rates = Nn.DropPath.Rates(config.DropPath, config.Depths.Sum());
        (blocksA, blocksB, blocksC, blocksD) = (Stage(0), Stage(1), Stage(2), Stage(3));
        fc = new Conv2d(config.Dims[3], config.HeadWidth, 1);
        bn = new BatchNorm(config.HeadWidth, config.BatchNormEps);
        if (config.Classes > 0)
            head = new Linear(config.HeadWidth, config.Classes);
        drop = new Dropout(config.HeadDropout);
        foreach (var (_, module) in NamedModules())
        {
            if (module is Linear linear)
                TransformerInit.Linears(linear);
            if (module is not Conv2d conv)
                continue;
            Init.KaimingNormal(conv.Weight, fanOut: true);
            if (conv.Bias is { } bias)
                Init.Zeros(bias);
        }

        Parameter Table(int stage)
        {
            var (queries, keys) = config.Grids(stage);
            return Init.Normal(new Parameter([config.Heads[stage], queries.Height * queries.Width, keys.Height * keys.Width]), 1);
        }

        ModuleList<Block> Stage(int stage) =>
            new(
                Enumerable.Range(0, config.Depths[stage]).Select(i => new Block(config, stage, rates[config.Depths.Take(stage).Sum() + i]))
            );
    }

    private (char Name, Aggregation Embed, ModuleList<Block> Blocks, Parameter Bias)[] Stages =>
        [
            ('a', patchEmbedA, blocksA, relativePosA),
            ('b', patchEmbedB, blocksB, relativePosB),
            ('c', patchEmbedC, blocksC, relativePosC),
            ('d', patchEmbedD, blocksD, relativePosD),
        ];

    /// <inheritdoc/>
    public override int NumFeatures => Options.HeadWidth;

    /// <inheritdoc/>
    public override IReadOnlyList<string> BlockPaths =>
        [.. Stages.SelectMany(s => Enumerable.Range(0, s.Blocks.Count).Select(i => $"blocks_{s.Name}.{i}"))];

    /// <inheritdoc/>
    protected override ref Linear? Classifier => ref head;

    // Maps as they leave the four stages.
    private Tensor[] Encode(Tensor image) // [B, C, H, W]
    {
        ExpectOwnSize(image);
        var x = stemNorm1.Call(stemConv1.Call(image).Gelu());
        x = stemNorm2.Call(stemConv2.Call(x).Gelu());
        x = Record("stem", stemNorm3.Call(stemConv3.Call(x).Gelu()));
        var maps = new Tensor[4];
        foreach (var (i, (name, embed, blocks, bias)) in Stages.Index())
        {
            var (rows, columns) = Options.Grids(i).Queries;
            var tokens = embed.Call(x);
            foreach (var block in blocks)
                tokens = block.Call((tokens, rows, columns, bias));
            maps[i] = x = Record($"stage_{name}", tokens.ToMap(rows, columns));
        }
        return maps;
    }

    /// <inheritdoc/>
    // [B, C, H, W] -> [B, 1280, h, w]
    protected override Tensor Features(Tensor input) => Record("normed", bn.Call(fc.Call(Encode(input)[^1])).Silu());

    /// <inheritdoc/>
    protected override Tensor Pool(Tensor features) => features.Mean((2, 3));

    /// <inheritdoc/>
    protected override Tensor Classify(Tensor pooled) => head is null ? pooled : head.Call(drop.Call(pooled));

    /// <inheritdoc/>
    protected override IReadOnlyList<FeatureMap> FeatureMaps(Tensor input) =>
        [.. Encode(input).Select((map, i) => new FeatureMap(map, Options.Stride(i)))];

    /// <summary>
    /// Takes images of another size from now on: the relative biases are resampled bicubically, the grid of queries and that of keys each
    /// on its own.
    /// </summary>
    /// <exception cref="ShapeException">The size is no multiple of 32 pixels (with the published reductions).</exception>
    public override void Resize(int height, int width)
    {
        var resized = Options with { ImageSize = (height, width) };
        resized.Check();
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        relativePosA = Resample(0, relativePosA);
        relativePosB = Resample(1, relativePosB);
        relativePosC = Resample(2, relativePosC);
        relativePosD = Resample(3, relativePosD);
        Options = resized;

        Parameter Resample(int stage, Parameter table) => new(ResampleBias(table, Options.Grids(stage), resized.Grids(stage)).Clone());
    }

    /// <inheritdoc/>
    public override void AdaptStateDict(IDictionary<string, Tensor> state)
    {
        foreach (var (i, (letter, _, _, own)) in Stages.Index())
        {
            var name = $"relative_pos_{letter}";
            if (!state.TryGetValue(name, out var table) || table.Dim != 3 || table.Shape == own.Shape)
                continue;
            var (reduction, grids) = (Options.Reduction(i), Options.Grids(i));
            var from = PositionTable.GridOf(table.Size(1), grids.Queries);
            state[name] = ResampleBias(table, (from, (from.Height / reduction, from.Width / reduction)), grids);
        }
    }

    /// <summary>
    /// Resamples a bias [h, N, M] to other grids of queries and keys: bicubically over the queries for each key, then over the keys for
    /// each query.
    /// </summary>
    /// <exception cref="ShapeException">The table does not hold such grids.</exception>
    public static Tensor ResampleBias(
        Tensor table,
        ((int Height, int Width) Queries, (int Height, int Width) Keys) from,
        ((int Height, int Width) Queries, (int Height, int Width) Keys) to
    )
    {
        var (heads, queries, keys) = table.Shape;
        if (queries != from.Queries.Height * from.Queries.Width || keys != from.Keys.Height * from.Keys.Width)
            throw new ShapeException(
                $"a relative bias of shape {table.Shape} does not belong to {from.Queries.Height} x {from.Queries.Width} queries "
                    + $"and {from.Keys.Height} x {from.Keys.Width} keys"
            );
        if (from == to)
            return table;
        return Torch.Scope(() =>
        {
            var overQueries = table
                .Transpose(1, 2)
                .Reshape(heads, keys, from.Queries.Height, from.Queries.Width) // [h, M, H, W]
                .UpsampleBicubic2d(to.Queries, false)
                .Flatten(2)
                .Transpose(1, 2); // [h, N', M]
            // [h, N', M']
            return overQueries.Reshape(heads, -1, from.Keys.Height, from.Keys.Width).UpsampleBicubic2d(to.Keys, false).Flatten(2);
        });
    }

    /// <summary>Four neighbours become one token: a convolution of stride 2 and a norm of each token.</summary>
    private sealed partial class Aggregation(int inputs, int dim, double eps) : Layer
    {
        private readonly Conv2d proj = new(inputs, dim, 2, 2);
        private readonly LayerNorm norm = new(dim, eps);

        protected override Tensor Forward(Tensor input) => norm.Call(proj.Call(input).ToTokens());
    }

    /// <summary>Local perception (LPU), attention and feed-forward.</summary>
    private sealed partial class Block : Module<(Tensor X, int Height, int Width, Tensor Bias), Tensor>
    {
        private readonly LayerNorm norm1;
        private readonly ReducedAttention attn;
        private readonly LayerNorm norm2;
        private readonly InvertedResidual mlp;
        private readonly Conv2d proj;
        private readonly DropPath dropPath;

        public Block(Config config, int stage, double dropPath)
        {
            var dim = config.Dims[stage];
            norm1 = new LayerNorm(dim, config.BlockEps);
            attn = new ReducedAttention(config, stage);
            norm2 = new LayerNorm(dim, config.BlockEps);
            mlp = new InvertedResidual(dim, (int)(dim * config.MlpRatios[stage]), config.BatchNormEps, config.Dropout);
            proj = new Conv2d(dim, dim, 3, 1, 1, groups: dim);
            this.dropPath = new DropPath(dropPath);
        }

        protected override Tensor Forward((Tensor X, int Height, int Width, Tensor Bias) input) // [B, N, D]
        {
            var (_, height, width, bias) = input;
            var map = input.X.ToMap(height, width);
            var x = (proj.Call(map) + map).ToTokens();
            x = x + dropPath.Call(attn.Call((norm1.Call(x), height, width, bias)));
            return x + dropPath.Call(mlp.Call((norm2.Call(x), height, width)));
        }
    }

    /// <summary>
    /// Attention to keys and values of a coarser grid, with a bias per pair of positions (LMHSA). Records <c>attention</c>, [B, h, N, M].
    /// </summary>
    private sealed partial class ReducedAttention : Module<(Tensor X, int Height, int Width, Tensor Bias), Tensor>
    {
        private readonly Linear q;
        private readonly Linear k;
        private readonly Linear v;
        private readonly Linear proj;
        private readonly Sequential? sr;
        private readonly Dropout drop;
        private readonly int heads;
        private readonly double attentionDropout;

        public ReducedAttention(Config config, int stage)
        {
            var (dim, reduction) = (config.Dims[stage], config.Reduction(stage));
            (heads, attentionDropout) = (config.Heads[stage], config.AttentionDropout);
            if (dim % heads != 0 || dim / config.QkRatio % heads != 0)
                throw new ArgumentException($"the width {dim} must be a multiple of the {heads} heads", nameof(config));
            q = new Linear(dim, dim / config.QkRatio, config.QkvBias);
            k = new Linear(dim, dim / config.QkRatio, config.QkvBias);
            v = new Linear(dim, dim, config.QkvBias);
            proj = new Linear(dim, dim);
            if (reduction > 1)
                sr = new Sequential(new Conv2d(dim, dim, reduction, reduction, groups: dim), new BatchNorm(dim, config.BatchNormEps));
            drop = new Dropout(config.Dropout);
        }

        protected override Tensor Forward((Tensor X, int Height, int Width, Tensor Bias) input)
        {
            var x = input.X;
            var coarse = sr is null ? x : sr.Call(x.ToMap(input.Height, input.Width)).ToTokens();
            var (query, key, value) = (Heads(q.Call(x)), Heads(k.Call(coarse)), Heads(v.Call(coarse)));
            // The scale is that of the values' heads, also where queries and keys are narrower.
            var (scale, bias) = (1 / Math.Sqrt(value.Size(-1)), input.Bias.Unsqueeze(0));
            var mixed = Attention.Apply(this, query, key, value, bias, attentionDropout, scale);
            return drop.Call(proj.Call(mixed.Transpose(1, 2).Flatten(2)));
        }

        private Tensor Heads(Tensor x) => x.Unflatten(2, heads, -1).Transpose(1, 2); // [B, N, D] -> [B, h, N, d]
    }

    /// <summary>
    /// Inverted residual feed-forward (IRFFN): the residual lies around the depthwise convolution alone, GELU and norm follow it.
    /// </summary>
    private sealed partial class InvertedResidual(int dim, int hidden, double eps, double dropout)
        : Module<(Tensor X, int Height, int Width), Tensor>
    {
        private readonly Sequential conv1 = new(new Conv2d(dim, hidden, 1), new Gelu(), new BatchNorm(hidden, eps));
        private readonly Conv2d proj = new(hidden, hidden, 3, 1, 1, groups: hidden);
        private readonly BatchNorm projBn = new(hidden, eps);
        private readonly Sequential conv2 = new(new Conv2d(hidden, dim, 1), new BatchNorm(dim, eps));
        private readonly Dropout drop = new(dropout);

        protected override Tensor Forward((Tensor X, int Height, int Width) input)
        {
            var wide = drop.Call(conv1.Call(input.X.ToMap(input.Height, input.Width)));
            wide = projBn.Call((proj.Call(wide) + wide).Gelu());
            return drop.Call(conv2.Call(wide).ToTokens());
        }
    }

    private const string Paper = "CMT: Convolutional Neural Networks Meet Vision Transformers, 2021, arXiv:2107.06263";

    private static Variant Make(
        string name,
        int image,
        int[] dims,
        int stem,
        int[] depths,
        double ratio,
        double? parameters,
        double? gmacs,
        double? top1,
        string? note,
        double headDropout = 0.1,
        int stemStride = 2,
        int classes = 1000,
        int headWidth = 1280
    ) =>
        new(
            name,
            Paper: Paper,
            Create: Variant.Configured(
                new Config(
                    ImageSize: (image, image),
                    Dims: dims,
                    Depths: depths,
                    Heads: [1, 2, 4, 8],
                    MlpRatios: [ratio, ratio, ratio, ratio],
                    Stem: stem,
                    Classes: classes,
                    HeadWidth: headWidth,
                    HeadDropout: headDropout,
                    DropPath: 0,
                    StemStride: stemStride
                ),
                config => new Cmt(config)
            ),
            ImageSize: image,
            Parameters: parameters,
            GMacs: gmacs,
            Top1: top1,
            Dataset: classes == 1000 ? "ImageNet-1k" : "CIFAR-10",
            Preprocessing: classes == 1000 ? Preprocessing.ImageNet with { CropRatio = 0.9 } : Preprocessing.Cifar10,
            Note: note
        );

    /// <summary>The published sizes, and one for small images.</summary>
    public static IReadOnlyList<Variant> Variants { get; } =
    [
        Make(
            "cmt_ti",
            image: 160,
            dims: [46, 92, 184, 368],
            stem: 16,
            depths: [2, 2, 10, 2],
            ratio: 3.6,
            parameters: 9.492,
            gmacs: 0.6,
            top1: 79.1,
            note: "800 epochs; 79.0 in the authors' log"
        ),
        Make(
            "cmt_xs",
            image: 192,
            dims: [52, 104, 208, 416],
            stem: 16,
            depths: [3, 3, 12, 3],
            ratio: 3.77,
            parameters: 15.247,
            gmacs: 1.5,
            top1: 81.8,
            note: "400 epochs"
        ),
        Make(
            "cmt_s",
            image: 224,
            dims: [64, 128, 256, 512],
            stem: 32,
            depths: [3, 3, 16, 3],
            ratio: 4,
            parameters: 26.256,
            gmacs: 4.0,
            top1: 83.5,
            note: "300 epochs; the paper prints 25.1 million parameters, the authors' code has these"
        ),
        Make(
            "cmt_b",
            image: 256,
            dims: [76, 152, 304, 608],
            stem: 38,
            depths: [4, 4, 20, 4],
            ratio: 4,
            parameters: 45.715,
            gmacs: 9.3,
            top1: 84.5,
            note: "300 epochs",
            headDropout: 0.3
        ),
        Make(
            "cmt_mini_32",
            image: 32,
            dims: [32, 64, 128, 256],
            stem: 16,
            depths: [1, 1, 3, 1],
            ratio: 3.6,
            parameters: null,
            gmacs: null,
            top1: null,
            note: "for small images: the stem keeps the resolution",
            stemStride: 1,
            classes: 10,
            headWidth: 512
        ),
    ];
}
