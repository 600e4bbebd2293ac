using Tessera.Models.Layers;
using Tessera.Nn;

namespace Tessera.Models;

/// <summary>
/// InternImage: a convolutional backbone built like a transformer, whose token mixer is a deformable convolution.
/// Wang et al., "InternImage: Exploring Large-Scale Vision Foundation Models with Deformable Convolutions", 2022, arXiv:2211.05778.
/// </summary>
/// <remarks>
/// Names and order of the weights are the authors'. Positions are computed in pixels and in the tensors' own precision;
/// the authors' PyTorch version rounds them through shares of the image in float32 and exchanges the two paddings.
/// Blocks put out maps [B, C, H, W] that lie channels last in memory.
/// </remarks>
public sealed partial class InternImage : Backbone<InternImage.Config>
{
    /// <summary>Sizes and options.</summary>
    /// <param name="ImageSize">Height and width in pixels.</param>
    /// <param name="Dim">Channels of the first level; each further level doubles them.</param>
    /// <param name="Depths">Layers per level.</param>
    /// <param name="Groups">Groups of the deformable convolutions per level.</param>
    /// <param name="Classes">Number of classes; 0 for no classifier.</param>
    /// <param name="Channels">Channels of the images.</param>
    /// <param name="MlpRatio">Hidden width of the MLP over the width.</param>
    /// <param name="PostNorm">Norms after mixer and MLP instead of before.</param>
    /// <param name="LayerScale">Initial factor of layer scale; null for none.</param>
    /// <param name="OffsetScale">Factor of sampling grid and offsets.</param>
    /// <param name="Kernel">Side of the deformable kernel.</param>
    /// <param name="DepthwiseKernel">Side of the depthwise convolution before offsets and modulations; null: the kernel's.</param>
    /// <param name="Level2PostNorm">Layers of the third level (counted from 0) after which a further norm follows; null for none.</param>
    /// <param name="ResPostNorm">A norm after mixer and MLP as well as before.</param>
    /// <param name="CenterFeatureScale">Blends unsampled features into the deformable convolution.</param>
    /// <param name="RemoveCenter">Leaves the middle point of the kernel out.</param>
    /// <param name="ClipProjector">The head of H and G: two levels joined, pooled by attention.</param>
    /// <param name="HeadScale">Width of the convolutional head over that of the last level.</param>
    /// <param name="Dropout">Dropout after the stem.</param>
    /// <param name="DropPath">Stochastic depth of the last layer.</param>
    /// <param name="UniformDropPath">The same rate in all layers instead of a linear rise.</param>
    /// <param name="StemStride">Stride of each of the stem's two convolutions; 1 suits images of 32 pixels.</param>
    public sealed record Config(
        (int Height, int Width) ImageSize,
        int Dim,
        IReadOnlyList<int> Depths,
        IReadOnlyList<int> Groups,
        int Classes = 1000,
        int Channels = 3,
        double MlpRatio = 4,
        bool PostNorm = false,
        double? LayerScale = null,
        double OffsetScale = 1,
        int Kernel = 3,
        int? DepthwiseKernel = null,
        IReadOnlyList<int>? Level2PostNorm = null,
        bool ResPostNorm = false,
        bool CenterFeatureScale = false,
        bool RemoveCenter = false,
        bool ClipProjector = false,
        double HeadScale = 1.5,
        double Dropout = 0,
        double DropPath = 0,
        bool UniformDropPath = false,
        int StemStride = 2
    ) : RegularizedConfig
    {
        internal int Width(int level) => Dim << level;

        internal int LastWidth => Width(Depths.Count - 1);
        internal bool LevelNorm => !PostNorm || CenterFeatureScale;
    }

    private const double Eps = 1e-6;

    // The width of CLIP's joint space and of its vectors, and heads of 64 channels.
    private const int ProjectorWidth = 1024,
        ProjectorHeads = 16,
        ProjectorOutputs = 768;

