using Tessera.Models.Layers;
using Tessera.Nn;

namespace Tessera.Models;

/// <summary>
/// CycleMLP: linear maps over channels, each of which is read from a neighbouring position in turn. Chen et al., "CycleMLP:
/// A MLP-like Architecture for Dense Prediction", 2021, arXiv:2107.10224. Takes images of any size.
/// </summary>
/// <remarks>Names and order of the weights are the authors', the constant <c>offset</c> tables of their checkpoints included.</remarks>
public sealed partial class CycleMlp : StagedMlp<CycleMlp.Config>
{
    /// <summary>Sizes and options.</summary>
    /// <param name="ImageSize">Height and width in pixels.</param>
    /// <param name="Depths">Blocks per stage.</param>
    /// <param name="Dims">Channels per stage.</param>
    /// <param name="MlpRatios">Hidden width of the MLPs over the width, per stage.</param>
    /// <param name="Classes">Number of classes; 0 for no classifier.</param>
    /// <param name="Channels">Channels of the images.</param>
    /// <param name="Dropout">Dropout of the MLPs.</param>
    /// <param name="DropPath">Stochastic depth of the last block.</param>
    /// <param name="Kernel">Positions that the channels are read from in turn, odd.</param>
    /// <param name="StemStride">Stride of the first patches: 4 as published; 2 for images of 32 pixels.</param>
    public sealed record Config(
        (int Height, int Width) ImageSize,
        IReadOnlyList<int> Depths,
        IReadOnlyList<int> Dims,
        IReadOnlyList<double> MlpRatios,
        int Classes = 1000,
        int Channels = 3,
        double Dropout = 0,
        double DropPath = 0,
        int Kernel = 3,
        int StemStride = 4
    ) : StagedMlpConfig(ImageSize, Depths, Dims, MlpRatios, Classes, Channels, Dropout, DropPath);

    /// <summary>A CycleMLP; weights truncated normal 0.02.</summary>
    public CycleMlp(Config config)
        : base(
            config,
            new Strided(config.Channels, config.Dims[0], 7, config.StemStride, (8 - config.StemStride) / 2),
            (stage, _, rate) =>
                TransformerInit.Linears(
                    new MixerBlock(
                        config.Dims[stage],
                        new Mixer(config.Dims[stage], config.Kernel),
                        config.MlpRatios[stage],
                        config.Dropout,
                        rate
                    )
                ),
            stage => new Strided(config.Dims[stage], config.Dims[stage + 1], 3, 2, 1),
            new ChannelNorm(config.Dims[^1])
        ) { }

    /// <summary>A convolution with a stride: the patches, and what halves the map.</summary>
    private sealed partial class Strided(int from, int to, int kernel, int stride, int padding) : Layer
    {
        private readonly Conv2d proj = new(from, to, kernel, stride, padding);

        protected override Tensor Forward(Tensor input) => proj.Call(input);
    }

    /// <summary>Cycled maps along the width and the height and one without, weighed by a gate (section 3.2), [B, H, W, C].</summary>
    private sealed partial class Mixer(int dim, int kernel) : Layer
    {
        private readonly Linear mlpC = new(dim, dim, bias: false);
        private readonly CycleFc sfcH = new(dim, kernel, alongWidth: true);
        private readonly CycleFc sfcW = new(dim, kernel, alongWidth: false);
        private readonly BranchGate reweight = new(dim);
        private readonly Linear proj = new(dim, dim);

        // The authors call the map along the width h.
        protected override Tensor Forward(Tensor input) => proj.Call(reweight.Blend(sfcH.Call(input), sfcW.Call(input), mlpC.Call(input)));
    }

    /// <summary>
    /// A linear map whose channel c is read from (c + K / 2) mod K - K / 2 positions further on (equation 3), [B, H, W, C].
    /// </summary>
    private sealed partial class CycleFc : Layer
    {
        private readonly Parameter weight; // [C, C, 1, 1]
        private readonly Parameter bias; // [C]
        private readonly ModuleBuffer offset; // [1, 2 C, 1, 1], pairs (down, across)
        private readonly int kernel,
            dim;

