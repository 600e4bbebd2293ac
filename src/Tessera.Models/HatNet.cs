using Tessera.Models.Layers;
using Tessera.Nn;

namespace Tessera.Models;

/// <summary>
/// HAT-Net: attention in two steps, within small windows first, then of every position to a pooled map, in a pyramid of four stages.
/// Liu et al., "Vision Transformers with Hierarchical Attention", 2021, arXiv:2106.03180.
/// </summary>
/// <remarks>
/// Names and order of the weights are those of the authors' code. All norms cover channels and positions of an image together
/// (one group). Each attention owns a norm <c>proj_norm</c> that is never applied: published weights hold it, and it gets no
/// gradient. Maps that windows do not divide are padded for that step alone, with zeros right and below; the reference cannot take them.
/// </remarks>
public sealed partial class HatNet : Backbone<HatNet.Config>
{
    /// <summary>Sizes and options.</summary>
    /// <param name="ImageSize">Height and width in pixels that it is meant for.</param>
    /// <param name="Dims">Width of the four stages, multiples of <paramref name="HeadDim"/>.</param>
    /// <param name="HeadDim">Width of a head.</param>
    /// <param name="Depths">Numbers of blocks.</param>
    /// <param name="Windows">Sides of the windows in positions; 1: plain global attention, no pooling.</param>
    /// <param name="Poolings">Sides of the windows that are pooled to a key and value of the second step.</param>
    /// <param name="Kernels">Sides of the depthwise kernels.</param>
    /// <param name="Expansions">Hidden width of the inverted residuals over the width.</param>
    /// <param name="Classes">Number of classes; 0 for no classifier.</param>
    /// <param name="Channels">Channels of the images.</param>
    /// <param name="HeadDropout">Dropout before the classifier.</param>
    /// <param name="Dropout">Dropout of whole channels in the blocks.</param>
    /// <param name="DropPath">Stochastic depth of the last block.</param>
    /// <param name="Eps">Of all norms.</param>
    /// <param name="StemStride">4 as published; 2 or 1 for small images.</param>
    public sealed record Config(
        (int Height, int Width) ImageSize,
        IReadOnlyList<int> Dims,
        int HeadDim,
        IReadOnlyList<int> Depths,
        IReadOnlyList<int> Windows,
        IReadOnlyList<int> Poolings,
        IReadOnlyList<int> Kernels,
        IReadOnlyList<int> Expansions,
        int Classes = 1000,
        int Channels = 3,
        double HeadDropout = 0.2,
        double Dropout = 0,
        double DropPath = 0,
        double Eps = 1e-6,
        int StemStride = 4
    ) : RegularizedConfig
    {
        /// <summary>Windows, poolings, kernels and expansions as published.</summary>
        public Config((int Height, int Width) imageSize, IReadOnlyList<int> dims, int headDim, IReadOnlyList<int> depths)
            : this(imageSize, dims, headDim, depths, [8, 7, 7, 1], [8, 4, 2, 1], [3, 3, 3, 3], [8, 8, 4, 4]) { }

        // The least map that pooling leaves something of, in pixels of the image.
        internal void Check(long height, long width)
        {
            for (var i = 0; i < 4; i++)
            {
                var (stride, side) = (StemStride << i, Windows[i] > 1 ? Poolings[i] : 1);
                var (rows, columns) = ((height + stride - 1) / stride, (width + stride - 1) / stride);
                if (rows < side || columns < side)
                    throw new ShapeException(
                        $"an image of {height} x {width} gives stage {i + 1} a map of {rows} x {columns}, which "
                            + $"cannot be pooled by {side}: both sides must be at least {(side - 1) * stride + 1}"
                    );
            }
        }
    }

    private readonly Sequential patchEmbed;
    private readonly ModuleList<ModuleList<Block>> blocks;
    private readonly Downsample ds2;
    private readonly Downsample ds3;
    private readonly Downsample ds4;
    private readonly DropoutHead classifier;