    private readonly Stem patchEmbed;
    private readonly ModuleList<Level> levels;
    private readonly Sequential? convHead;
    private readonly Sequential? dcnv3HeadX4;
    private readonly Conv2d? dcnv3HeadX3;
    private readonly ClipPooling? clipProjector;
    private readonly Sequential? fcNorm;
    private Linear? head;
    private readonly Dropout drop;

    /// <summary>A model with the authors' initialisation: deformable convolutions start as means over their kernel.</summary>
    public InternImage(Config config)
        : base(config)
    {
        if (config.Depths.Count != config.Groups.Count)
            throw new ArgumentException(
                $"{config.Depths.Count} depths and {config.Groups.Count} groups were given: every level needs one of each",
                nameof(config)
            );
        if (config.ClipProjector && config.Depths.Count != 4)
            throw new ArgumentException(
                $"the CLIP projector joins levels 2 and 3: there must be 4 levels, not {config.Depths.Count}",
                nameof(config)
            );
        patchEmbed = new Stem(config);
        var total = config.Depths.Sum();
        var rates = config.UniformDropPath ? [.. Enumerable.Repeat(config.DropPath, total)] : Nn.DropPath.Rates(config.DropPath, total);
        levels = new(
            Enumerable
                .Range(0, config.Depths.Count)
                .Select(i => new Level(config, i, rates.AsSpan(config.Depths.Take(i).Sum(), config.Depths[i])))
        );
        if (config.ClipProjector)
        {
            dcnv3HeadX4 = new Sequential(new Conv2d(config.LastWidth, ProjectorWidth * 4, 1), new PixelShuffle(2));
            dcnv3HeadX3 = new Conv2d(config.Width(2), ProjectorWidth, 1);
            clipProjector = new ClipPooling();
            fcNorm = Norm(ProjectorOutputs);
        }
        else
            convHead = new Sequential(
                new Conv2d(config.LastWidth, NumFeatures, 1, bias: false),
                new Sequential(new BatchNorm(NumFeatures)),
                new Gelu()
            );
        head = InitialClassifier();
        drop = new Dropout(config.Dropout);
    }

    /// <inheritdoc/>
    public override int NumFeatures => Options.ClipProjector ? ProjectorOutputs : (int)(Options.LastWidth * Options.HeadScale);

    /// <inheritdoc/>
    public override IReadOnlyList<string> BlockPaths =>
        [.. Options.Depths.SelectMany((depth, i) => Enumerable.Range(0, depth).Select(j => $"levels.{i}.blocks.{j}"))];

    /// <inheritdoc/>
    protected override ref Linear? Classifier => ref head;

    private static Sequential Norm(int width) => new(new LayerNorm(width, Eps));

    // Outputs of all levels after their norms and before their downsampling, [B, C, H, W].
    private List<Tensor> Levels(Tensor image)
    {
        var x = drop.Call(patchEmbed.Call(image));
        var maps = new List<Tensor>();
        foreach (var level in levels)
        {
            maps.Add(level.Call(x));
            x = level.Down(maps[^1]);
        }
        return maps;
    }

    /// <summary>
    /// The last level's map [B, 8C, H/32, W/32]; with the CLIP projector that map and the one before joined, [B, 1024, H/16, W/16].
    /// </summary>
    protected override Tensor Features(Tensor input)
    {
        var maps = Levels(input);
        return dcnv3HeadX4 is null || dcnv3HeadX3 is null ? maps[^1] : dcnv3HeadX4.Call(maps[3]) + dcnv3HeadX3.Call(maps[2]);
    }

    /// <inheritdoc/>
    protected override Tensor Pool(Tensor features) =>
        convHead is not null
            ? convHead.Call(features).Mean([2, 3])
            : fcNorm!.Call(clipProjector!.Call(features.Flatten(2).Transpose(1, 2)));