        public CycleFc(int channels, int kernel, bool alongWidth)
        {
            (this.kernel, dim) = (kernel, alongWidth ? 2 : 1);
            weight = Init.TruncatedNormal(new Parameter([channels, channels, 1, 1]), 0.02);
            bias = Init.Zeros(new Parameter(channels));
            var pairs = new float[2 * channels];
            for (var c = 0; c < channels; c++)
                pairs[2 * c + (alongWidth ? 1 : 0)] = Step(c);
            using var scope = new Scope();
            offset = new ModuleBuffer(Tensor.From(pairs).Reshape(1, 2 * channels, 1, 1), constant: true);
        }

        private int Step(int channel) => (channel + kernel / 2) % kernel - kernel / 2;

        protected override Tensor Forward(Tensor input)
        {
            // Channels of one step are moved together; the columns of the weights are taken in the same order.
            var matrix = weight.Flatten(1);
            var phases = (int)Math.Min(kernel, input.Size(3));
            var moved = Torch.Cat(
                [.. Enumerable.Range(0, phases).Select(r => Shift.Zero(input.Slice(3, r, null, kernel), dim, -Step(r)))],
                3
            );
            var columns = Torch.Cat([.. Enumerable.Range(0, phases).Select(r => matrix.Slice(1, r, null, kernel))], 1);
            return Torch.Linear(moved, columns, bias);
        }
    }

    private static Variant Make(string name, int[] depths, int[] dims, double[] ratios, double parameters, double gmacs, double top1) =>
        new(
            name,
            Paper: "CycleMLP, 2021, arXiv:2107.10224",
            Create: Variant.Configured(
                new Config(ImageSize: (224, 224), Depths: depths, Dims: dims, MlpRatios: ratios, Classes: 1000, DropPath: 0.1),
                config => new CycleMlp(config)
            ),
            ImageSize: 224,
            Parameters: parameters,
            GMacs: gmacs,
            Top1: top1,
            Dataset: "ImageNet-1k",
            Preprocessing: Preprocessing.ImageNet with
            {
                CropRatio = 0.9,
            }
        );

    private static readonly int[] narrow = [64, 128, 320, 512];

    /// <summary>The published sizes.</summary>
    public static IReadOnlyList<Variant> Variants { get; } =
    [
        Make("cyclemlp_b1", depths: [2, 2, 4, 2], dims: narrow, ratios: [4, 4, 4, 4], parameters: 15.16, gmacs: 2.1, top1: 78.9),
        Make("cyclemlp_b2", depths: [2, 3, 10, 3], dims: narrow, ratios: [4, 4, 4, 4], parameters: 26.80, gmacs: 3.9, top1: 81.6),
        Make("cyclemlp_b3", depths: [3, 4, 18, 3], dims: narrow, ratios: [8, 8, 4, 4], parameters: 38.39, gmacs: 6.9, top1: 82.4),
        Make("cyclemlp_b4", depths: [3, 8, 27, 3], dims: narrow, ratios: [8, 8, 4, 4], parameters: 51.80, gmacs: 10.1, top1: 83.0),
        Make(
            "cyclemlp_b5",
            depths: [3, 4, 24, 3],
            dims: [96, 192, 384, 768],
            ratios: [4, 4, 4, 4],
            parameters: 75.75,
            gmacs: 12.3,
            top1: 83.2
        ),
        Variant.Micro(
            "cyclemlp_micro_32",
            "CycleMLP, 2021, arXiv:2107.10224",
            config: new Config(
                ImageSize: (32, 32),
                Depths: [1, 1, 3, 1],
                Dims: [32, 64, 128, 192],
                MlpRatios: [4, 4, 4, 4],
                Classes: 10,
                StemStride: 2
            ),
            create: config => new CycleMlp(config)
        ),
    ];
}
