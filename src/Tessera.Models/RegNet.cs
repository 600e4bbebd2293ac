using Tessera.Models.Layers;
using Tessera.Nn;

namespace Tessera.Models;

/// <summary>
/// RegNetY: residual networks whose widths follow a line that is rounded to a few stages, with a gate per channel in every block.
/// Radosavovic et al., "Designing Network Design Spaces", 2020, arXiv:2003.13678.
/// </summary>
/// <remarks>
/// RegNetY-16GF taught DeiT (Touvron et al., 2020, arXiv:2012.12877). Names and order of the weights are timm's, which that
/// teacher's published file (<c>regnety_160-a5fe301d.pth</c>) has.
/// </remarks>
public sealed partial class RegNet : StagedMaps<RegNet.Config>
{
    /// <summary>Sizes and options.</summary>
    /// <param name="ImageSize">Height and width in pixels; any size runs.</param>
    /// <param name="Depths">Blocks of each stage.</param>
    /// <param name="Widths">Channels of each stage, multiples of a group's.</param>
    /// <param name="GroupWidth">Channels of a group of the 3 x 3 convolutions; a stage with fewer has one group.</param>
    /// <param name="Classes">Number of classes; 0 for no classifier.</param>
    /// <param name="Channels">Channels of the images.</param>
    /// <param name="StemWidth">Channels after the first convolution.</param>
    /// <param name="StemStride">Stride of the first convolution: 2 as published; 1 for images of 32 pixels.</param>
    /// <param name="SqueezeRatio">Width of a gate's hidden layer over the channels that enter its block.</param>
    /// <param name="Eps">Of all batch norms.</param>
    /// <param name="Momentum">Weight of the newest batch in their running statistics.</param>
    /// <param name="ZeroInitResidual">Starts every block as its shortcut: the scale of its last norm is zero.</param>
    /// <param name="Dropout">Dropout before the classifier.</param>
    /// <param name="DropPath">Stochastic depth of the last block.</param>
    public sealed record Config(
        (int Height, int Width) ImageSize,
        IReadOnlyList<int> Depths,
        IReadOnlyList<int> Widths,
        int GroupWidth,
        int Classes = 1000,
        int Channels = 3,
        int StemWidth = 32,
        int StemStride = 2,
        double SqueezeRatio = 0.25,
        double Eps = 1e-5,
        double Momentum = 0.1,
        bool ZeroInitResidual = true,
        double Dropout = 0,
        double DropPath = 0
    ) : RegularizedConfig;

    /// <summary>
    /// Depths and widths of the stages (section 3.3, equations 2 to 4): block j wants initial + slope j channels; the power of the
    /// multiplier nearest
    /// to that, rounded to a multiple of 8 and then of a group's width, is what it gets, and equal widths make a stage.
    /// </summary>
    public static (int[] Depths, int[] Widths) Design(int depth, int initial, double slope, double multiplier, int groupWidth)
    {
        var stages = Enumerable
            .Range(0, depth)
            .Select(j => Math.Round(Math.Log((initial + slope * j) / initial) / Math.Log(multiplier)))
            .Select(power => (int)Math.Round(initial * Math.Pow(multiplier, power) / 8) * 8)
            .GroupBy(width => width)
            .ToArray();
        return ([.. stages.Select(stage => stage.Count())], [.. stages.Select(stage => Fitted(stage.Key))]);

        int Fitted(int width)
        {
            var group = Math.Min(groupWidth, width);
            return (int)Math.Round(width / (double)group) * group;
        }
    }

    private readonly ConvNorm stem;
    private readonly Sequential[] stages; // of blocks b1, b2, ...
    private readonly DropoutHead head;