    /// <inheritdoc/>
    protected override IReadOnlyList<FeatureMap> FeatureMaps(Tensor input) =>
        [.. Levels(input).Select((map, i) => new FeatureMap(map, (Options.StemStride * Options.StemStride) << i))];

    /// <summary>The points that the last block of every level samples for the position in the middle.</summary>
    protected override IEnumerable<Insight> Insights(Tensor image)
    {
        var records = RecordDuring(image, "**.offset", "**.modulation");
        foreach (var (i, depth) in Options.Depths.Index())
        {
            var path = $"levels.{i}.blocks.{depth - 1}.dcn";
            yield return new(
                $"points, level {i + 1}",
                "The points that a deformable convolution samples for the position in the middle, all groups of channels, "
                    + "larger where the modulation is."
            )
            {
                Places =
                [
                    .. Dcnv3
                        .Middle(
                            records[$"{path}.offset"],
                            records[$"{path}.modulation"],
                            Options.Groups[i],
                            Options.Kernel,
                            Options.OffsetScale,
                            Options.RemoveCenter
                        )
                        .Select(place => new Insight.Place(place.X, place.Y, place.Weight)),
                ],
            };
        }
        foreach (var insight in base.Insights(image))
            yield return insight;
    }

    /// <summary>Takes images of any size; with the CLIP projector multiples of the last level's stride.</summary>
    /// <inheritdoc/>
    public override void Resize(int height, int width)
    {
        var stride = (Options.StemStride * Options.StemStride) << 3;
        if (Options.ClipProjector && (height % stride != 0 || width % stride != 0))
            throw new ShapeException(
                $"an image of {height} x {width} does not fit the CLIP projector: both sides must be multiples of {stride}"
            );
        Options = Options with { ImageSize = (height, width) };
    }

    /// <summary>Two convolutions of stride 2, each with a norm: [B, 3, H, W] to [B, C, H/4, W/4].</summary>
    private sealed partial class Stem : Layer
    {
        private readonly Conv2d conv1;
        private readonly Sequential norm1;
        private readonly Conv2d conv2;
        private readonly Sequential norm2;

        public Stem(Config config)
        {
            conv1 = new Conv2d(config.Channels, config.Dim / 2, 3, config.StemStride, 1);
            norm1 = new Sequential([("1", new ChannelNorm(config.Dim / 2, Eps))]);
            conv2 = new Conv2d(config.Dim / 2, config.Dim, 3, config.StemStride, 1);
            norm2 = new Sequential([("1", new ChannelNorm(config.Dim, Eps))]);
        }

        public Parameter Weight => conv1.Weight;

        protected override Tensor Forward(Tensor input) => norm2.Call(conv2.Call(norm1.Call(conv1.Call(input)).Gelu()));
    }

    /// <summary>The layers of one resolution.</summary>
    private sealed partial class Level : Layer
    {
        private readonly ModuleList<Block> blocks;
        private readonly Sequential? norm;
        private readonly ModuleList<Sequential>? postNorms;
        private readonly Downsample? downsample;
        private readonly IReadOnlyList<int> postNormed;

        public Level(Config config, int index, ReadOnlySpan<double> rates)
        {
            var width = config.Width(index);
            blocks = new(rates.ToArray().Select(rate => new Block(config, width, config.Groups[index], rate)));
            if (config.LevelNorm)
                norm = Norm(width);
            postNormed = index == 2 ? config.Level2PostNorm ?? [] : [];
            if (postNormed.Count > 0)
                postNorms = new(postNormed.Select(_ => Norm(width)));
            if (index < config.Depths.Count - 1)
                downsample = new Downsample(width);
        }

        protected override Tensor Forward(Tensor input)
        {
            var x = input;
            foreach (var (i, block) in blocks.Index())
            {
                x = block.Call(x);
                for (var k = 0; k < postNormed.Count; k++)
                    if (postNormed[k] == i)
                        x = OverChannels(postNorms![k], x);
            }
            return norm is null ? x : OverChannels(norm, x);
        }