    /// <summary>A model with the authors' initialisation.</summary>
    public HatNet(Config config)
        : base(config)
    {
        if (
            new[] { config.Dims, config.Depths, config.Windows, config.Poolings, config.Kernels, config.Expansions }.Any(list =>
                list.Count != 4
            )
        )
            throw new ArgumentException(
                "Dims, Depths, Windows, Poolings, Kernels and Expansions must have four values each",
                nameof(config)
            );
        if (config.StemStride is not (1 or 2 or 4))
            throw new ArgumentException($"the stride of the stem must be 1, 2 or 4, not {config.StemStride}", nameof(config));
        config.Check(config.ImageSize.Height, config.ImageSize.Width);
        patchEmbed = new Sequential(
            new Conv2d(config.Channels, 16, 3, config.StemStride > 1 ? 2 : 1, 1),
            new GroupNorm(1, 16, config.Eps),
            new Silu(),
            new Conv2d(16, config.Dims[0], 3, config.StemStride > 2 ? 2 : 1, 1)
        );
        var rates = Nn.DropPath.Rates(config.DropPath, config.Depths.Sum());
        blocks = new(
            Enumerable
                .Range(0, 4)
                .Select(s => new ModuleList<Block>(
                    Enumerable.Range(0, config.Depths[s]).Select(j => new Block(config, s, rates[config.Depths.Take(s).Sum() + j]))
                ))
        );
        ds2 = new Downsample(config.Dims[0], config.Dims[1], config.Eps);
        ds3 = new Downsample(config.Dims[1], config.Dims[2], config.Eps);
        ds4 = new Downsample(config.Dims[2], config.Dims[3], config.Eps);
        classifier = new DropoutHead("1", config.HeadDropout, InitialClassifier());
        foreach (var (_, module) in NamedModules())
        {
            if (module is not Conv2d conv)
                continue;
            Init.TruncatedNormal(conv.Weight, 0.02);
            if (conv.Bias is { } bias)
                Init.Zeros(bias);
        }
    }

    /// <inheritdoc/>
    public override int NumFeatures => Options.Dims[3];

    /// <inheritdoc/>
    public override IReadOnlyList<string> BlockPaths =>
        [.. Options.Depths.Index().SelectMany(s => Enumerable.Range(0, s.Item).Select(j => $"blocks.{s.Index}.{j}"))];

    /// <inheritdoc/>
    protected override ref Linear? Classifier => ref classifier.Linear;

    /// <inheritdoc/>
    protected override string ClassifierPath => "classifier.1";

    // Maps as they leave the four stages.
    private Tensor[] Encode(Tensor image) // [B, C, H, W]
    {
        Options.Check(image.Size(2), image.Size(3));
        var maps = new Tensor[4];
        var x = patchEmbed.Call(image);
        foreach (var (s, downsample) in new[] { null, ds2, ds3, ds4 }.Index())
        {
            if (downsample is not null)
                x = downsample.Call(x);
            foreach (var block in blocks[s])
                x = block.Call(x);
            maps[s] = Record($"stage{s + 1}", x);
        }
        return maps;
    }

    /// <inheritdoc/>
    protected override Tensor Features(Tensor input) => Encode(input)[^1]; // [B, C, H, W] -> [B, D, h, w]; there is no final norm

    /// <inheritdoc/>
    protected override Tensor Pool(Tensor features) => features.Mean((2, 3));

    /// <inheritdoc/>
    protected override Tensor Classify(Tensor pooled) => classifier.Call(pooled);

    /// <inheritdoc/>
    protected override IReadOnlyList<FeatureMap> FeatureMaps(Tensor input) =>
        [.. Encode(input).Select((map, s) => new FeatureMap(map, Options.StemStride << s))];

    /// <summary>Takes note of the size; no weight depends on it.</summary>
    /// <exception cref="ShapeException">A stage's map would be too small to be pooled.</exception>
    public override void Resize(int height, int width)
    {
        Options.Check(height, width);
        Options = Options with { ImageSize = (height, width) };
    }

    /// <summary>Halves the map.</summary>
    private sealed partial class Downsample(int inputs, int outputs, double eps) : Layer
    {
        private readonly Conv2d conv = new(inputs, outputs, 3, 2, 1);
        private readonly GroupNorm norm = new(1, outputs, eps);

        protected override Tensor Forward(Tensor input) => norm.Call(conv.Call(input));
    }