    /// <summary>A network with timm's initialisation: convolutions He-normal over the outputs, the classifier normal 0.01.</summary>
    /// <exception cref="ArgumentException">Depths and widths of different numbers of stages, or a width that groups do not
    /// divide.</exception>
    public RegNet(Config config)
        : base(config)
    {
        if (config.Depths.Count != config.Widths.Count)
            throw new ArgumentException(
                $"{config.Depths.Count} depths and {config.Widths.Count} widths were given: every stage needs one of each",
                nameof(config)
            );
        if (config.Widths.FirstOrDefault(width => width % Math.Min(config.GroupWidth, width) != 0) is var odd and not 0)
            throw new ArgumentException($"the width {odd} must be a multiple of the group width {config.GroupWidth}", nameof(config));
        stem = new ConvNorm(config, config.Channels, config.StemWidth, 3, config.StemStride);
        var rates = Nn.DropPath.Rates(config.DropPath, config.Depths.Sum());
        stages = [.. config.Depths.Select((depth, i) => Stage(config, i, rates.AsSpan(config.Depths.Take(i).Sum(), depth)))];
        head = new DropoutHead("fc", config.Dropout, InitialClassifier());
        foreach (var (_, module) in NamedModules())
            if (module is Conv2d conv)
                Init.KaimingNormal(conv.Weight, fanOut: true);
    }

    private static Sequential Stage(Config config, int stage, ReadOnlySpan<double> dropPath)
    {
        var blocks = new (string, Layer)[config.Depths[stage]];
        var inputs = stage == 0 ? config.StemWidth : config.Widths[stage - 1];
        for (var j = 0; j < blocks.Length; j++)
            blocks[j] = (
                $"b{j + 1}",
                new Block(config, j == 0 ? inputs : config.Widths[stage], config.Widths[stage], j == 0 ? 2 : 1, dropPath[j])
            );
        return new Sequential(blocks);
    }

    /// <inheritdoc/>
    protected override void ListMembers(Members members)
    {
        members.Add("stem", stem);
        foreach (var (i, stage) in stages.Index())
            members.Add($"s{i + 1}", stage);
        members.Add("head", head);
    }

    /// <inheritdoc/>
    protected override int FirstStride => 2 * Options.StemStride;

    /// <inheritdoc/>
    public override int NumFeatures => Options.Widths[^1];

    /// <inheritdoc/>
    public override IReadOnlyList<string> BlockPaths =>
        [.. Options.Depths.SelectMany((depth, i) => Enumerable.Range(1, depth).Select(j => $"s{i + 1}.b{j}"))];

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

    /// <inheritdoc/>
    protected override IEnumerable<Tensor> Maps(Tensor image) // [B, C, H, W] -> [B, W_i, H / (4 2^i), W / (4 2^i)]
    {
        var x = stem.Call(image).Relu();
        foreach (var stage in stages)
            yield return x = stage.Call(x);
    }

    /// <inheritdoc/>
    protected override Tensor Classify(Tensor pooled) => head.Call(pooled);

    /// <summary>A convolution and its batch norm.</summary>
    private sealed partial class ConvNorm(Config config, int inputs, int outputs, int kernel, int stride, int groups = 1) : Layer
    {
        private readonly Conv2d conv = new(inputs, outputs, kernel, stride, kernel / 2, groups: groups, bias: false);
        private readonly BatchNorm bn = new(outputs, config.Eps, config.Momentum);

        public Parameter Weight => conv.Weight;
        public Parameter Scale => bn.Weight!;

        protected override Tensor Forward(Tensor input) => bn.Call(conv.Call(input));
    }

    /// <summary>ReLU(F(x) + shortcut(x)) (figure 4 and section 4): 1 x 1, 3 x 3 in groups, a gate, 1 x 1, all of the same width.</summary>
    private sealed partial class Block : Layer
    {
        private readonly ConvNorm conv1;
        private readonly ConvNorm conv2;
        private readonly SqueezeExcitation se;
        private readonly ConvNorm conv3;
        private readonly ConvNorm? downsample;
        private readonly DropPath dropPath;

        public Block(Config config, int inputs, int outputs, int stride, double dropPath)
        {
            conv1 = new ConvNorm(config, inputs, outputs, 1, 1);
            conv2 = new ConvNorm(config, outputs, outputs, 3, stride, outputs / Math.Min(config.GroupWidth, outputs));
            se = new SqueezeExcitation(outputs, (int)Math.Round(inputs * config.SqueezeRatio), new Relu());
            conv3 = new ConvNorm(config, outputs, outputs, 1, 1);
            if (config.ZeroInitResidual)
                Init.Zeros(conv3.Scale);
            if (stride != 1 || inputs != outputs)
                downsample = new ConvNorm(config, inputs, outputs, 1, stride);
            this.dropPath = new DropPath(dropPath);
        }

