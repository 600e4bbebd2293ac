using Tessera.Models.Layers;
using Tessera.Nn;

namespace Tessera.Models;

/// <summary>
/// NFNet-F: residual networks without batch norms, whose convolutions standardise their weights and whose blocks keep track of the
/// variance instead. Brock et al., "High-Performance Large-Scale Image Recognition Without Normalization", 2021, arXiv:2102.06171.
/// </summary>
/// <remarks>
/// NFNet-F6 at 576 pixels annotated ImageNet for LV-ViT (Jiang et al., 2021, arXiv:2104.10858). Names and order of the weights are
/// those of timm's networks that take the authors' weights (<c>dm_nfnet_f*</c>).
/// </remarks>
public sealed partial class NfNet : StagedMaps<NfNet.Config>
{
    /// <summary>Sizes and options.</summary>
    /// <param name="ImageSize">Height and width in pixels; any size runs.</param>
    /// <param name="Depths">Blocks of each stage.</param>
    /// <param name="Widths">Channels of each stage, twice a multiple of a group's; the classifier sees twice those of the last.</param>
    /// <param name="Classes">Number of classes; 0 for no classifier.</param>
    /// <param name="Channels">Channels of the images.</param>
    /// <param name="StemWidth">Channels after the four first convolutions, a multiple of 8.</param>
    /// <param name="StemStride">Stride of the first convolution: 2 as published; 1 for images of 32 pixels.</param>
    /// <param name="GroupWidth">Channels of a group of the 3 x 3 convolutions.</param>
    /// <param name="Alpha">Factor of the residual branches, which adds its square to the variance.</param>
    /// <param name="Eps">Added to the variance of weights.</param>
    /// <param name="Dropout">Dropout before the classifier.</param>
    /// <param name="DropPath">Stochastic depth of the last block.</param>
    public sealed record Config(
        (int Height, int Width) ImageSize,
        IReadOnlyList<int> Depths,
        IReadOnlyList<int> Widths,
        int Classes = 1000,
        int Channels = 3,
        int StemWidth = 128,
        int StemStride = 2,
        int GroupWidth = 128,
        double Alpha = 0.2,
        double Eps = 1e-5,
        double Dropout = 0.2,
        double DropPath = 0.25
    ) : RegularizedConfig;

    private readonly Sequential stem;
    private readonly ModuleList<Sequential> stages;
    private readonly Convolution finalConv;
    private readonly DropoutHead head;

    /// <summary>A network with timm's initialisation: convolutions normal over their inputs, every residual branch closed.</summary>
    /// <exception cref="ArgumentException">Depths and widths of different numbers of stages, or a width that does not divide into
    /// groups.</exception>
    public NfNet(Config config)
        : base(config)
    {
        if (config.Depths.Count != config.Widths.Count)
            throw new ArgumentException(
                $"{config.Depths.Count} depths and {config.Widths.Count} widths were given: every stage needs one of each",
                nameof(config)
            );
        if (config.Widths.FirstOrDefault(width => width % (2 * config.GroupWidth) != 0) is var odd and not 0)
            throw new ArgumentException(
                $"half of the width {odd} must be a multiple of the group width {config.GroupWidth}",
                nameof(config)
            );
        stem = Stem(config);
        var rates = Nn.DropPath.Rates(config.DropPath, config.Depths.Sum());
        var (made, inputs, variance) = (new List<Sequential>(), config.StemWidth, 1.0);
        foreach (var (i, depth) in config.Depths.Index())
        {
            var blocks = new Block[depth];
            for (var j = 0; j < depth; j++)
            {
                blocks[j] = new Block(
                    config,
                    inputs,
                    config.Widths[i],
                    j == 0 && i > 0 ? 2 : 1,
                    1 / Math.Sqrt(variance),
                    rates[config.Depths.Take(i).Sum() + j]
                );
                // The first block of a stage has no shortcut around its activation: the variance begins anew.
                variance = (j == 0 ? 1 : variance) + config.Alpha * config.Alpha;
                inputs = config.Widths[i];
            }
            made.Add(new Sequential(blocks));
        }
        stages = new(made);
        finalConv = new Convolution(config, inputs, NumFeatures, 1);
        head = new DropoutHead("fc", config.Dropout, InitialClassifier());
        foreach (var (_, module) in NamedModules())
            if (module is Conv2d conv)
            {
                Init.KaimingNormal(conv.Weight, gain: 1);
                Init.Zeros(conv.Bias!);
            }
    }

