using Tessera.Models.Layers;
using Tessera.Nn;

namespace Tessera.Models;

/// <summary>
/// S2-MLP: channels are moved one position up, down, left or right between two linear maps, and nothing else mixes positions.
/// Yu et al., "S2-MLP: Spatial-Shift MLP Architecture for Vision", 2021, arXiv:2106.07477, and "S2-MLPv2", 2021,
/// arXiv:2108.01072. Takes images of any size that divides into patches.
/// </summary>
/// <remarks>
/// The authors published no code; names are ours. In the split attention of version 2 the hidden width is a quarter of the
/// channels, which gives the published number of parameters. Shifts read the unshifted tensor: in-place versions smear.
/// </remarks>
public sealed partial class S2Mlp : Backbone<S2Mlp.Config>
{
    /// <summary>Sizes and options.</summary>
    /// <param name="ImageSize">Height and width in pixels.</param>
    /// <param name="Patches">Side of the patches that each stage starts with.</param>
    /// <param name="Dims">Channels per stage.</param>
    /// <param name="Depths">Blocks per stage.</param>
    /// <param name="MlpRatios">Hidden width of the MLPs over the width, per stage.</param>
    /// <param name="Second">Version 2: three branches with split attention.</param>
    /// <param name="Classes">Number of classes; 0 for no classifier.</param>
    /// <param name="Channels">Channels of the images.</param>
    /// <param name="Dropout">Dropout of the MLPs.</param>
    /// <param name="DropPath">Stochastic depth of the last block.</param>
    public sealed record Config(
        (int Height, int Width) ImageSize,
        IReadOnlyList<int> Patches,
        IReadOnlyList<int> Dims,
        IReadOnlyList<int> Depths,
        IReadOnlyList<double> MlpRatios,
        bool Second,
        int Classes = 1000,
        int Channels = 3,
        double Dropout = 0,
        double DropPath = 0
    ) : RegularizedConfig
    {
        internal int Stride => Patches.Aggregate(1, (product, patch) => product * patch);
    }

    private readonly ModuleList<Stage> stages;
    private Linear? head;

    /// <summary>An S2-MLP; weights truncated normal 0.02.</summary>
    public S2Mlp(Config config)
        : base(config)
    {
        if (
            config.Dims.Count != config.Depths.Count
            || config.Patches.Count != config.Depths.Count
            || config.MlpRatios.Count != config.Depths.Count
        )
            throw new ArgumentException("Patches, Dims, Depths and MlpRatios must have one value per stage", nameof(config));
        var rates = Nn.DropPath.Rates(config.DropPath, config.Depths.Sum());
        stages = new(
            Enumerable
                .Range(0, config.Depths.Count)
                .Select(i => new Stage(config, i, rates.AsSpan(config.Depths.Take(i).Sum(), config.Depths[i]).ToArray()))
        );
        head = InitialClassifier();
    }

    /// <inheritdoc/>
    public override int NumFeatures => Options.Dims[^1];

    /// <inheritdoc/>
    public override IReadOnlyList<string> BlockPaths =>
        [.. Options.Depths.SelectMany((depth, i) => Enumerable.Range(0, depth).Select(j => $"stages.{i}.blocks.{j}"))];

    /// <inheritdoc/>
    protected override ref Linear? Classifier => ref head;

    /// <summary>The last map, [B, C, H, W]; there is no final norm.</summary>
    protected override Tensor Features(Tensor input)
    {
        var (height, width) = (input.Size(2), input.Size(3));
        if (height % Options.Stride != 0 || width % Options.Stride != 0)
            throw new ShapeException($"an image of {height} x {width} does not fit: both sides must be multiples of {Options.Stride}");
        return stages.Aggregate(input, (x, stage) => stage.Call(x));
    }

    /// <inheritdoc/>
    protected override Tensor Pool(Tensor features) => features.Mean([2, 3]);

    /// <inheritdoc/>
    protected override IReadOnlyList<FeatureMap> FeatureMaps(Tensor input)
    {
        var maps = new List<FeatureMap>();
        var (x, stride) = (input, 1);
        foreach (var (i, stage) in stages.Index())
        {
            x = stage.Call(x);
            maps.Add(new FeatureMap(x, stride *= Options.Patches[i]));
        }
        return maps;
    }

    /// <inheritdoc/>
    public override void Resize(int height, int width)
    {
        if (height % Options.Stride != 0 || width % Options.Stride != 0)
            throw new ShapeException($"an image of {height} x {width} does not fit: both sides must be multiples of {Options.Stride}");
        Options = Options with { ImageSize = (height, width) };
    }

    private sealed partial class Stage : Layer
    {
        private readonly Conv2d embed;
        private readonly ModuleList<Block> blocks;

        public Stage(Config config, int index, double[] rates)
        {
            var (dim, patch) = (config.Dims[index], config.Patches[index]);
            embed = new Conv2d(index == 0 ? config.Channels : config.Dims[index - 1], dim, patch, patch);
            blocks = new(rates.Select(rate => new Block(dim, config.MlpRatios[index], config.Second, config.Dropout, rate)));
        }

        protected override Tensor Forward(Tensor input) => blocks.Aggregate(embed.Call(input), (x, block) => block.Call(x));
    }

    /// <summary>Shift module and MLP with residuals, [B, C, H, W] as a view of [B, H, W, C].</summary>
    private sealed partial class Block : Layer
    {
        private readonly LayerNorm norm1;
        private readonly Layer mix;
        private readonly LayerNorm norm2;
        private readonly Mlp mlp;
        private readonly DropPath dropPath;

