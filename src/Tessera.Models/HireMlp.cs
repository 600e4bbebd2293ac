using Tessera.Models.Layers;
using Tessera.Nn;

namespace Tessera.Models;

/// <summary>How Hire-MLP fills what lies beyond the border of the map.</summary>
public enum HirePadding
{
    /// <summary>With the opposite side.</summary>
    Circular,

    /// <summary>With zeros.</summary>
    Zero,

    /// <summary>With the outermost position.</summary>
    Replicate,
}

/// <summary>
/// Hire-MLP: MLPs inside of regions of the map, and a circular shift that lets regions meet. Guo et al., "Hire-MLP: Vision MLP
/// via Hierarchical Rearrangement", 2021, arXiv:2108.13341. Takes images of any size.
/// </summary>
/// <remarks>Names and order of the weights are the authors'.</remarks>
public sealed partial class HireMlp : StagedMlp<HireMlp.Config>
{
    /// <summary>Sizes and options.</summary>
    /// <param name="ImageSize">Height and width in pixels.</param>
    /// <param name="Depths">Blocks per stage.</param>
    /// <param name="Dims">Channels per stage.</param>
    /// <param name="MlpRatios">Hidden width of the MLPs over the width, per stage.</param>
    /// <param name="Regions">Side of a region per stage.</param>
    /// <param name="StepStrides">A block's index in its stage modulo this is its number of steps; per stage.</param>
    /// <param name="StepDilations">Positions per step, per stage.</param>
    /// <param name="StepPadding">What a shift brings in: <see cref="HirePadding.Circular"/> or <see cref="HirePadding.Zero"/>, which is not
    /// undone later.</param>
    /// <param name="RegionPadding">What completes the last region.</param>
    /// <param name="Classes">Number of classes; 0 for no classifier.</param>
    /// <param name="Channels">Channels of the images.</param>
    /// <param name="Dropout">Dropout of the MLPs.</param>
    /// <param name="DropPath">Stochastic depth of the last block.</param>
    /// <param name="StemStride">Stride of the first patches: 4 as published; 2 for images of 32 pixels.</param>
    public sealed record Config(
        (int Height, int Width) ImageSize,
        IReadOnlyList<int> Depths,
        IReadOnlyList<int> Dims,
        IReadOnlyList<double> MlpRatios,
        IReadOnlyList<int> Regions,
        IReadOnlyList<int> StepStrides,
        IReadOnlyList<int> StepDilations,
        HirePadding StepPadding = HirePadding.Circular,
        HirePadding RegionPadding = HirePadding.Circular,
        int Classes = 1000,
        int Channels = 3,
        double Dropout = 0,
        double DropPath = 0,
        int StemStride = 4
    ) : StagedMlpConfig(ImageSize, Depths, Dims, MlpRatios, Classes, Channels, Dropout, DropPath);

    /// <summary>A Hire-MLP.</summary>
    public HireMlp(Config config)
        : base(
            config,
            new Strided(config.Channels, config.Dims[0], 7, config.StemStride, (8 - config.StemStride) / 2),
            (stage, j, rate) => new Block(config, stage, j, rate),
            stage => new Strided(config.Dims[stage], config.Dims[stage + 1], 3, 2, 1),
            new BatchNorm(config.Dims[^1])
        )
    {
        if (config.StepPadding == HirePadding.Replicate)
            throw new ArgumentException("StepPadding must be Circular or Zero", nameof(config));
    }

    /// <summary>Convolution with a stride, batch norm, ReLU: the patches, and what halves the map.</summary>
    private sealed partial class Strided(int from, int to, int kernel, int stride, int padding) : Layer
    {
        private readonly Conv2d proj = new(from, to, kernel, stride, padding);
        private readonly BatchNorm norm = new(to);

        protected override Tensor Forward(Tensor input) => norm.Call(proj.Call(input)).Relu();
    }

