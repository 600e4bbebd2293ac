using Tessera.Models.Layers;
using Tessera.Nn;

namespace Tessera.Models;

/// <summary>
/// Residual networks for images of 32 pixels: 6n + 2 layers in three stages of 16, 32 and 64 channels.
/// He et al., "Deep Residual Learning for Image Recognition", 2015, arXiv:1512.03385, section 4.2.
/// </summary>
/// <remarks>
/// Names and order of the weights are those of the common PyTorch port (akamaster). Its final pooling takes the map's width
/// as kernel; here it is global, which is the same for square maps.
/// </remarks>
public sealed partial class CifarResNet : StagedMaps<CifarResNet.Config>
{
    /// <summary>Sizes and options.</summary>
    /// <param name="BlocksPerStage">n: blocks in each of the three stages.</param>
    /// <param name="ProjectionShortcut">Where the shape changes: a 1 x 1 convolution (option B of the paper) instead of every second pixel
    /// with zero channels (option A).</param>
    /// <param name="ImageSize">Height and width in pixels; any size runs.</param>
    /// <param name="Classes">Number of classes; 0 for no classifier.</param>
    /// <param name="Channels">Channels of the images.</param>
    /// <param name="Eps">Of all batch norms.</param>
    /// <param name="Dropout">Dropout before the classifier.</param>
    /// <param name="DropPath">Stochastic depth of the last block.</param>
    public sealed record Config(
        int BlocksPerStage,
        (int Height, int Width) ImageSize,
        bool ProjectionShortcut = false,
        int Classes = 10,
        int Channels = 3,
        double Eps = 1e-5,
        double Dropout = 0,
        double DropPath = 0
    ) : RegularizedConfig;

    private readonly Conv2d conv1;
    private readonly BatchNorm bn1;
    private readonly ModuleList<Block> layer1;
    private readonly ModuleList<Block> layer2;
    private readonly ModuleList<Block> layer3;
    private Linear? linear;
    private readonly Dropout drop;

    /// <summary>A network with He-normal weights.</summary>
    public CifarResNet(Config config)
        : base(config)
    {
        conv1 = Initialize(new Conv2d(config.Channels, 16, 3, 1, 1, bias: false));
        bn1 = new BatchNorm(16, config.Eps);
        var rates = Nn.DropPath.Rates(config.DropPath, 3 * config.BlocksPerStage);
        layer1 = Stage(0, rates);
        layer2 = Stage(1, rates);
        layer3 = Stage(2, rates);
        if (config.Classes > 0)
            linear = Initialize(new Linear(NumFeatures, config.Classes));
        drop = new Dropout(config.Dropout);
    }

    private ModuleList<Block> Stage(int stage, double[] rates)
    {
        var width = 16 << stage;
        return new(
            Enumerable
                .Range(0, Options.BlocksPerStage)
                .Select(j => new Block(
                    Options,
                    j == 0 && stage > 0 ? width / 2 : width,
                    width,
                    j == 0 && stage > 0 ? 2 : 1,
                    rates[stage * Options.BlocksPerStage + j]
                ))
        );
    }

    /// <inheritdoc/>
    protected override int FirstStride => 1;

    /// <inheritdoc/>
    public override int NumFeatures => 64;

    /// <inheritdoc/>
    public override IReadOnlyList<string> BlockPaths =>
        [
            .. Enumerable
                .Range(0, 3 * Options.BlocksPerStage)
                .Select(i => $"layer{i / Options.BlocksPerStage + 1}.{i % Options.BlocksPerStage}"),
        ];

    /// <inheritdoc/>
    protected override ref Linear? Classifier => ref linear;

    /// <inheritdoc/>
    protected override Linear NewClassifier(int classes) => Initialize(new Linear(NumFeatures, classes));

    /// <inheritdoc/>
    protected override string ClassifierPath => "linear";

