using Tessera.Models.Layers;
using Tessera.Nn;

namespace Tessera.Models;

/// <summary>
/// Vision Permutator: linear maps along the height, along the width and over the channels, weighed by a gate. Hou et al.,
/// "Vision Permutator: A Permutable MLP-Like Architecture for Visual Recognition", 2021, arXiv:2106.12368.
/// </summary>
/// <remarks>
/// The maps along height and width see a side of the map times the channels of one segment. As published every stage has as
/// many segments as its map has rows and columns, so that these are as wide as the channels; other grids work as well.
/// Names and order of the weights are the authors'.
/// </remarks>
public sealed partial class Vip : StagedMlp<Vip.Config>
{
    /// <summary>Sizes and options.</summary>
    /// <param name="ImageSize">Height and width in pixels, multiples of the patch.</param>
    /// <param name="Patch">Side of a patch.</param>
    /// <param name="Depths">Blocks per stage.</param>
    /// <param name="Dims">Channels per stage.</param>
    /// <param name="Segments">Segments of the channels per stage.</param>
    /// <param name="Transitions">Whether the map is halved after a stage.</param>
    /// <param name="MlpRatios">Hidden width of the MLPs over the width, per stage.</param>
    /// <param name="Classes">Number of classes; 0 for no classifier.</param>
    /// <param name="Channels">Channels of the images.</param>
    /// <param name="Dropout">Dropout of the MLPs.</param>
    /// <param name="DropPath">Stochastic depth of the last block.</param>
    public sealed record Config(
        (int Height, int Width) ImageSize,
        int Patch,
        IReadOnlyList<int> Depths,
        IReadOnlyList<int> Dims,
        IReadOnlyList<int> Segments,
        IReadOnlyList<bool> Transitions,
        IReadOnlyList<double> MlpRatios,
        int Classes = 1000,
        int Channels = 3,
        double Dropout = 0,
        double DropPath = 0
    ) : StagedMlpConfig(ImageSize, Depths, Dims, MlpRatios, Classes, Channels, Dropout, DropPath)
    {
        internal (int Height, int Width) Grid(int stage)
        {
            var halvings = Transitions.Take(stage).Count(halved => halved);
            return (ImageSize.Height / Patch >> halvings, ImageSize.Width / Patch >> halvings);
        }
    }

    /// <summary>A ViP; weights truncated normal 0.02.</summary>
    public Vip(Config config)
        : base(
            config,
            new Patches(config),
            (stage, _, rate) => NewBlock(config, stage, rate),
            stage => Transition(config, stage),
            new ChannelNorm(config.Dims[^1])
        )
    {
        CheckSize(config.ImageSize.Height, config.ImageSize.Width);
    }

    private static MixerBlock NewBlock(Config config, int stage, double dropPath)
    {
        if (config.Segments.Count != config.Depths.Count)
            throw new ArgumentException(
                $"{config.Segments.Count} numbers of segments were given for {config.Depths.Count} stages: every stage needs one",
                nameof(config)
            );
        return TransformerInit.Linears(
            new MixerBlock(
                config.Dims[stage],
                new WeightedPermute(config.Dims[stage], config.Segments[stage], config.Grid(stage)),
                config.MlpRatios[stage],
                config.Dropout,
                dropPath
            )
        );
    }

    private static Between? Transition(Config config, int stage)
    {
        if (!config.Transitions[stage] && config.Dims[stage] == config.Dims[stage + 1])
            return null;
        return new Between(config.Dims[stage], config.Dims[stage + 1], config.Transitions[stage] ? 2 : 1);
    }

    private void CheckSize(int height, int width)
    {
        var unit = Options.Patch << Options.Transitions.Take(Options.Depths.Count - 1).Count(halved => halved);
        if (height % unit != 0 || width % unit != 0)
            throw new ShapeException($"an image of {height} x {width} does not fit: both sides must be multiples of {unit}");
    }

    /// <inheritdoc/>
    protected override Tensor Features(Tensor input)
    {
        ExpectOwnSize(input, ", which is an approximation here");
        return base.Features(input);
    }

    /// <summary>
    /// Takes images of another size from now on. The maps along height and width are resampled linearly, which is an
    /// approximation: expect a loss of accuracy.
    /// </summary>
    /// <exception cref="ShapeException">The size does not divide into patches and their halvings.</exception>
    public override void Resize(int height, int width)
    {
        CheckSize(height, width);
        base.Resize(height, width);
        foreach (var (stage, block) in AllBlocks)
        foreach (var permute in block.NamedModules().Select(m => m.Module).OfType<WeightedPermute>())
            permute.Resize(Options.Grid(stage));
    }

    /// <summary>A convolution of patches that stays a map.</summary>
    private sealed partial class Patches(Config config) : Layer
    {
        private readonly Conv2d proj = new(config.Channels, config.Dims[0], config.Patch, config.Patch);

        protected override Tensor Forward(Tensor input) => proj.Call(input);
    }

    /// <summary>Patches of 2 x 2 between two stages, or only another width.</summary>
    private sealed partial class Between(int from, int to, int factor) : Layer
    {
        private readonly Conv2d proj = new(from, to, factor, factor);

        protected override Tensor Forward(Tensor input) => proj.Call(input);
    }

