using Tessera.Models.Layers;
using Tessera.Nn;

namespace Tessera.Models;

/// <summary>
/// EfficientNet: inverted residuals with a gate per channel, scaled in width, depth and resolution together.
/// Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", 2019, arXiv:1905.11946.
/// </summary>
/// <remarks>Names and order of the weights are torchvision's, and so are the sizes of images and the initialisation.</remarks>
public sealed partial class EfficientNet : StagedMaps<EfficientNet.Config>
{
    /// <summary>Sizes and options.</summary>
    /// <param name="ImageSize">Height and width in pixels; any size runs.</param>
    /// <param name="WidthFactor">Channels over those of B0 (table 1), rounded to multiples of 8.</param>
    /// <param name="DepthFactor">Blocks over those of B0, rounded up.</param>
    /// <param name="Classes">Number of classes; 0 for no classifier.</param>
    /// <param name="Channels">Channels of the images.</param>
    /// <param name="StemStride">Stride of the first convolution: 2 as published; 1 for images of 32 pixels.</param>
    /// <param name="Eps">Of all batch norms.</param>
    /// <param name="Momentum">Weight of the newest batch in their running statistics.</param>
    /// <param name="Dropout">Dropout before the classifier.</param>
    /// <param name="DropPath">Stochastic depth that a block after the last would have: it rises linearly.</param>
    public sealed record Config(
        (int Height, int Width) ImageSize,
        double WidthFactor,
        double DepthFactor,
        int Classes = 1000,
        int Channels = 3,
        int StemStride = 2,
        double Eps = 1e-5,
        double Momentum = 0.1,
        double Dropout = 0.2,
        double DropPath = 0.2
    ) : RegularizedConfig
    {
        /// <summary>Channels of a stage of B0 at this width: a multiple of 8 that is not less than nine tenths of the product.</summary>
        internal int Width(int channels)
        {
            var exact = channels * WidthFactor;
            var rounded = Math.Max(8, (int)(exact + 4) / 8 * 8);
            return rounded < 0.9 * exact ? rounded + 8 : rounded;
        }

        internal int Depth(int stage) => (int)Math.Ceiling(stages[stage].Depth * DepthFactor);
    }

    // Table 1, stages 2 to 8.
    private static readonly (int Expansion, int Kernel, int Stride, int Outputs, int Depth)[] stages =
    [
        (Expansion: 1, Kernel: 3, Stride: 1, Outputs: 16, Depth: 1),
        (Expansion: 6, Kernel: 3, Stride: 2, Outputs: 24, Depth: 2),
        (Expansion: 6, Kernel: 5, Stride: 2, Outputs: 40, Depth: 2),
        (Expansion: 6, Kernel: 3, Stride: 2, Outputs: 80, Depth: 3),
        (Expansion: 6, Kernel: 5, Stride: 1, Outputs: 112, Depth: 3),
        (Expansion: 6, Kernel: 5, Stride: 2, Outputs: 192, Depth: 4),
        (Expansion: 6, Kernel: 3, Stride: 1, Outputs: 320, Depth: 1),
    ];

    private const int StemWidth = 32;

    // After which of the features the resolution halves, or the end comes.
    private static readonly int[] levels = [2, 3, 5, 8];

    private readonly ModuleList<Sequential> features; // stem, seven stages, 1 x 1 convolution
    private readonly DropoutHead classifier;