        private static Tensor OverChannels(Layer layer, Tensor x) => layer.Call(x.Permute(0, 2, 3, 1)).Permute(0, 3, 1, 2);

        public Tensor Down(Tensor x) => downsample is null ? x : downsample.Call(x);
    }

    /// <summary>Half the resolution, twice the channels.</summary>
    private sealed partial class Downsample(int width) : Layer
    {
        private readonly Conv2d conv = new(width, 2 * width, 3, 2, 1, bias: false);
        private readonly Sequential norm = new([("1", new ChannelNorm(2 * width, Eps))]);

        protected override Tensor Forward(Tensor input) => norm.Call(conv.Call(input));
    }

    /// <summary>Mixer and MLP with residuals, [B, C, H, W]; which norms there are depends on the size of the model.</summary>
    private sealed partial class Block : Layer
    {
        private readonly Parameter? gamma1; // [C]
        private readonly Parameter? gamma2; // [C]
        private readonly Sequential norm1;
        private readonly Dcnv3 dcn;
        private readonly Sequential norm2;
        private readonly Mlp mlp;
        private readonly Sequential? resPostNorm1;
        private readonly Sequential? resPostNorm2;
        private readonly DropPath dropPath;
        private readonly bool postNorm;

        public Block(Config config, int width, int groups, double dropPath)
        {
            postNorm = config.PostNorm;
            if (config.LayerScale is { } scale)
            {
                gamma1 = Init.Constant(new Parameter(width), scale);
                gamma2 = Init.Constant(new Parameter(width), scale);
            }
            norm1 = Norm(width);
            dcn = new Dcnv3(
                width,
                groups,
                config.Kernel,
                config.DepthwiseKernel,
                config.OffsetScale,
                config.CenterFeatureScale,
                config.RemoveCenter
            );
            norm2 = Norm(width);
            mlp = new Mlp(width, (int)(width * config.MlpRatio), config.Dropout);
            TransformerInit.Linears(mlp);
            if (config.ResPostNorm)
            {
                resPostNorm1 = Norm(width);
                resPostNorm2 = Norm(width);
            }
            this.dropPath = new DropPath(dropPath);
        }

        protected override Tensor Forward(Tensor input)
        {
            var x = input.Permute(0, 2, 3, 1); // [B, H, W, C]
            x = x + dropPath.Call(Residual(x, dcn, norm1, resPostNorm1, gamma1));
            x = x + dropPath.Call(Residual(x, mlp, norm2, resPostNorm2, gamma2));
            return x.Permute(0, 3, 1, 2);
        }

        private Tensor Residual(Tensor x, Layer layer, Layer norm, Layer? after, Tensor? gamma)
        {
            // Norms on both sides leave layer scale out, as the authors' code does.
            var y = postNorm ? norm.Call(layer.Call(x)) : layer.Call(norm.Call(x));
            if (!postNorm && after is not null)
                return after.Call(y);
            return gamma is null ? y : y * gamma;
        }
    }

    /// <summary>Moves four channels into a square of 2 x 2 pixels.</summary>
    private sealed class PixelShuffle(int factor) : Layer
    {
        protected override Tensor Forward(Tensor input) => input.PixelShuffle(factor);
    }

    private const string Paper = "InternImage, 2022, arXiv:2211.05778";
    private static readonly int[] everySixth = [5, 11, 17, 23, 29, 35, 41, 47];

    private static Variant Make(string name, int image, Config config, double parameters, double gmacs, double top1, string? note = null) =>
        new(
            name,
            Paper: Paper,
            Create: Variant.Configured(config with { ImageSize = (image, image) }, config => new InternImage(config)),
            ImageSize: image,
            Parameters: parameters,
            GMacs: gmacs,
            Top1: top1,
            Dataset: "ImageNet-1k",
            Preprocessing: Preprocessing.ImageNet with
            {
                CropRatio = image > 224 ? 1 : 0.875,
            },
            Note: note
        );