    /// <summary>The weighted Permute-MLP (section 3.2), [B, H, W, C] to the same.</summary>
    private sealed partial class WeightedPermute : Layer
    {
        private readonly Linear mlpC;
        private Linear mlpH;
        private Linear mlpW;
        private readonly BranchGate reweight;
        private readonly Linear proj;
        private readonly int segments,
            width;
        private (int Height, int Width) grid;

        public WeightedPermute(int dim, int segments, (int Height, int Width) grid)
        {
            if (dim % segments != 0)
                throw new ArgumentException($"the {dim} channels must be a multiple of the {segments} segments", nameof(segments));
            (this.segments, width, this.grid) = (segments, dim / segments, grid);
            mlpC = new Linear(dim, dim, bias: false);
            mlpH = new Linear(grid.Height * width, grid.Height * width, bias: false);
            mlpW = new Linear(grid.Width * width, grid.Width * width, bias: false);
            reweight = new BranchGate(dim);
            proj = new Linear(dim, dim);
        }

        protected override Tensor Forward(Tensor input)
        {
            var (batch, height, columns, dim) = input.Shape;
            var segmented = input.Reshape(batch, height, columns, segments, width);
            var h = mlpH.Call(segmented.Permute(0, 3, 2, 1, 4).Reshape(batch, segments, columns, height * width))
                .Reshape(batch, segments, columns, height, width)
                .Permute(0, 3, 2, 1, 4)
                .Reshape(batch, height, columns, dim);
            var w = mlpW.Call(segmented.Permute(0, 1, 3, 2, 4).Reshape(batch, height, segments, columns * width))
                .Reshape(batch, height, segments, columns, width)
                .Permute(0, 1, 3, 2, 4)
                .Reshape(batch, height, columns, dim);
            return proj.Call(reweight.Blend(h, w, mlpC.Call(input)));
        }

        public void Resize((int Height, int Width) to)
        {
            mlpH = Resample(mlpH, grid.Height, to.Height);
            mlpW = Resample(mlpW, grid.Width, to.Width);
            grid = to;
        }

        // Sides first, the channels of a segment inside: each pair of channels has a map over the side of its own.
        private Linear Resample(Linear linear, int from, int to)
        {
            if (from == to)
                return linear;
            using var scope = new Scope();
            using var outside = Torch.NoGrad();
            var maps = linear.Weight.Reshape(from, width, from, width).Permute(1, 3, 0, 2); // [s, s, out, in]
            var resized = maps.UpsampleBilinear2d((to, to), false) * ((double)from / to);
            Linear result;
            using (Init.Skip())
                result = new Linear(to * width, to * width, bias: false);
            result.To(linear.Weight.Device, linear.Weight.DType);
            result.Weight.Copy_(resized.Permute(2, 0, 3, 1).Reshape(to * width, to * width));
            return result;
        }
    }

    private static Variant Make(string name, Config config, double parameters, double? gmacs, double? top1) =>
        new(
            name,
            Paper: "Vision Permutator, 2021, arXiv:2106.12368",
            Create: Variant.Configured(config with { DropPath = 0.1 }, config => new Vip(config)),
            ImageSize: 224,
            Parameters: parameters,
            GMacs: gmacs,
            Top1: top1,
            Dataset: "ImageNet-1k",
            Preprocessing: Preprocessing.ImageNet
        );

    private static Config Sizes(int patch, int[] depths, int[] dims, int[] segments, int transition) =>
        new(
            ImageSize: (224, 224),
            Patch: patch,
            Depths: depths,
            Dims: dims,
            Segments: segments,
            Transitions: [.. Enumerable.Range(0, 4).Select(i => i == transition)],
            MlpRatios: [3, 3, 3, 3]
        );

    /// <summary>The published sizes.</summary>
    public static IReadOnlyList<Variant> Variants { get; } =
    [
        Make(
            "vip_s14",
            config: Sizes(patch: 14, depths: [4, 3, 8, 3], dims: [384, 384, 384, 384], segments: [16, 16, 16, 16], transition: -1),
            parameters: 29.9,
            gmacs: null,
            top1: null
        ),
        Make(
            "vip_s7",
            config: Sizes(patch: 7, depths: [4, 3, 8, 3], dims: [192, 384, 384, 384], segments: [32, 16, 16, 16], transition: 0),
            parameters: 25.11,
            gmacs: 6.9,
            top1: 81.5
        ),
        Make(
            "vip_m7",
            config: Sizes(patch: 7, depths: [4, 3, 14, 3], dims: [256, 256, 512, 512], segments: [32, 32, 16, 16], transition: 1),
            parameters: 55.27,
            gmacs: 16.3,
            top1: 82.7
        ),
        Make(
            "vip_l7",
            config: Sizes(patch: 7, depths: [8, 8, 16, 4], dims: [256, 512, 512, 512], segments: [32, 16, 16, 16], transition: 0),
            parameters: 87.78,
            gmacs: 24.4,
            top1: 83.2
        ),
        Variant.Micro(
            "vip_micro_32",
            "Vision Permutator, 2021, arXiv:2106.12368",
            config: new Config(
                ImageSize: (32, 32),
                Patch: 4,
                Depths: [2, 4],
                Dims: [96, 192],
                Segments: [8, 4],
                Transitions: [true, false],
                MlpRatios: [3, 3],
                Classes: 10
            ),
            create: config => new Vip(config)
        ),
    ];
}