    /// <summary>A network with torchvision's initialisation: convolutions He-normal over the outputs.</summary>
    public EfficientNet(Config config)
        : base(config)
    {
        var stem = config.Width(StemWidth);
        var blocks = Enumerable.Range(0, stages.Length).Sum(config.Depth);
        var layers = new List<Sequential> { ConvNorm(config, config.Channels, stem, 3, config.StemStride) };
        var (inputs, index) = (stem, 0);
        foreach (var (i, stage) in stages.Index())
        {
            var made = new Layer[config.Depth(i)];
            for (var j = 0; j < made.Length; j++)
            {
                made[j] = new Block(
                    config,
                    inputs,
                    config.Width(stage.Outputs),
                    stage.Expansion,
                    stage.Kernel,
                    j == 0 ? stage.Stride : 1,
                    config.DropPath * index++ / blocks
                );
                inputs = config.Width(stage.Outputs);
            }
            layers.Add(new Sequential(made));
        }
        layers.Add(ConvNorm(config, inputs, NumFeatures, 1, 1));
        features = new(layers);
        classifier = new DropoutHead("1", config.Dropout, InitialClassifier());
        foreach (var (_, module) in NamedModules())
            if (module is Conv2d conv)
            {
                Init.KaimingNormal(conv.Weight, fanOut: true);
                if (conv.Bias is { } bias)
                    Init.Zeros(bias);
            }
    }

    /// <inheritdoc/>
    protected override Linear NewClassifier(int classes)
    {
        var linear = new Linear(NumFeatures, classes);
        var bound = 1 / Math.Sqrt(classes);
        Init.Uniform(linear.Weight, -bound, bound);
        Init.Zeros(linear.Bias!);
        return linear;
    }

    private static Sequential ConvNorm(
        Config config,
        int inputs,
        int outputs,
        int kernel,
        int stride,
        int groups = 1,
        bool activated = true
    )
    {
        var (conv, norm) = (
            new Conv2d(inputs, outputs, kernel, stride, kernel / 2, groups: groups, bias: false),
            new BatchNorm(outputs, config.Eps, config.Momentum)
        );
        return activated ? new Sequential(conv, norm, new Silu()) : new Sequential(conv, norm);
    }

    /// <inheritdoc/>
    protected override int FirstStride => 2 * Options.StemStride;

    /// <inheritdoc/>
    public override int NumFeatures => 4 * Options.Width(stages[^1].Outputs);

    /// <inheritdoc/>
    public override IReadOnlyList<string> BlockPaths =>
        [
            .. stages
                .Index()
                .SelectMany(stage => Enumerable.Range(0, Options.Depth(stage.Index)).Select(j => $"features.{stage.Index + 1}.{j}")),
        ];

    /// <inheritdoc/>
    protected override ref Linear? Classifier => ref classifier.Linear;

    /// <inheritdoc/>
    protected override string ClassifierPath => "classifier.1";

    /// <summary>
    /// The maps before the resolution halves, strides 4 to 32; the last one is what the classifier's 1 x 1 convolution makes of it.
    /// </summary>
    protected override IEnumerable<Tensor> Maps(Tensor image)
    {
        var x = image;
        foreach (var (i, layer) in features.Index())
        {
            x = layer.Call(x);
            if (levels.Contains(i))
                yield return x;
        }
    }

    /// <summary>Without a classifier too, training drops some of the pooled features.</summary>
    protected override Tensor Classify(Tensor pooled) => Classes > 0 ? classifier.Call(pooled) : classifier.Drop(pooled);

    /// <inheritdoc/>
    public override bool BelongsToHead(string name) => name.StartsWith("features.8.", StringComparison.Ordinal) || base.BelongsToHead(name);

    /// <summary>
    /// An inverted residual (Sandler et al., 2018, arXiv:1801.04381): 1 x 1 to more channels (unless they stay as many), depthwise, a gate,
    /// 1 x 1 to the outputs; added to its input where the shapes agree.
    /// </summary>
    private sealed partial class Block : Layer
    {
        private readonly Sequential block;
        private readonly DropPath? dropPath;

        public Block(Config config, int inputs, int outputs, int expansion, int kernel, int stride, double dropPath)
        {
            var width = inputs * expansion;
            var layers = new List<Layer>();
            if (expansion != 1)
                layers.Add(ConvNorm(config, inputs, width, 1, 1));
            layers.Add(ConvNorm(config, width, width, kernel, stride, width));
            layers.Add(new SqueezeExcitation(width, Math.Max(1, inputs / 4), new Silu()));
            layers.Add(ConvNorm(config, width, outputs, 1, 1, activated: false));
            block = new Sequential(layers);
            if (stride == 1 && inputs == outputs)
                this.dropPath = new DropPath(dropPath);
        }