    private static Config Large(int dim, int[] depths, int[] groups, double dropPath) =>
        new(
            ImageSize: (0, 0),
            Dim: dim,
            Depths: depths,
            Groups: groups,
            DepthwiseKernel: 5,
            CenterFeatureScale: true,
            ClipProjector: true,
            Level2PostNorm: [.. everySixth.TakeWhile(i => i < depths[2])],
            DropPath: dropPath
        );

    /// <summary>The published sizes; counts of operations include 5 per sampled channel and point, as the authors count.</summary>
    public static IReadOnlyList<Variant> Variants { get; } =
    [
        Make(
            "internimage_t",
            image: 224,
            config: new Config(ImageSize: (0, 0), Dim: 64, Depths: [4, 4, 18, 4], Groups: [4, 8, 16, 32], DropPath: 0.1),
            parameters: 29.92,
            gmacs: 4.89,
            top1: 83.5,
            note: "30 M and 5 GMACs in the paper"
        ),
        Make(
            "internimage_s",
            image: 224,
            config: new Config(
                ImageSize: (0, 0),
                Dim: 80,
                Depths: [4, 4, 21, 4],
                Groups: [5, 10, 20, 40],
                PostNorm: true,
                LayerScale: 1e-5,
                DropPath: 0.4
            ),
            parameters: 50,
            gmacs: 8.31,
            top1: 84.2,
            note: "8 GMACs in the paper"
        ),
        Make(
            "internimage_b",
            image: 224,
            config: new Config(
                ImageSize: (0, 0),
                Dim: 112,
                Depths: [4, 4, 21, 4],
                Groups: [7, 14, 28, 56],
                PostNorm: true,
                LayerScale: 1e-5,
                DropPath: 0.5
            ),
            parameters: 97,
            gmacs: 16,
            top1: 84.9
        ),
        Make(
            "internimage_l",
            image: 384,
            config: new Config(
                ImageSize: (0, 0),
                Dim: 160,
                Depths: [5, 5, 22, 5],
                Groups: [10, 20, 40, 80],
                PostNorm: true,
                LayerScale: 1e-5,
                OffsetScale: 2,
                DropPath: 0.1
            ),
            parameters: 223,
            gmacs: 108,
            top1: 87.7,
            note: "22k, then 1k"
        ),
        Make(
            "internimage_xl",
            image: 384,
            config: new Config(
                ImageSize: (0, 0),
                Dim: 192,
                Depths: [5, 5, 24, 5],
                Groups: [12, 24, 48, 96],
                PostNorm: true,
                LayerScale: 1e-5,
                OffsetScale: 2,
                DropPath: 0.2
            ),
            parameters: 335,
            gmacs: 163,
            top1: 88.0,
            note: "22k, then 1k"
        ),
        Make(
            "internimage_h",
            image: 640,
            config: Large(dim: 320, depths: [6, 6, 32, 6], groups: [10, 20, 40, 80], dropPath: 0.2) with
            {
                ResPostNorm = true,
            },
            parameters: 1089.6,
            gmacs: 1478,
            top1: 89.6,
            note: "427M images jointly, then 1k; 1080 M in the paper"
        ),
        Make(
            "internimage_g",
            image: 512,
            config: Large(dim: 512, depths: [2, 2, 48, 4], groups: [16, 32, 64, 128], dropPath: 0.4) with
            {
                PostNorm = true,
            },
            parameters: 3076.4,
            gmacs: 2700,
            top1: 90.1,
            note: "joint pre-training, then 1k; 3000 M in the paper"
        ),
        Variant.Micro(
            "internimage_micro_32",
            Paper,
            config: new Config(ImageSize: (32, 32), Dim: 32, Depths: [1, 1, 3, 1], Groups: [2, 4, 8, 16], Classes: 10, StemStride: 1),
            create: config => new InternImage(config)
        ),
    ];
}
