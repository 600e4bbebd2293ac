using Tessera.Models.Layers;
using Tessera.Nn;

namespace Tessera.Models;

/// <summary>
/// The residual network that guides transformers on small data: 6n + 2 layers for images of 32 pixels, with 1 x 1 convolutions as
/// shortcuts where the shape changes. Li et al., "Locality Guidance for Improving Vision Transformers on Tiny Datasets", 2022,
/// arXiv:2207.10026; the network is He et al.'s, 2015, arXiv:1512.03385. Names and order of the weights are those of the authors' code.
/// </summary>
public sealed partial class GuideResNet : Backbone<GuideResNet.Config>
{
    /// <summary>Sizes and options.</summary>
    /// <param name="BlocksPerStage">n: blocks in each of the three stages.</param>
    /// <param name="ImageSize">Height and width in pixels; any size runs.</param>
    /// <param name="Widths">Channels of the three stages.</param>
    /// <param name="Classes">Number of classes; 0 for no classifier.</param>
    /// <param name="Channels">Channels of the images.</param>
    /// <param name="Eps">Of all batch norms.</param>
    /// <param name="Momentum">Of all batch norms.</param>
    public sealed record Config(
        int BlocksPerStage,
        (int Height, int Width) ImageSize,
        IReadOnlyList<int>? Widths = null,
        int Classes = 100,
        int Channels = 3,
        double Eps = 1e-5,
        double Momentum = 0.1
    ) : BackboneConfig
    {
        /// <summary>Channels of the three stages.</summary>
        public IReadOnlyList<int> Widths { get; init; } = Widths ?? [16, 32, 64];
    }

    private readonly Stem stem;
    private readonly Stage[] stages;
    private readonly DropoutHead head;

    /// <summary>A network with the authors' initialisation.</summary>
    public GuideResNet(Config config)
        : base(config)
    {
        stem = new Stem(config);
        stages = [.. config.Widths.Select((_, i) => new Stage(config, i))];
        head = new DropoutHead("fc", 0, InitialClassifier());
    }

    /// <inheritdoc/>
    protected override void ListMembers(Members members)
    {
        members.Add("stem", stem);
        foreach (var (i, stage) in stages.Index())
            members.Add($"s{i + 1}", stage);
        members.Add("head", head);
    }

    private static Conv2d Convolution(int inputs, int outputs, int kernel, int stride)
    {
        var conv = new Conv2d(inputs, outputs, kernel, stride, kernel / 2, bias: false);
        Init.KaimingNormal(conv.Weight, fanOut: true);
        return conv;
    }

    private static BatchNorm Norm(Config config, int width) => new(width, config.Eps, config.Momentum);

    /// <inheritdoc/>
    public override int NumFeatures => Options.Widths[^1];

    /// <inheritdoc/>
    public override IReadOnlyList<string> BlockPaths =>
        [.. stages.Index().SelectMany(s => Enumerable.Range(1, Options.BlocksPerStage).Select(j => $"s{s.Index + 1}.b{j}"))];

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

    private IEnumerable<Tensor> Maps(Tensor image) // [B, C, H, W] -> [B, 16 2^i, H / 2^i, W / 2^i]
    {
        var x = stem.Call(image);
        foreach (var stage in stages)
            yield return x = stage.Call(x);
    }

    /// <inheritdoc/>
    protected override Tensor Features(Tensor input) => Maps(input).Last();

    /// <inheritdoc/>
    protected override Tensor Pool(Tensor features) => features.Mean((2, 3));

    /// <inheritdoc/>
    protected override Tensor Classify(Tensor pooled) => head.Call(pooled);

    /// <summary>The stages, strides 1, 2 and 4.</summary>
    protected override IReadOnlyList<FeatureMap> FeatureMaps(Tensor input) =>
        [.. Maps(input).Select((map, i) => new FeatureMap(map, 1 << i))];

    private sealed partial class Stem : Layer
    {
        private readonly Conv2d conv;
        private readonly BatchNorm bn;

        public Stem(Config config) => (conv, bn) = (Convolution(config.Channels, config.Widths[0], 3, 1), Norm(config, config.Widths[0]));

        protected override Tensor Forward(Tensor input) => bn.Call(conv.Call(input)).Relu();
    }

    private sealed class Stage : Layer
    {
        private readonly Block[] blocks;

        public Stage(Config config, int index) =>
            blocks = [
                .. Enumerable
                    .Range(0, config.BlocksPerStage)
                    .Select(j => new Block(
                        config,
                        config.Widths[j > 0 || index == 0 ? index : index - 1],
                        config.Widths[index],
                        j == 0 && index > 0 ? 2 : 1
                    )),
            ];

        protected override void ListMembers(Members members)
        {
            foreach (var (j, block) in blocks.Index())
                members.Add($"b{j + 1}", block);
        }

        protected override Tensor Forward(Tensor input) => blocks.Aggregate(input, (x, block) => block.Call(x));
    }

    /// <summary>ReLU(f(x) + shortcut(x)).</summary>
    private sealed partial class Block : Layer
    {
        private readonly Conv2d? proj;
        private readonly BatchNorm? bn;
        private readonly Residual f;

        public Block(Config config, int inputs, int outputs, int stride)
        {
            if (stride != 1 || inputs != outputs)
                (proj, bn) = (Convolution(inputs, outputs, 1, stride), Norm(config, outputs));
            f = new Residual(config, inputs, outputs, stride);
        }

        protected override Tensor Forward(Tensor input) => (f.Call(input) + (proj is null ? input : bn!.Call(proj.Call(input)))).Relu();
    }

    private sealed partial class Residual : Layer
    {
        private readonly Conv2d a;

        [Name("a_bn")]
        private readonly BatchNorm firstNorm;
        private readonly Conv2d b;

        [Name("b_bn")]
        private readonly BatchNorm secondNorm;

        public Residual(Config config, int inputs, int outputs, int stride)
        {
            (a, firstNorm) = (Convolution(inputs, outputs, 3, stride), Norm(config, outputs));
            (b, secondNorm) = (Convolution(outputs, outputs, 3, 1), Norm(config, outputs));
        }

        protected override Tensor Forward(Tensor input) => secondNorm.Call(b.Call(firstNorm.Call(a.Call(input)).Relu()));
    }

    private static Variant Make(int depth, double parameters, double gmacs) =>
        new(
            $"guide_resnet{depth}",
            Paper: "Locality Guidance for Improving Vision Transformers on Tiny Datasets, 2022, arXiv:2207.10026",
            Create: Variant.Configured(
                new Config(BlocksPerStage: (depth - 2) / 6, ImageSize: (32, 32), Classes: 100),
                config => new GuideResNet(config)
            ),
            ImageSize: 32,
            Parameters: parameters,
            GMacs: gmacs,
            Dataset: "CIFAR-100",
            Preprocessing: Preprocessing.Cifar100,
            Note: "the guide of transformers; projections as shortcuts"
        );

    /// <summary>The published depths.</summary>
    public static IReadOnlyList<Variant> Variants { get; } =
    [
        Make(depth: 20, parameters: 0.278, gmacs: 0.0408),
        Make(depth: 32, parameters: 0.473, gmacs: 0.0691),
        Make(depth: 44, parameters: 0.667, gmacs: 0.0974),
        Make(depth: 56, parameters: 0.862, gmacs: 0.1258),
    ];
}