    private static Sequential Stem(Config config)
    {
        int[] widths = [config.StemWidth / 8, config.StemWidth / 4, config.StemWidth / 2, config.StemWidth];
        var layers = new List<(string, Layer)>();
        var inputs = config.Channels;
        foreach (var (i, width) in widths.Index())
        {
            if (i > 0)
                layers.Add(($"act{i + 1}", new Activation()));
            layers.Add(
                (
                    $"conv{i + 1}",
                    new Convolution(
                        config,
                        inputs,
                        width,
                        3,
                        i switch
                        {
                            0 => config.StemStride,
                            3 => 2,
                            _ => 1,
                        }
                    )
                )
            );
            inputs = width;
        }
        return new Sequential(layers);
    }

    /// <inheritdoc/>
    protected override int FirstStride => 2 * Options.StemStride;

    /// <inheritdoc/>
    public override int NumFeatures => 2 * Options.Widths[^1];

    /// <inheritdoc/>
    public override IReadOnlyList<string> BlockPaths =>
        [.. Options.Depths.SelectMany((depth, i) => Enumerable.Range(0, depth).Select(j => $"stages.{i}.{j}"))];

    /// <inheritdoc/>
    protected override ref Linear? Classifier => ref head.Linear;

    /// <inheritdoc/>
    protected override string ClassifierPath => "head.fc";

    /// <inheritdoc/>
    protected override Linear NewClassifier(int classes)
    {
        var linear = new Linear(NumFeatures, classes);
        Init.Normal(linear.Weight, 0.01);
        Init.Zeros(linear.Bias!);
        return linear;
    }

    /// <summary>Gains get no weight decay, although those of convolutions have four dimensions.</summary>
    public override bool NoWeightDecay(string name) => name.EndsWith("gain", StringComparison.Ordinal);

    /// <summary>The stages, strides 4 to 32; the last one is what the classifier's 1 x 1 convolution makes of it.</summary>
    protected override IEnumerable<Tensor> Maps(Tensor image)
    {
        var x = stem.Call(image);
        foreach (var (i, stage) in stages.Index())
        {
            x = stage.Call(x);
            yield return i + 1 < stages.Count ? x : Activation.Of(finalConv.Call(x));
        }
    }

    /// <inheritdoc/>
    protected override Tensor Classify(Tensor pooled) => head.Call(pooled);

    /// <summary>GELU, times a number that keeps the variance of normal inputs at 1.</summary>
    private sealed class Activation : Layer
    {
        public static Tensor Of(Tensor input) => input.Gelu() * 1.7015043497085571;

        protected override Tensor Forward(Tensor input) => Of(input);
    }

    /// <summary>
    /// A convolution whose weights have mean 0 and variance gain^2 / fan-in per output (section 2, scaled weight standardisation). Where a
    /// stride leaves an odd number of zeros to be added, there is one more below and to the right, as in TensorFlow.
    /// </summary>
    private sealed partial class Convolution : Layer
    {
        private readonly Parameter weight; // [out, in / groups, k, k]
        private readonly Parameter bias; // [out]
        private readonly Parameter gain; // [out, 1, 1, 1]
        private readonly int kernel,
            stride,
            groups;
        private readonly double eps;

        public Convolution(Config config, int inputs, int outputs, int kernel, int stride = 1, int groups = 1)
        {
            (this.kernel, this.stride, this.groups, eps) = (kernel, stride, groups, config.Eps);
            weight = Init.KaimingNormal(new Parameter([outputs, inputs / groups, kernel, kernel]), gain: 1);
            bias = Init.Zeros(new Parameter(outputs));
            gain = Init.Ones(new Parameter([outputs, 1, 1, 1]));
        }

        public Parameter Weight => weight;

        protected override Tensor Forward(Tensor input) // [B, C, H, W]
        {
            var fanIn = weight.Elements / weight.Size(0);
            var standard =
                Torch.LayerNorm(weight.Reshape(-1, fanIn), fanIn, null, null, eps).Reshape(weight.Shape) * (gain / Math.Sqrt(fanIn));
            if (stride == 1)
                return Torch.Conv2d(input, standard, bias, 1, kernel / 2, 1, groups);
            var (height, width) = (Padding(input.Size(2)), Padding(input.Size(3)));
            return Torch.Conv2d(
                input.ConstantPadNd([width / 2, width - width / 2, height / 2, height - height / 2]),
                standard,
                bias,
                stride,
                0,
                1,
                groups
            );
        }

        private long Padding(long side) => Math.Max(0, ((side + stride - 1) / stride - 1) * stride + kernel - side);
    }

    /// <summary>
    /// shortcut(x) + alpha gain F(x / sqrt(variance)) (section 4, figure 3): F begins with the activation and has a bottleneck with two
    /// grouped 3 x 3
    /// convolutions and a gate, doubled, at its end. Where the shape changes, the shortcut branches off after the activation.
    /// </summary>
    private sealed partial class Block : Layer
    {
        private readonly Parameter skipinitGain; // []
        private readonly Shortcut? downsample;
        private readonly Convolution conv1;
        private readonly Convolution conv2;
        private readonly Convolution conv2b;
        private readonly Convolution conv3;
        private readonly SqueezeExcitation attnLast;
        private readonly DropPath dropPath;
        private readonly double alpha,
            beta;