    /// <summary>x + rearrangement(norm(x)), then x + MLP(norm(x)), [B, C, H, W].</summary>
    private sealed partial class Block : Layer
    {
        private readonly BatchNorm norm1;
        private readonly Rearrangement attn;
        private readonly BatchNorm norm2;
        private readonly ConvMlp mlp;
        private readonly DropPath dropPath;

        public Block(Config config, int stage, int index, double dropPath)
        {
            var dim = config.Dims[stage];
            norm1 = new BatchNorm(dim);
            attn = new Rearrangement(
                dim,
                config.Regions[stage],
                index % config.StepStrides[stage] * config.StepDilations[stage],
                config.StepPadding,
                config.RegionPadding
            );
            norm2 = new BatchNorm(dim);
            mlp = new ConvMlp(dim, (int)(dim * config.MlpRatios[stage]), config.Dropout);
            this.dropPath = new DropPath(dropPath);
        }

        protected override Tensor Forward(Tensor input)
        {
            var x = input + dropPath.Call(attn.Call(norm1.Call(input)));
            return x + dropPath.Call(mlp.Call(norm2.Call(x)));
        }
    }

    /// <summary>Inner-region and cross-region rearrangement along both axes (sections 3.2 and 3.3).</summary>
    private sealed partial class Rearrangement : Layer
    {
        [Name("mlp_h1")]
        private readonly Conv2d innerHeight;

        [Name("mlp_h1_norm")]
        private readonly BatchNorm innerHeightNorm;

        [Name("mlp_h2")]
        private readonly Conv2d outerHeight;

        [Name("mlp_w1")]
        private readonly Conv2d innerWidth;

        [Name("mlp_w1_norm")]
        private readonly BatchNorm innerWidthNorm;

        [Name("mlp_w2")]
        private readonly Conv2d outerWidth;
        private readonly Conv2d mlpC;
        private readonly BranchGate reweight;
        private readonly Conv2d proj;
        private readonly int region,
            step;
        private readonly HirePadding stepPadding,
            regionPadding;

        public Rearrangement(int dim, int region, int step, HirePadding stepPadding, HirePadding regionPadding)
        {
            (this.region, this.step, this.stepPadding, this.regionPadding) = (region, step, stepPadding, regionPadding);
            innerHeight = new Conv2d(dim * region, dim / 2, 1, bias: false);
            innerHeightNorm = new BatchNorm(dim / 2);
            outerHeight = new Conv2d(dim / 2, dim * region, 1);
            innerWidth = new Conv2d(dim * region, dim / 2, 1, bias: false);
            innerWidthNorm = new BatchNorm(dim / 2);
            outerWidth = new Conv2d(dim / 2, dim * region, 1);
            mlpC = new Conv2d(dim, dim, 1);
            reweight = new BranchGate(dim, channelsFirst: true);
            proj = new Conv2d(dim, dim, 1);
        }

        protected override Tensor Forward(Tensor input) // [B, C, H, W]
        {
            var h = Along(input, 2, region => outerHeight.Call(innerHeightNorm.Call(innerHeight.Call(region)).Relu()));
            var w = Along(input, 3, region => outerWidth.Call(innerWidthNorm.Call(innerWidth.Call(region)).Relu()));
            return proj.Call(reweight.Blend(h, w, mlpC.Call(input)));
        }

