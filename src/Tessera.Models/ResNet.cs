using Tessera.Models.Layers;
using Tessera.Nn;

namespace Tessera.Models;

/// <summary>
/// Residual networks for ImageNet. He et al., "Deep Residual Learning for Image Recognition", 2015, arXiv:1512.03385; grouped
/// bottlenecks from Xie et al., "Aggregated Residual Transformations", 2016, arXiv:1611.05431.
/// </summary>
/// <remarks>
/// Names and order of the weights are torchvision's, and so is the place of a bottleneck's stride: on its 3 x 3 convolution
/// ("v1.5"), where the paper has it on the first 1 x 1.
/// </remarks>
public sealed partial class ResNet : StagedMaps<ResNet.Config>
{
    /// <summary>Sizes and options.</summary>
    /// <param name="ImageSize">Height and width in pixels; any size runs.</param>
    /// <param name="Layers">Blocks of each of the four stages.</param>
    /// <param name="Bottleneck">Blocks of three convolutions (1 x 1, 3 x 3, 1 x 1 to four times the width) instead of two.</param>
    /// <param name="Classes">Number of classes; 0 for no classifier.</param>
    /// <param name="Channels">Channels of the images.</param>
    /// <param name="Groups">Groups of a bottleneck's 3 x 3 convolution.</param>
    /// <param name="WidthPerGroup">Channels of a group in the first stage.</param>
    /// <param name="Eps">Of all batch norms.</param>
    /// <param name="Momentum">Weight of the newest batch in their running statistics.</param>
    /// <param name="ZeroInitResidual">Starts every block as the identity: its last norm's scale is zero.</param>
    /// <param name="Dropout">Dropout before the classifier.</param>
    /// <param name="DropPath">Stochastic depth of the last block.</param>
    /// <param name="Stem">What comes before the first stage, unless the image size chooses it.</param>
    /// <param name="Width">Channels of the first stage; each later stage has twice as many.</param>
    /// <param name="StemBySize">
    /// Chooses the stem by the shorter side of the images: a 3 x 3 convolution alone up to 40 pixels, with pooling up to 112, and beyond
    /// that of ImageNet.
    /// </param>
    public sealed record Config(
        (int Height, int Width) ImageSize,
        IReadOnlyList<int> Layers,
        bool Bottleneck,
        int Classes = 1000,
        int Channels = 3,
        int Groups = 1,
        int WidthPerGroup = 64,
        double Eps = 1e-5,
        double Momentum = 0.1,
        bool ZeroInitResidual = false,
        double Dropout = 0,
        double DropPath = 0,
        ResNetStem Stem = ResNetStem.ImageNet,
        int Width = 64,
        bool StemBySize = false
    ) : RegularizedConfig
    {
        internal ResNetStem ChosenStem => StemBySize ? ResNetStems.For(ImageSize) : Stem;

        internal int Expansion => Bottleneck ? 4 : 1;
    }

    private readonly Conv2d conv1;
    private readonly BatchNorm bn1;
    private readonly ModuleList<Block> layer1;
    private readonly ModuleList<Block> layer2;
    private readonly ModuleList<Block> layer3;
    private readonly ModuleList<Block> layer4;
    private Linear? fc;
    private readonly Dropout drop;

    /// <summary>A network with torchvision's initialisation: convolutions He-normal over the outputs.</summary>
    public ResNet(Config config)
        : base(config)
    {
        if (config.Layers.Count != 4)
            throw new ArgumentException($"Layers must have four values, not {config.Layers.Count}", nameof(config));
        if (!config.Bottleneck && (config.Groups, config.WidthPerGroup) != (1, 64))
            throw new ArgumentException("blocks without bottleneck must have 1 group and a width of 64 per group", nameof(config));
        conv1 = Initialize(
            config.ChosenStem == ResNetStem.ImageNet
                ? new Conv2d(config.Channels, config.Width, 7, 2, 3, bias: false)
                : new Conv2d(config.Channels, config.Width, 3, 1, 1, bias: false)
        );
        bn1 = new BatchNorm(config.Width, config.Eps, config.Momentum);
        var rates = Nn.DropPath.Rates(config.DropPath, config.Layers.Sum());
        layer1 = Stage(config, 0, rates);
        layer2 = Stage(config, 1, rates);
        layer3 = Stage(config, 2, rates);
        layer4 = Stage(config, 3, rates);
        if (config.Classes > 0)
            fc = new Linear(NumFeatures, config.Classes);
        drop = new Dropout(config.Dropout);
    }