        public Block(Config config, int inputs, int outputs, int stride, double beta, double dropPath)
        {
            var width = outputs / 2;
            (alpha, this.beta) = (config.Alpha, beta);
            using (var scope = new Scope())
                skipinitGain = Init.Zeros(new Parameter(Torch.Empty([])));
            if (stride != 1 || inputs != outputs)
                downsample = new Shortcut(config, inputs, outputs, stride);
            conv1 = new Convolution(config, inputs, width, 1);
            conv2 = new Convolution(config, width, width, 3, stride, width / config.GroupWidth);
            conv2b = new Convolution(config, width, width, 3, 1, width / config.GroupWidth);
            conv3 = new Convolution(config, width, outputs, 1);
            attnLast = new SqueezeExcitation(outputs, outputs / 2, new Relu());
            this.dropPath = new DropPath(dropPath);
        }

        protected override Tensor Forward(Tensor input)
        {
            var x = Activation.Of(input) * beta;
            var shortcut = downsample is null ? input : downsample.Call(x);
            x = conv2b.Call(Activation.Of(conv2.Call(Activation.Of(conv1.Call(x)))));
            x = dropPath.Call(2 * attnLast.Call(conv3.Call(Activation.Of(x))));
            return x * (alpha * skipinitGain) + shortcut;
        }
    }

    private sealed partial class Shortcut(Config config, int inputs, int outputs, int stride) : Layer
    {
        private readonly Convolution conv = new(config, inputs, outputs, 1);

        protected override Tensor Forward(Tensor input) => conv.Call(stride == 1 ? input : input.AvgPool2d(2, stride, 0, true, false));
    }

    private const string Paper = "High-Performance Large-Scale Image Recognition Without Normalization, 2021, arXiv:2102.06171";

    private static Variant Make(
        int index,
        int image,
        double crop,
        double dropout,
        double parameters,
        double gmacs,
        double top1,
        string? note = null
    ) =>
        new(
            $"dm_nfnet_f{index}",
            Paper: Paper,
            Create: Variant.Configured(
                new Config(
                    ImageSize: (image, image),
                    Depths: [.. new[] { 1, 2, 6, 3 }.Select(depth => depth * (index + 1))],
                    Widths: [256, 512, 1536, 1536],
                    Classes: 1000,
                    Dropout: dropout,
                    DropPath: 0.25
                ),
                config => new NfNet(config)
            ),
            ImageSize: image,
            Parameters: parameters,
            GMacs: gmacs,
            Top1: top1,
            Dataset: "ImageNet-1k",
            Preprocessing: Preprocessing.ImageNet with
            {
                CropRatio = crop,
            },
            Note: note
        );

    /// <summary>The published sizes, at the resolution that they are evaluated at.</summary>
    public static IReadOnlyList<Variant> Variants { get; } =
    [
        Make(index: 0, image: 256, crop: 0.9, dropout: 0.2, parameters: 71.5, gmacs: 12.38, top1: 83.6),
        Make(index: 1, image: 320, crop: 0.91, dropout: 0.3, parameters: 132.6, gmacs: 35.54, top1: 84.7),
        Make(index: 2, image: 352, crop: 0.92, dropout: 0.4, parameters: 193.8, gmacs: 62.59, top1: 85.1),
        Make(index: 3, image: 416, crop: 0.94, dropout: 0.4, parameters: 254.9, gmacs: 114.76, top1: 85.7),
        Make(index: 4, image: 512, crop: 0.951, dropout: 0.5, parameters: 316.1, gmacs: 215.24, top1: 85.9),
        Make(index: 5, image: 544, crop: 0.954, dropout: 0.5, parameters: 377.2, gmacs: 289.76, top1: 86.0),
        Make(
            index: 6,
            image: 576,
            crop: 0.956,
            dropout: 0.5,
            parameters: 438.4,
            gmacs: 377.28,
            top1: 86.5,
            note: "with sharpness-aware steps"
        ),
        Variant.Micro(
            "nfnet_micro_32",
            Paper,
            config: new Config(
                ImageSize: (32, 32),
                Depths: [1, 1, 2, 1],
                Widths: [32, 64, 128, 128],
                Classes: 10,
                StemWidth: 32,
                StemStride: 1,
                GroupWidth: 16,
                Dropout: 0,
                DropPath: 0
            ),
            create: config => new NfNet(config)
        ),
    ];
}