    /// <inheritdoc/>
    protected override IEnumerable<Tensor> Maps(Tensor image) // [B, C, H, W] -> [B, 16 2^i, H / 2^i, W / 2^i]
    {
        var x = bn1.Call(conv1.Call(image)).Relu();
        foreach (var (i, stage) in new[] { layer1, layer2, layer3 }.Index())
        {
            foreach (var block in stage)
                x = block.Call(x);
            yield return Record($"layer{i + 1}", x);
        }
    }

    /// <inheritdoc/>
    protected override Tensor Classify(Tensor pooled) => linear is null ? pooled : linear.Call(drop.Call(pooled));

    private static Conv2d Initialize(Conv2d conv)
    {
        Init.KaimingNormal(conv.Weight);
        return conv;
    }

    private static Linear Initialize(Linear linear)
    {
        Init.KaimingNormal(linear.Weight);
        return linear;
    }

    /// <summary>ReLU(F(x) + shortcut(x)) with two 3 x 3 convolutions.</summary>
    private sealed partial class Block : Layer
    {
        private readonly Conv2d conv1;
        private readonly BatchNorm bn1;
        private readonly Conv2d conv2;
        private readonly BatchNorm bn2;
        private readonly Sequential? shortcut;
        private readonly DropPath dropPath;
        private readonly bool changes;
        private readonly int added;

        public Block(Config config, int inputs, int outputs, int stride, double dropPath)
        {
            conv1 = Initialize(new Conv2d(inputs, outputs, 3, stride, 1, bias: false));
            bn1 = new BatchNorm(outputs, config.Eps);
            conv2 = Initialize(new Conv2d(outputs, outputs, 3, 1, 1, bias: false));
            bn2 = new BatchNorm(outputs, config.Eps);
            changes = stride != 1;
            added = (outputs - inputs) / 2;
            if (changes && config.ProjectionShortcut)
                shortcut = new Sequential(
                    Initialize(new Conv2d(inputs, outputs, 1, stride, bias: false)),
                    new BatchNorm(outputs, config.Eps)
                );
            this.dropPath = new DropPath(dropPath);
        }

        protected override Tensor Forward(Tensor input) =>
            (dropPath.Call(bn2.Call(conv2.Call(bn1.Call(conv1.Call(input)).Relu()))) + Shortcut(input)).Relu();

        private Tensor Shortcut(Tensor x)
        {
            if (!changes)
                return x;
            if (shortcut is not null)
                return shortcut.Call(x);
            // Every second pixel, and half of the missing channels as zeros on either side.
            return x.Slice(2, step: 2).Slice(3, step: 2).ConstantPadNd([0, 0, 0, 0, added, added]);
        }
    }

    private static Variant Make(int depth, double parameters, double accuracy, string? note = null) =>
        new(
            $"resnet{depth}_cifar",
            Paper: "Deep Residual Learning for Image Recognition, 2015, arXiv:1512.03385",
            Create: Variant.Configured(
                new Config(BlocksPerStage: (depth - 2) / 6, ImageSize: (32, 32), Classes: 10, DropPath: 0),
                config => new CifarResNet(config)
            ),
            ImageSize: 32,
            Parameters: parameters,
            Top1: accuracy,
            Dataset: "CIFAR-10",
            // The port's training normalised by the figures of ImageNet.
            Preprocessing: Preprocessing.ImageNet with
            {
                CropRatio = 1,
            },
            Note: note
        );

    /// <summary>The published depths; accuracies are those of the port, after 200 epochs.</summary>
    public static IReadOnlyList<Variant> Variants { get; } =
    [
        Make(depth: 20, parameters: 0.27, accuracy: 91.73, note: "paper: 91.25"),
        Make(depth: 32, parameters: 0.46, accuracy: 92.63, note: "paper: 92.49"),
        Make(depth: 44, parameters: 0.66, accuracy: 93.10, note: "paper: 92.83"),
        Make(depth: 56, parameters: 0.85, accuracy: 93.39, note: "paper: 93.03"),
        Make(depth: 110, parameters: 1.73, accuracy: 93.68, note: "paper: 93.57"),
    ];
}