    /// <summary>x + attention(x), then x + convolutions(x); the norms are inside of both.</summary>
    private sealed partial class Block(Config config, int stage, double drop) : Layer
    {
        private readonly HierarchicalAttention attn = new(config, stage);
        private readonly InvertedResidual conv = new(config, stage);
        private readonly DropPath dropPath = new(drop);

        protected override Tensor Forward(Tensor x)
        {
            x = x + dropPath.Call(attn.Call(x));
            return x + dropPath.Call(conv.Call(x));
        }
    }

    /// <summary>
    /// Hierarchical attention (H-MHSA): within windows, then to the pooled sum of input and result. Records <c>window_attention</c>,
    /// [B windows, h, g g, g g], and <c>attention</c>, [B, h, H W, M].
    /// </summary>
    private sealed partial class HierarchicalAttention : Layer
    {
        private readonly GroupNorm norm;
        private readonly Conv2d qkv;
        private readonly Conv2d proj;
        private readonly GroupNorm projNorm; // never applied, but part of published weights
        private readonly GroupNorm? gridNorm;
        private readonly GroupNorm? dsNorm;
        private readonly Conv2d? q;
        private readonly Conv2d? kv;
        private readonly Dropout2d drop;
        private readonly int heads,
            depth,
            window,
            pooling;

        public HierarchicalAttention(Config config, int stage)
        {
            var dim = config.Dims[stage];
            if (dim % config.HeadDim != 0)
                throw new ArgumentException($"the width {dim} must be a multiple of the width of a head, {config.HeadDim}", nameof(config));
            (heads, depth, window, pooling) = (dim / config.HeadDim, config.HeadDim, config.Windows[stage], config.Poolings[stage]);
            norm = new GroupNorm(1, dim, config.Eps);
            qkv = new Conv2d(dim, 3 * dim, 1);
            proj = new Conv2d(dim, dim, 1);
            projNorm = new GroupNorm(1, dim, config.Eps);
            if (window > 1)
            {
                gridNorm = new GroupNorm(1, dim, config.Eps);
                dsNorm = new GroupNorm(1, dim, config.Eps);
                q = new Conv2d(dim, dim, 1);
                kv = new Conv2d(dim, 2 * dim, 1);
            }
            drop = new Dropout2d(config.Dropout);
        }

        protected override Tensor Forward(Tensor input) // [B, C, H, W]
        {
            var (batch, dim, height, width) = input.Shape;
            var packed = qkv.Call(norm.Call(input));
            if (q is null)
            {
                var tokens = packed.Reshape(batch, 3, heads, depth, -1).Permute(1, 0, 2, 4, 3); // [3, B, h, N, d]
                return drop.Call(proj.Call(ToMap(Attention.Apply(this, tokens[0], tokens[1], tokens[2]))));
            }
            var mixed = gridNorm!.Call(input + ToWindows(packed));
            var query = q.Call(mixed).Reshape(batch, heads, depth, -1).MT; // [B, h, N, d]
            var pooled = kv!
                .Call(dsNorm!.Call(mixed.AvgPool2d(pooling, pooling)))
                .Reshape(batch, 2, heads, depth, -1)
                .Permute(1, 0, 2, 4, 3); // [2, B, h, M, d]
            return drop.Call(proj.Call(ToMap(Attention.Apply(this, query, pooled[0], pooled[1])) + mixed));

            Tensor ToMap(Tensor x) => x.MT.Reshape(batch, dim, height, width); // [B, h, N, d] -> [B, C, H, W]
        }

        // Attention within windows of queries, keys and values [B, 3 C, H, W] -> [B, C, H, W].
        private Tensor ToWindows(Tensor packed)
        {
            var (batch, _, height, width) = packed.Shape;
            var (below, right) = ((window - height % window) % window, (window - width % window) % window);
            if (below > 0 || right > 0)
                packed = packed.ConstantPadNd([0, right, 0, below]);
            var (rows, columns) = ((height + below) / window, (width + right) / window);
            var windows = packed
                .Reshape([batch, 3, heads, depth, rows, window, columns, window])
                .Permute(1, 0, 4, 6, 2, 5, 7, 3)
                .Reshape(3, batch * rows * columns, heads, window * window, depth);
            var map = Attention
                .Apply(this, windows[0], windows[1], windows[2], record: "window_attention")
                .Reshape([batch, rows, columns, heads, window, window, depth])
                .Permute(0, 3, 6, 1, 4, 2, 5)
                .Reshape(batch, heads * depth, height + below, width + right);
            return below > 0 || right > 0 ? map[.., .., 0..(int)height, 0..(int)width] : map;
        }
    }