        public Block(int dim, double ratio, bool second, double dropout, double dropPath)
        {
            norm1 = new LayerNorm(dim);
            mix = second ? new SplitShift(dim) : new PlainShift(dim);
            norm2 = new LayerNorm(dim);
            mlp = new Mlp(dim, (int)(dim * ratio), dropout);
            this.dropPath = new DropPath(dropPath);
            TransformerInit.Linears(this);
        }

        protected override Tensor Forward(Tensor input)
        {
            var x = input.Permute(0, 2, 3, 1);
            x = x + dropPath.Call(mix.Call(norm1.Call(x)));
            x = x + dropPath.Call(mlp.Call(norm2.Call(x)));
            return x.Permute(0, 3, 1, 2);
        }
    }

    /// <summary>Version 1 (algorithm 1): linear, GELU, shift, linear.</summary>
    private sealed partial class PlainShift(int dim) : Layer
    {
        private readonly Linear fc1 = new(dim, dim);
        private readonly Linear fc2 = new(dim, dim);

        protected override Tensor Forward(Tensor input) => fc2.Call(SpatialShift(fc1.Call(input).Gelu(), 1, 2));
    }

    /// <summary>Version 2 (section 3.2): three parts, two of them shifted, joined by split attention.</summary>
    private sealed partial class SplitShift(int dim) : Layer, IGlobalGate
    {
        private readonly Linear fc1 = new(dim, 3 * dim);
        private readonly Linear fc2 = new(dim, dim);
        private readonly Linear split1 = new(dim, dim / 4, bias: false);
        private readonly Linear split2 = new(dim / 4, 3 * dim, bias: false);

        public bool Held { get; set; }

        protected override Tensor Forward(Tensor input) // [B, H, W, C]
        {
            var parts = fc1.Call(input).Chunk(3, -1);
            var branches = Torch.Stack([SpatialShift(parts[0], 1, 2), SpatialShift(parts[1], 2, 1), parts[2]], 1); // [B, 3, H, W, C]
            var sum = branches.Sum([1, 2, 3]); // over the positions: not their mean
            if (Held)
                sum = sum.Detach();
            var weights = split2.Call(split1.Call(sum).Gelu()).Reshape(-1, 3, 1, 1, dim).Softmax(1);
            return fc2.Call((branches * weights).Sum(1));
        }
    }

    // Quarters of the channels move one position each way along the first dimension, then along the second; the last takes the rest.
    private static Tensor SpatialShift(Tensor x, int first, int second)
    {
        var quarter = x.Size(3) / 4;
        return Torch.Cat(
            [
                Shift.Keep(x.Slice(3, 0, quarter), first, 1),
                Shift.Keep(x.Slice(3, quarter, 2 * quarter), first, -1),
                Shift.Keep(x.Slice(3, 2 * quarter, 3 * quarter), second, 1),
                Shift.Keep(x.Slice(3, 3 * quarter), second, -1),
            ],
            3
        );
    }

    private static Variant Make(
        string name,
        int[] patches,
        int[] dims,
        int[] depths,
        double ratio,
        bool second,
        double parameters,
        double gmacs,
        double top1,
        string? note = null
    ) =>
        new(
            name,
            Paper: second ? "S2-MLPv2, 2021, arXiv:2108.01072" : "S2-MLP, 2021, arXiv:2106.07477",
            Create: Variant.Configured(
                new Config(
                    ImageSize: (224, 224),
                    Patches: patches,
                    Dims: dims,
                    Depths: depths,
                    MlpRatios: [.. dims.Select(_ => ratio)],
                    Second: second,
                    Classes: 1000,
                    DropPath: 0.1
                ),
                config => new S2Mlp(config)
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
        Make(
            "s2mlp_wide",
            patches: [16],
            dims: [768],
            depths: [12],
            ratio: 4,
            second: false,
            parameters: 72.2,
            gmacs: 14,
            top1: 80.0,
            note: "71 M in the paper"
        ),
        Make(
            "s2mlp_deep",
            patches: [16],
            dims: [384],
            depths: [36],
            ratio: 4,
            second: false,
            parameters: 53.9,
            gmacs: 10.5,
            top1: 80.7,
            note: "51 M in the paper"
        ),
        Make(
            "s2mlpv2_small_7",
            patches: [7, 2],
            dims: [192, 384],
            depths: [4, 14],
            ratio: 3,
            second: true,
            parameters: 25.1,
            gmacs: 6.9,
            top1: 82.0
        ),
        Make(
            "s2mlpv2_medium_7",
            patches: [7, 2],
            dims: [256, 512],
            depths: [7, 17],
            ratio: 3,
            second: true,
            parameters: 55,
            gmacs: 16.3,
            top1: 83.6
        ),
        Variant.Micro(
            "s2mlp_micro_32",
            "S2-MLP, 2021, arXiv:2106.07477",
            config: new Config(ImageSize: (32, 32), Patches: [4], Dims: [128], Depths: [8], MlpRatios: [4], Second: false, Classes: 10),
            create: config => new S2Mlp(config)
        ),
        Variant.Micro(
            "s2mlpv2_micro_32",
            "S2-MLPv2, 2021, arXiv:2108.01072",
            config: new Config(
                ImageSize: (32, 32),
                Patches: [4, 2],
                Dims: [96, 192],
                Depths: [2, 4],
                MlpRatios: [3, 3],
                Second: true,
                Classes: 10
            ),
            create: config => new S2Mlp(config)
        ),
    ];
}