        protected override Tensor Forward(Tensor input)
        {
            var x = block.Call(input);
            return dropPath is null ? x : dropPath.Call(x) + input;
        }
    }

    private const string Paper = "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks, 2019, arXiv:1905.11946";

    private static Variant Make(
        string name,
        double width,
        double depth,
        int image,
        int shortSide,
        double dropout,
        double parameters,
        double gmacs,
        double top1,
        double paper
    ) =>
        new(
            name,
            Paper: Paper,
            Create: Variant.Configured(
                new Config(
                    ImageSize: (image, image),
                    WidthFactor: width,
                    DepthFactor: depth,
                    // B5 to B7 keep the batch norms of the authors' code.
                    Eps: width >= 1.6 ? 1e-3 : 1e-5,
                    Momentum: width >= 1.6 ? 0.01 : 0.1,
                    Dropout: dropout,
                    DropPath: 0.2
                ),
                config => new EfficientNet(config)
            ),
            ImageSize: image,
            Parameters: parameters,
            GMacs: gmacs,
            Top1: top1,
            Dataset: "ImageNet-1k",
            Preprocessing: Preprocessing.ImageNet with
            {
                CropRatio = image / (double)shortSide,
            },
            Note: FormattableString.Invariant($"torchvision's weights; {paper} in the paper")
        );

    /// <summary>The published sizes, with torchvision's figures.</summary>
    public static IReadOnlyList<Variant> Variants { get; } =
    [
        Make(
            "efficientnet_b0",
            width: 1,
            depth: 1,
            image: 224,
            shortSide: 256,
            dropout: 0.2,
            parameters: 5.289,
            gmacs: 0.39,
            top1: 77.69,
            77.1
        ),
        Make(
            "efficientnet_b1",
            width: 1,
            depth: 1.1,
            image: 240,
            shortSide: 256,
            dropout: 0.2,
            parameters: 7.794,
            gmacs: 0.69,
            top1: 78.64,
            79.1
        ),
        Make(
            "efficientnet_b2",
            width: 1.1,
            depth: 1.2,
            image: 288,
            shortSide: 288,
            dropout: 0.3,
            parameters: 9.110,
            gmacs: 1.09,
            top1: 80.61,
            80.1
        ),
        Make(
            "efficientnet_b3",
            width: 1.2,
            depth: 1.4,
            image: 300,
            shortSide: 320,
            dropout: 0.3,
            parameters: 12.233,
            gmacs: 1.83,
            top1: 82.01,
            81.6
        ),
        Make(
            "efficientnet_b4",
            width: 1.4,
            depth: 1.8,
            image: 380,
            shortSide: 384,
            dropout: 0.4,
            parameters: 19.342,
            gmacs: 4.39,
            top1: 83.38,
            82.9
        ),
        Make(
            "efficientnet_b5",
            width: 1.6,
            depth: 2.2,
            image: 456,
            shortSide: 456,
            dropout: 0.4,
            parameters: 30.390,
            gmacs: 10.27,
            top1: 83.44,
            83.6
        ),
        Make(
            "efficientnet_b6",
            width: 1.8,
            depth: 2.6,
            image: 528,
            shortSide: 528,
            dropout: 0.5,
            parameters: 43.041,
            gmacs: 19.07,
            top1: 84.01,
            84.0
        ),
        Make(
            "efficientnet_b7",
            width: 2.0,
            depth: 3.1,
            image: 600,
            shortSide: 600,
            dropout: 0.5,
            parameters: 66.348,
            gmacs: 37.75,
            top1: 84.12,
            84.3
        ),
        Variant.Micro(
            "efficientnet_micro_32",
            Paper,
            config: new Config(ImageSize: (32, 32), WidthFactor: 1, DepthFactor: 0.5, Classes: 10, StemStride: 1, Dropout: 0, DropPath: 0),
            create: config => new EfficientNet(config)
        ),
    ];
}
