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
    ) : IBackboneConfig
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
        (1, 3, 1, 16, 1),
        (6, 3, 2, 24, 2),
        (6, 5, 2, 40, 2),
        (6, 3, 2, 80, 3),
        (6, 5, 1, 112, 3),
        (6, 5, 2, 192, 4),
        (6, 3, 1, 320, 1),
    ];

    private const int StemWidth = 32;

    // After which of the features the resolution halves, or the end comes.
    private static readonly int[] levels = [2, 3, 5, 8];

    private readonly ModuleList<Sequential> features; // stem, seven stages, 1 x 1 convolution
    private Sequential classifier;

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
        layers.Add(ConvNorm(config, inputs, FeatureWidth, 1, 1));
        features = new(layers);
        classifier = Classifier();
        foreach (var (_, module) in NamedModules())
            if (module is Conv2d conv)
            {
                Init.KaimingNormal(conv.Weight, fanOut: true);
                if (conv.Bias is { } bias)
                    Init.Zeros(bias);
            }
    }

    private Sequential Classifier()
    {
        var drop = new Dropout(Options.Dropout);
        if (Options.Classes == 0)
            return new Sequential(drop);
        var linear = new Linear(FeatureWidth, Options.Classes);
        var bound = 1 / Math.Sqrt(Options.Classes);
        Init.Uniform(linear.Weight, -bound, bound);
        Init.Zeros(linear.Bias!);
        return new Sequential(drop, linear);
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

    private protected override int FirstStride => 2 * Options.StemStride;

    /// <inheritdoc/>
    public override int FeatureWidth => 4 * Options.Width(stages[^1].Outputs);

    /// <inheritdoc/>
    public override IReadOnlyList<string> BlockPaths =>
        [
            .. stages
                .Index()
                .SelectMany(stage => Enumerable.Range(0, Options.Depth(stage.Index)).Select(j => $"features.{stage.Index + 1}.{j}")),
        ];

    /// <inheritdoc/>
    public override IReadOnlyList<string> ClassifierNames => ["classifier.1.weight", "classifier.1.bias"];

    /// <summary>The maps before the resolution halves, strides 4 to 32; the last one is what the classifier's 1 x 1 convolution makes of it.</summary>
    private protected override IEnumerable<Tensor> Maps(Tensor image)
    {
        var x = image;
        foreach (var (i, layer) in features.Index())
        {
            x = layer.Call(x);
            if (levels.Contains(i))
                yield return x;
        }
    }

    /// <inheritdoc/>
    protected override Tensor Classify(Tensor pooled) => classifier.Call(pooled);

    /// <inheritdoc/>
    public override bool BelongsToHead(string name) => name.StartsWith("features.8.", StringComparison.Ordinal) || base.BelongsToHead(name);

    /// <inheritdoc/>
    public override void ResetClassifier(int classes)
    {
        Options = Options with { Classes = classes };
        classifier = Classifier();
        var weight = ((Conv2d)features[0][0]).Weight;
        classifier.Train(Training);
        classifier.To(weight.Device, weight.DType);
    }

    /// <summary>Takes images of another size; nothing depends on it.</summary>
    public override void Resize(int height, int width) => Options = Options with { ImageSize = (height, width) };

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
            Paper,
            options =>
            {
                // B5 to B7 keep the batch norms of the authors' code.
                var large = width >= 1.6;
                return new EfficientNet(
                    new Config(
                        options.ImageSize ?? (image, image),
                        width,
                        depth,
                        options.Classes ?? 1000,
                        options.Channels ?? 3,
                        Eps: large ? 1e-3 : 1e-5,
                        Momentum: large ? 0.01 : 0.1,
                        Dropout: options.Dropout ?? dropout,
                        DropPath: options.DropPath ?? 0.2
                    )
                );
            },
            image,
            parameters,
            gmacs,
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
        Make("efficientnet_b0", 1, 1, 224, 256, 0.2, 5.289, 0.39, 77.69, 77.1),
        Make("efficientnet_b1", 1, 1.1, 240, 256, 0.2, 7.794, 0.69, 78.64, 79.1),
        Make("efficientnet_b2", 1.1, 1.2, 288, 288, 0.3, 9.110, 1.09, 80.61, 80.1),
        Make("efficientnet_b3", 1.2, 1.4, 300, 320, 0.3, 12.233, 1.83, 82.01, 81.6),
        Make("efficientnet_b4", 1.4, 1.8, 380, 384, 0.4, 19.342, 4.39, 83.38, 82.9),
        Make("efficientnet_b5", 1.6, 2.2, 456, 456, 0.4, 30.390, 10.27, 83.44, 83.6),
        Make("efficientnet_b6", 1.8, 2.6, 528, 528, 0.5, 43.041, 19.07, 84.01, 84.0),
        Make("efficientnet_b7", 2.0, 3.1, 600, 600, 0.5, 66.348, 37.75, 84.12, 84.3),
        Variant.Micro("efficientnet_micro_32", Paper, 32, a => new EfficientNet(
            new Config(a.ImageSize, 1, 0.5, a.Classes, a.Channels, StemStride: 1, Dropout: a.Dropout, DropPath: a.DropPath)
        )),
    ];
}
