using Tessera.Models.Layers;
using Tessera.Nn;

namespace Tessera.Models;

/// <summary>
/// AS-MLP: groups of channels are shifted along each axis between convolutions 1 x 1, in a pyramid like Swin's. Lian et al.,
/// "AS-MLP: An Axial Shifted MLP Architecture for Vision", 2021, arXiv:2107.08391. Takes images whose maps can be halved.
/// </summary>
/// <remarks>
/// Names and order of the weights are the authors'. All norms are over channels and positions together (one group), not over
/// the channels of each position.
/// </remarks>
public sealed partial class AsMlp : Backbone<AsMlp.Config>
{
    /// <summary>Sizes and options.</summary>
    /// <param name="ImageSize">Height and width in pixels.</param>
    /// <param name="Dim">Channels of the first level; each further one doubles them.</param>
    /// <param name="Depths">Blocks per level.</param>
    /// <param name="ShiftSize">Positions that the groups of channels are spread over, odd.</param>
    /// <param name="Patch">Side of a patch.</param>
    /// <param name="MlpRatio">Hidden width of the MLP over the width.</param>
    /// <param name="Classes">Number of classes; 0 for no classifier.</param>
    /// <param name="Channels">Channels of the images.</param>
    /// <param name="Dropout">Dropout of the MLPs.</param>
    /// <param name="DropPath">Stochastic depth of the last block.</param>
    public sealed record Config(
        (int Height, int Width) ImageSize,
        int Dim,
        IReadOnlyList<int> Depths,
        int ShiftSize = 5,
        int Patch = 4,
        double MlpRatio = 4,
        int Classes = 1000,
        int Channels = 3,
        double Dropout = 0,
        double DropPath = 0
    ) : RegularizedConfig
    {
        internal int Width(int level) => Dim << level;

        internal int Stride => Patch << (Depths.Count - 1);
    }

    private readonly Patches patchEmbed;
    private readonly ModuleList<Level> layers;
    private readonly MapNorm norm;
    private Linear? head;

    /// <summary>An AS-MLP; the classifier truncated normal 0.02.</summary>
    public AsMlp(Config config)
        : base(config)
    {
        patchEmbed = new Patches(config);
        var rates = Nn.DropPath.Rates(config.DropPath, config.Depths.Sum());
        layers = new(
            Enumerable
                .Range(0, config.Depths.Count)
                .Select(i => new Level(config, i, rates.AsSpan(config.Depths.Take(i).Sum(), config.Depths[i]).ToArray()))
        );
        norm = new MapNorm(NumFeatures);
        head = InitialClassifier();
    }

    /// <inheritdoc/>
    public override int NumFeatures => Options.Width(Options.Depths.Count - 1);

    /// <inheritdoc/>
    public override IReadOnlyList<string> BlockPaths =>
        [.. Options.Depths.SelectMany((depth, i) => Enumerable.Range(0, depth).Select(j => $"layers.{i}.blocks.{j}"))];

    /// <inheritdoc/>
    protected override ref Linear? Classifier => ref head;

    private void CheckSize(long height, long width)
    {
        if (height % Options.Stride != 0 || width % Options.Stride != 0)
            throw new ShapeException($"an image of {height} x {width} does not fit: both sides must be multiples of {Options.Stride}");
    }

    /// <summary>The last map after the final norm, [B, C, H, W].</summary>
    protected override Tensor Features(Tensor input)
    {
        CheckSize(input.Size(2), input.Size(3));
        return norm.Call(layers.Aggregate(patchEmbed.Call(input), (x, level) => level.Call(x)));
    }

    /// <inheritdoc/>
    protected override Tensor Pool(Tensor features) => features.Mean([2, 3]);

    /// <summary>The maps of all levels before their merging, strides 4 to 32.</summary>
    protected override IReadOnlyList<FeatureMap> FeatureMaps(Tensor input)
    {
        var maps = new List<FeatureMap>();
        var x = patchEmbed.Call(input);
        foreach (var (i, level) in layers.Index())
        {
            var map = level.Blocks(x);
            maps.Add(new FeatureMap(map, Options.Patch << i));
            x = level.Merge(map);
        }
        return maps;
    }

    /// <inheritdoc/>
    public override void Resize(int height, int width)
    {
        CheckSize(height, width);
        Options = Options with { ImageSize = (height, width) };
    }

    private sealed partial class Patches(Config config) : Layer
    {
        private readonly Conv2d proj = new(config.Channels, config.Dim, config.Patch, config.Patch);
        private readonly MapNorm norm = new(config.Dim);

        protected override Tensor Forward(Tensor input) => norm.Call(proj.Call(input));
    }

    /// <summary>A norm over channels and positions of a sample, with a scale and shift per channel.</summary>
    private sealed partial class MapNorm(int channels) : Layer, IGlobalGate
    {
        private const double Eps = 1e-5;
        private readonly Parameter weight = Init.Ones(new Parameter(channels));
        private readonly Parameter bias = Init.Zeros(new Parameter(channels));

        public bool Held { get; set; }

        protected override Tensor Forward(Tensor input)
        {
            if (!Held)
                return Torch.GroupNorm(LayerNorm.Widened(input, weight), 1, weight, bias, Eps);
            var fixedInput = input.Detach();
            var mean = fixedInput.Mean([1, 2, 3], keepdim: true);
            var deviation = ((fixedInput - mean).Square().Mean([1, 2, 3], keepdim: true) + Eps).Sqrt();
            return (input - mean) / deviation * weight.Reshape(-1, 1, 1) + bias.Reshape(-1, 1, 1);
        }
    }