        private Tensor Along(Tensor input, int dim, Func<Tensor, Tensor> mlp)
        {
            var size = input.Size(dim);
            var x =
                step == 0 ? input
                : stepPadding == HirePadding.Circular ? input.Roll(step, dim)
                : Shift.Zero(input, dim, step);
            var padded = (size + region - 1) / region * region;
            x = Complete(x, dim, padded);
            var (batch, channels, height, width) = x.Shape;
            // The positions of a region become channels: [B, C p, H / p, W], or along the width.
            if (dim == 2)
            {
                x = mlp(
                    x.Reshape(batch, channels, height / region, region, width)
                        .Permute(0, 1, 3, 2, 4)
                        .Reshape(batch, channels * region, height / region, width)
                );
                x = x.Reshape(batch, channels, region, height / region, width).Permute(0, 1, 3, 2, 4);
            }
            else
            {
                x = mlp(
                    x.Reshape(batch, channels, height, width / region, region)
                        .Permute(0, 1, 4, 2, 3)
                        .Reshape(batch, channels * region, height, width / region)
                );
                x = x.Reshape(batch, channels, region, height, width / region).Permute(0, 1, 3, 4, 2);
            }
            x = x.Reshape(batch, channels, height, width).Slice(dim, 0, size);
            return step > 0 && stepPadding == HirePadding.Circular ? x.Roll(-step, dim) : x;
        }

        private Tensor Complete(Tensor x, int dim, long padded)
        {
            var size = x.Size(dim);
            if (padded == size)
                return x;
            if (regionPadding == HirePadding.Zero)
                return x.ConstantPadNd(dim == 2 ? [0, 0, 0, padded - size] : [0, padded - size], 0);
            var positions = Torch.Arange(padded, dtype: DType.Int64, device: x.Device);
            return x.IndexSelect(dim, regionPadding == HirePadding.Circular ? positions.Remainder(size) : positions.ClampMax(size - 1));
        }
    }

    private static Variant Make(
        string name,
        int[] depths,
        int[] dims,
        double dropPath,
        double parameters,
        double gmacs,
        double top1,
        string? note = null
    ) =>
        new(
            name,
            Paper: "Hire-MLP, 2021, arXiv:2108.13341",
            Create: Variant.Configured(
                new Config(
                    ImageSize: (224, 224),
                    Depths: depths,
                    Dims: dims,
                    MlpRatios: [4, 4, 4, 4],
                    Regions: [4, 3, 3, 2],
                    StepStrides: [2, 2, 3, 2],
                    StepDilations: [2, 2, 1, 1],
                    Classes: 1000,
                    DropPath: dropPath
                ),
                config => new HireMlp(config)
            ),
            ImageSize: 224,
            Parameters: parameters,
            GMacs: gmacs,
            Top1: top1,
            Dataset: "ImageNet-1k",
            Preprocessing: Preprocessing.ImageNet with
            {
                CropRatio = 0.9,
            },
            Note: note
        );

    private static readonly int[] narrow = [64, 128, 320, 512];

    /// <summary>The published sizes.</summary>
    public static IReadOnlyList<Variant> Variants { get; } =
    [
        Make(
            "hiremlp_tiny",
            depths: [2, 2, 4, 2],
            dims: narrow,
            dropPath: 0,
            parameters: 18.04,
            gmacs: 2.14,
            top1: 79.7,
            note: "2.1 GMACs in the paper"
        ),
        Make("hiremlp_small", depths: [3, 4, 10, 3], dims: narrow, dropPath: 0, parameters: 33.11, gmacs: 4.2, top1: 82.1),
        Make("hiremlp_base", depths: [4, 6, 24, 3], dims: narrow, dropPath: 0.2, parameters: 58.23, gmacs: 8.1, top1: 83.2),
        Make("hiremlp_large", depths: [4, 6, 24, 3], dims: [96, 192, 384, 768], dropPath: 0.2, parameters: 95.72, gmacs: 13.4, top1: 83.8),
        Variant.Micro(
            "hiremlp_micro_32",
            "Hire-MLP, 2021, arXiv:2108.13341",
            config: new Config(
                ImageSize: (32, 32),
                Depths: [1, 1, 3, 1],
                Dims: [32, 64, 128, 192],
                MlpRatios: [4, 4, 4, 4],
                Regions: [4, 3, 2, 2],
                StepStrides: [2, 2, 3, 2],
                StepDilations: [2, 2, 1, 1],
                Classes: 10,
                StemStride: 2
            ),
            create: config => new HireMlp(config)
        ),
    ];
}