    /// <summary>Inverted residual without its residual: widens, convolves each channel, narrows, with a norm first and last.</summary>
    private sealed partial class InvertedResidual : Layer
    {
        private readonly Sequential conv1;
        private readonly Sequential conv2;
        private readonly Sequential conv3;
        private readonly Dropout2d drop;

        public InvertedResidual(Config config, int stage)
        {
            var (dim, hidden, kernel) = (config.Dims[stage], config.Dims[stage] * config.Expansions[stage], config.Kernels[stage]);
            conv1 = new Sequential(new GroupNorm(1, dim, config.Eps), new Conv2d(dim, hidden, 1, bias: false), new Silu());
            conv2 = new Sequential(new Conv2d(hidden, hidden, kernel, 1, (kernel - 1) / 2, groups: hidden, bias: false), new Silu());
            conv3 = new Sequential(new Conv2d(hidden, dim, 1, bias: false), new GroupNorm(1, dim, config.Eps));
            drop = new Dropout2d(config.Dropout);
        }

        protected override Tensor Forward(Tensor input) => drop.Call(conv3.Call(drop.Call(conv2.Call(conv1.Call(input)))));
    }

    private const string Paper = "Vision Transformers with Hierarchical Attention, 2021, arXiv:2106.03180";

    private static Variant Make(
        string name,
        int[] dims,
        int headDim,
        int[] depths,
        double parameters,
        double gmacs,
        double top1,
        int[]? kernels = null
    ) =>
        new(
            name,
            Paper: Paper,
            Create: Variant.Configured(
                new Config(imageSize: (224, 224), dims: dims, headDim: headDim, depths: depths) { Kernels = kernels ?? [3, 3, 3, 3] },
                config => new HatNet(config)
            ),
            ImageSize: 224,
            Parameters: parameters,
            GMacs: gmacs,
            MacsWithAttention: false,
            Top1: top1,
            Dataset: "ImageNet-1k",
            Preprocessing: Preprocessing.ImageNet,
            Note: "300 epochs"
        );

    /// <summary>The published sizes, and one for small images.</summary>
    public static IReadOnlyList<Variant> Variants { get; } =
    [
        Make("hat_net_tiny", dims: [48, 96, 240, 384], headDim: 48, depths: [2, 2, 6, 3], parameters: 12.656, gmacs: 2.0, top1: 79.8),
        Make("hat_net_small", dims: [64, 128, 320, 512], headDim: 64, depths: [2, 3, 8, 3], parameters: 25.748, gmacs: 4.3, top1: 82.6),
        Make(
            "hat_net_medium",
            dims: [64, 128, 320, 512],
            headDim: 64,
            depths: [3, 6, 18, 3],
            parameters: 42.942,
            gmacs: 8.3,
            top1: 84.0,
            kernels: [5, 3, 5, 3]
        ),
        Make("hat_net_large", dims: [64, 128, 320, 640], headDim: 64, depths: [3, 8, 27, 3], parameters: 63.132, gmacs: 11.5, top1: 84.2),
        new(
            "hat_net_mini_32",
            Paper: Paper,
            Create: Variant.Configured(
                new Config(
                    ImageSize: (32, 32),
                    Dims: [32, 64, 128, 192],
                    HeadDim: 32,
                    Depths: [1, 1, 3, 1],
                    Windows: [4, 4, 2, 1],
                    Poolings: [4, 2, 2, 1],
                    Kernels: [3, 3, 3, 3],
                    Expansions: [4, 4, 4, 4],
                    Classes: 10,
                    StemStride: 2
                ),
                config => new HatNet(config)
            ),
            ImageSize: 32,
            Dataset: "CIFAR-10",
            Preprocessing: Preprocessing.Cifar10,
            Note: "for small images: a stem of stride 2, windows of 4, 4, 2 and 1"
        ),
    ];
}