    private sealed partial class Level : Layer
    {
        private readonly ModuleList<Block> blocks;
        private readonly Merging? downsample;

        public Level(Config config, int index, double[] rates)
        {
            blocks = new(rates.Select(rate => new Block(config, config.Width(index), rate)));
            if (index < config.Depths.Count - 1)
                downsample = new Merging(config.Width(index));
        }

        protected override Tensor Forward(Tensor input) => Merge(Blocks(input));

        public Tensor Blocks(Tensor x) => blocks.Aggregate(x, (y, block) => block.Call(y));

        public Tensor Merge(Tensor x) => downsample is null ? x : downsample.Call(x);
    }

    /// <summary>Four neighbours side by side in the channels, down each column of the square first.</summary>
    private sealed partial class Merging(int dim) : Layer
    {
        private readonly Conv2d reduction = new(4 * dim, 2 * dim, 1, bias: false);
        private readonly MapNorm norm = new(4 * dim);

        protected override Tensor Forward(Tensor input)
        {
            Tensor At(int row, int column) => input.Slice(2, row, null, 2).Slice(3, column, null, 2);
            return reduction.Call(norm.Call(Torch.Cat([At(0, 0), At(1, 0), At(0, 1), At(1, 1)], 1)));
        }
    }

    private sealed partial class Block : Layer
    {
        private readonly MapNorm norm1;
        private readonly AxialShift axialShift;
        private readonly MapNorm norm2;
        private readonly ConvMlp mlp;
        private readonly DropPath dropPath;

        public Block(Config config, int dim, double dropPath)
        {
            norm1 = new MapNorm(dim);
            axialShift = new AxialShift(dim, config.ShiftSize);
            norm2 = new MapNorm(dim);
            mlp = new ConvMlp(dim, (int)(dim * config.MlpRatio), config.Dropout);
            this.dropPath = new DropPath(dropPath);
        }

        protected override Tensor Forward(Tensor input)
        {
            var x = input + dropPath.Call(axialShift.Call(norm1.Call(input)));
            return x + dropPath.Call(mlp.Call(norm2.Call(x)));
        }
    }

    /// <summary>Shifts along the width and the height side by side (section 3.2), [B, C, H, W].</summary>
    private sealed partial class AxialShift(int dim, int size) : Layer
    {
        private readonly Conv2d conv1 = new(dim, dim, 1);

        [Name("conv2_1")]
        private readonly Conv2d convWidth = new(dim, dim, 1);

        [Name("conv2_2")]
        private readonly Conv2d convHeight = new(dim, dim, 1);
        private readonly Conv2d conv3 = new(dim, dim, 1);
        private readonly MapNorm norm1 = new(dim);
        private readonly MapNorm norm2 = new(dim);

        protected override Tensor Forward(Tensor input)
        {
            var x = norm1.Call(conv1.Call(input)).Gelu();
            return conv3.Call(norm2.Call(convWidth.Call(Spread(x, 3)).Gelu() + convHeight.Call(Spread(x, 2)).Gelu()));
        }

        // Group g of ceil(C / size) channels moves by g - size / 2; the last group may be smaller.
        private Tensor Spread(Tensor x, int along)
        {
            var group = (dim + size - 1) / size;
            return Torch.Cat(
                [
                    .. Enumerable
                        .Range(0, (dim + group - 1) / group)
                        .Select(g => Shift.Zero(x.Slice(1, g * group, Math.Min((g + 1) * group, dim)), along, g - size / 2)),
                ],
                1
            );
        }
    }

    private static Variant Make(string name, int dim, int[] depths, double dropPath, double parameters, double gmacs, double top1) =>
        new(
            name,
            Paper: "AS-MLP, 2021, arXiv:2107.08391",
            Create: Variant.Configured(
                new Config(ImageSize: (224, 224), Dim: dim, Depths: depths, Classes: 1000, DropPath: dropPath),
                config => new AsMlp(config)
            ),
            ImageSize: 224,
            Parameters: parameters,
            GMacs: gmacs,
            Top1: top1,
            Dataset: "ImageNet-1k",
            Preprocessing: Preprocessing.ImageNet
        );

    /// <summary>The published sizes.</summary>
    public static IReadOnlyList<Variant> Variants { get; } =
    [
        Make("asmlp_t", dim: 96, depths: [2, 2, 6, 2], dropPath: 0.2, parameters: 28.28, gmacs: 4.4, top1: 81.3),
        Make("asmlp_s", dim: 96, depths: [2, 2, 18, 2], dropPath: 0.3, parameters: 49.59, gmacs: 8.5, top1: 83.1),
        Make("asmlp_b", dim: 128, depths: [2, 2, 18, 2], dropPath: 0.5, parameters: 87.75, gmacs: 15.2, top1: 83.3),
        Variant.Micro(
            "asmlp_micro_32",
            "AS-MLP, 2021, arXiv:2107.08391",
            config: new Config(ImageSize: (32, 32), Dim: 32, Depths: [1, 1, 3, 1], Patch: 2, Classes: 10),
            create: config => new AsMlp(config)
        ),
    ];
}