        protected override Tensor Forward(Tensor input)
        {
            var x = se.Call(conv2.Call(conv1.Call(input).Relu()).Relu());
            return (dropPath.Call(conv3.Call(x)) + (downsample is null ? input : downsample.Call(input))).Relu();
        }
    }

    private const string Paper = "Designing Network Design Spaces, 2020, arXiv:2003.13678";

    private static Variant Make(
        string name,
        int depth,
        int initial,
        double slope,
        double multiplier,
        int group,
        double parameters,
        double gmacs,
        double top1,
        string? note = null
    )
    {
        var (depths, widths) = Design(depth, initial, slope, multiplier, group);
        return new(
            name,
            Paper: Paper,
            Create: Variant.Configured(
                new Config(ImageSize: (224, 224), Depths: depths, Widths: widths, GroupWidth: group),
                config => new RegNet(config)
            ),
            ImageSize: 224,
            Parameters: parameters,
            GMacs: gmacs,
            Top1: top1,
            Dataset: "ImageNet-1k",
            Preprocessing: Preprocessing.ImageNet,
            Note: note
        );
    }

    /// <summary>The published networks; accuracies are those of the authors after 100 epochs, without regularisation.</summary>
    public static IReadOnlyList<Variant> Variants { get; } =
    [
        Make("regnety_002", depth: 13, initial: 24, slope: 36.44, multiplier: 2.49, group: 8, parameters: 3.2, gmacs: 0.2, top1: 70.4),
        Make("regnety_004", depth: 16, initial: 48, slope: 27.89, multiplier: 2.09, group: 8, parameters: 4.3, gmacs: 0.4, top1: 74.1),
        Make("regnety_006", depth: 15, initial: 48, slope: 32.54, multiplier: 2.32, group: 16, parameters: 6.1, gmacs: 0.6, top1: 75.5),
        Make("regnety_008", depth: 14, initial: 56, slope: 38.84, multiplier: 2.4, group: 16, parameters: 6.3, gmacs: 0.8, top1: 76.3),
        Make("regnety_016", depth: 27, initial: 48, slope: 20.71, multiplier: 2.65, group: 24, parameters: 11.2, gmacs: 1.6, top1: 78.0),
        Make("regnety_032", depth: 21, initial: 80, slope: 42.63, multiplier: 2.66, group: 24, parameters: 19.4, gmacs: 3.2, top1: 79.0),
        Make("regnety_040", depth: 22, initial: 96, slope: 31.41, multiplier: 2.24, group: 64, parameters: 20.6, gmacs: 4.0, top1: 79.4),
        Make("regnety_064", depth: 25, initial: 112, slope: 33.22, multiplier: 2.27, group: 72, parameters: 30.6, gmacs: 6.4, top1: 79.9),
        Make("regnety_080", depth: 17, initial: 192, slope: 76.82, multiplier: 2.19, group: 56, parameters: 39.2, gmacs: 8.0, top1: 79.9),
        Make("regnety_120", depth: 19, initial: 168, slope: 73.36, multiplier: 2.37, group: 112, parameters: 51.8, gmacs: 12.1, top1: 80.3),
        Make(
            "regnety_160",
            depth: 18,
            initial: 200,
            slope: 106.23,
            multiplier: 2.48,
            group: 112,
            parameters: 83.6,
            gmacs: 15.9,
            top1: 80.4,
            note: "DeiT's teacher, trained with DeiT's augmentation: 82.9"
        ),
        Make(
            "regnety_320",
            depth: 20,
            initial: 232,
            slope: 115.89,
            multiplier: 2.53,
            group: 232,
            parameters: 145.0,
            gmacs: 32.3,
            top1: 81.0
        ),
        Variant.Micro(
            "regnety_micro_32",
            Paper,
            config: new Config(
                ImageSize: (32, 32),
                Depths: [1, 2, 4, 2],
                Widths: [32, 64, 128, 256],
                GroupWidth: 16,
                Classes: 10,
                StemStride: 1
            ),
            create: config => new RegNet(config)
        ),
    ];
}