    /// <summary>The blocks of one stage, also for networks that share only some of them.</summary>
    internal static ModuleList<Block> Stage(Config config, int stage, double[] rates)
    {
        var planes = config.Width << stage;
        var expansion = config.Expansion;
        var inputs = stage == 0 ? config.Width : planes / 2 * expansion;
        var first = config.Layers.Take(stage).Sum();
        return new(
            Enumerable
                .Range(0, config.Layers[stage])
                .Select(j => new Block(config, j == 0 ? inputs : planes * expansion, planes, j == 0 && stage > 0 ? 2 : 1, rates[first + j]))
        );
    }

    private ModuleList<Block>[] Stages => [layer1, layer2, layer3, layer4];

    /// <inheritdoc/>
    protected override int FirstStride =>
        Options.ChosenStem switch
        {
            ResNetStem.Small => 1,
            ResNetStem.SmallPooled => 2,
            _ => 4,
        };

    /// <inheritdoc/>
    public override int NumFeatures => 8 * Options.Width * Options.Expansion;

    /// <inheritdoc/>
    public override IReadOnlyList<string> BlockPaths =>
        [.. Options.Layers.SelectMany((count, i) => Enumerable.Range(0, count).Select(j => $"layer{i + 1}.{j}"))];

    /// <inheritdoc/>
    protected override ref Linear? Classifier => ref fc;

    /// <inheritdoc/>
    protected override Linear NewClassifier(int classes) => new(NumFeatures, classes);

    /// <inheritdoc/>
    protected override string ClassifierPath => "fc";

    /// <inheritdoc/>
    protected override IEnumerable<Tensor> Maps(Tensor image) // [B, C, H, W] -> [B, 64 e 2^i, H / (4 2^i), W / (4 2^i)]
    {
        var x = bn1.Call(conv1.Call(image)).Relu();
        if (Options.ChosenStem != ResNetStem.Small)
            x = x.MaxPool2d(3, 2, 1);
        foreach (var (i, stage) in Stages.Index())
        {
            foreach (var block in stage)
                x = block.Call(x);
            yield return Record($"layer{i + 1}", x);
        }
    }

    /// <inheritdoc/>
    protected override Tensor Classify(Tensor pooled) => fc is null ? pooled : fc.Call(drop.Call(pooled));

    /// <summary>
    /// Takes images of another size from now on. Where the size chooses the stem, pooling comes or goes with it; its convolution stays.
    /// </summary>
    /// <exception cref="ShapeException">The new size needs another convolution in the stem.</exception>
    public override void Resize(int height, int width)
    {
        var (before, after) = (Options.ChosenStem, (Options with { ImageSize = (height, width) }).ChosenStem);
        if (!ResNetStems.Alike(before, after))
            throw new ShapeException(
                $"images of {height} x {width} pixels need another stem ({ResNetStems.Describe(after)}) than the weights have, which are "
                    + $"for images of {ImageSize.Height} x {ImageSize.Width} ({ResNetStems.Describe(before)}): choose a model.image_size "
                    + $"{(after == ResNetStem.ImageNet ? "of at most 112" : "above 112")}"
            );
        base.Resize(height, width);
    }

    /// <inheritdoc/>
    public override IReadOnlyList<string> Remarks
    {
        get
        {
            var (height, width) = ImageSize;
            if (Options.StemBySize)
                return [$"images of {height} x {width} pixels: the stem is {ResNetStems.Describe(Options.ChosenStem)}"];
            if (Options.Stem != ResNetStem.ImageNet || ResNetStems.For(ImageSize) == ResNetStem.ImageNet)
                return [];
            var last = FirstStride << 3;
            return
            [
                $"images of {height} x {width} pixels go through the stem for ImageNet, {ResNetStems.Describe(Options.Stem)}, which leaves "
                    + $"maps of {(height + last - 1) / last} x {(width + last - 1) / last} at the end: resnet18_small and resnet50_small "
                    + "choose the stem by the size",
            ];
        }
    }

    internal static Conv2d Initialize(Conv2d conv)
    {
        Init.KaimingNormal(conv.Weight, fanOut: true);
        return conv;
    }

    /// <summary>ReLU(F(x) + shortcut(x)) (section 3.2): F has two 3 x 3 convolutions, or is a bottleneck of three.</summary>
    internal sealed partial class Block : Layer
    {
        private readonly Conv2d conv1;
        private readonly BatchNorm bn1;
        private readonly Conv2d conv2;
        private readonly BatchNorm bn2;
        private readonly Conv2d? conv3;
        private readonly BatchNorm? bn3;
        private readonly Sequential? downsample;
        private readonly DropPath dropPath;

        public Block(Config config, int inputs, int planes, int stride, double dropPath)
        {
            var outputs = config.Bottleneck ? 4 * planes : planes;
            if (config.Bottleneck)
            {
                var width = planes * config.WidthPerGroup / 64 * config.Groups;
                conv1 = Initialize(new Conv2d(inputs, width, 1, bias: false));
                bn1 = Norm(width);
                conv2 = Initialize(new Conv2d(width, width, 3, stride, 1, groups: config.Groups, bias: false));
                bn2 = Norm(width);
                conv3 = Initialize(new Conv2d(width, outputs, 1, bias: false));
                bn3 = Norm(outputs);
            }
            else
            {
                conv1 = Initialize(new Conv2d(inputs, planes, 3, stride, 1, bias: false));
                bn1 = Norm(planes);
                conv2 = Initialize(new Conv2d(planes, planes, 3, 1, 1, bias: false));
                bn2 = Norm(planes);
            }
            if (config.ZeroInitResidual)
                Init.Zeros((bn3 ?? bn2).Weight!);
            if (stride != 1 || inputs != outputs)
                downsample = new Sequential(Initialize(new Conv2d(inputs, outputs, 1, stride, bias: false)), Norm(outputs));
            this.dropPath = new DropPath(dropPath);

            BatchNorm Norm(int channels) => new(channels, config.Eps, config.Momentum);
        }

        protected override Tensor Forward(Tensor input)
        {
            var x = bn2.Call(conv2.Call(bn1.Call(conv1.Call(input)).Relu()));
            if (conv3 is not null)
                x = bn3!.Call(conv3.Call(x.Relu()));
            return (dropPath.Call(x) + (downsample is null ? input : downsample.Call(input))).Relu();
        }
    }

    private const string Paper = "Deep Residual Learning for Image Recognition, 2015, arXiv:1512.03385";

    private static Variant Make(
        string name,
        int[] layers,
        bool bottleneck,
        double parameters,
        double? gmacs,
        double top1,
        string? note = null,
        int groups = 1,
        int width = 64,
        string paper = Paper
    ) =>
        new(
            name,
            Paper: paper,
            Create: Variant.Configured(
                new Config(
                    ImageSize: (224, 224),
                    Layers: layers,
                    Bottleneck: bottleneck,
                    Classes: 1000,
                    Groups: groups,
                    WidthPerGroup: width,
                    DropPath: 0
                ),
                config => new ResNet(config)
            ),
            ImageSize: 224,
            Parameters: parameters,
            GMacs: gmacs,
            Top1: top1,
            Dataset: "ImageNet-1k",
            Preprocessing: Preprocessing.ImageNet with
            {
                Interpolation = "bilinear",
            },
            Note: note
        );

    // Those that self-supervision trains on CIFAR, STL-10 and Tiny-ImageNet: nobody publishes weights of all sizes.
    private static Variant Small(string name, int[] layers, bool bottleneck, int width = 64) =>
        new(
            name,
            Paper,
            Variant.Configured(new Config((32, 32), layers, bottleneck, Classes: 10, Width: width, StemBySize: true), config => new ResNet(
                config
            )),
            ImageSize: 32,
            Dataset: "CIFAR-10",
            Preprocessing: Preprocessing.Cifar10,
            Note: "the stem is chosen by the image size"
        );

    /// <summary>
    /// The published networks; accuracies are those of torchvision's first weights. Then those for smaller images, whose stem the image
    /// size chooses.
    /// </summary>
    public static IReadOnlyList<Variant> Variants { get; } =
    [
        Make("resnet18", layers: [2, 2, 2, 2], bottleneck: false, parameters: 11.690, gmacs: 1.81, top1: 69.76),
        Make("resnet34", layers: [3, 4, 6, 3], bottleneck: false, parameters: 21.798, gmacs: 3.66, top1: 73.31),
        Make(
            "resnet50",
            layers: [3, 4, 6, 3],
            bottleneck: true,
            parameters: 25.557,
            gmacs: 4.09,
            top1: 76.13,
            note: "80.86 with torchvision's second recipe"
        ),
        Make(
            "resnet101",
            layers: [3, 4, 23, 3],
            bottleneck: true,
            parameters: 44.549,
            gmacs: 7.80,
            top1: 77.37,
            note: "81.89 with torchvision's second recipe"
        ),
        Make(
            "resnet152",
            layers: [3, 8, 36, 3],
            bottleneck: true,
            parameters: 60.193,
            gmacs: 11.51,
            top1: 78.31,
            note: "82.28 with torchvision's second recipe"
        ),
        Make(
            "resnext50_32x4d",
            layers: [3, 4, 6, 3],
            bottleneck: true,
            parameters: 25.03,
            gmacs: null,
            top1: 77.62,
            groups: 32,
            width: 4,
            paper: "Aggregated Residual Transformations, 2016, arXiv:1611.05431"
        ),
        Small("resnet18_small", layers: [2, 2, 2, 2], bottleneck: false),
        Small("resnet18_quarter_small", layers: [2, 2, 2, 2], bottleneck: false, width: 16),
        Small("resnet50_small", layers: [3, 4, 6, 3], bottleneck: true),
    ];
}
