using Tessera.Nn;

namespace Tessera.Models;

/// <summary>
/// PNASNet-5: a convolutional network of one cell of five blocks, which progressive search has found. Liu et al., "Progressive Neural
/// Architecture Search", 2018, arXiv:1712.00559.
/// </summary>
/// <remarks>
/// Names and order of the weights are those of the common PyTorch port (Cadene, timm), whose weights come from TensorFlow: padding is
/// uneven, the larger half below and on the right. Images may have any size from 35 pixels.
/// </remarks>
public sealed partial class PnasNet : StagedMaps<PnasNet.Config>
{
    /// <summary>Sizes and options.</summary>
    /// <param name="ImageSize">Height and width in pixels; any size from 35 runs.</param>
    /// <param name="Filters">Channels of a block in the first cells, F.</param>
    /// <param name="CellsPerStage">Cells of each of the three stages, N.</param>
    /// <param name="StemFilters">Channels of the first convolution.</param>
    /// <param name="Classes">Number of classes; 0 for no classifier.</param>
    /// <param name="Channels">Channels of the images.</param>
    /// <param name="EvenPadding">Whether padding is half of the kernel on every side, rather than as TensorFlow pads.</param>
    /// <param name="Eps">Of all batch norms.</param>
    /// <param name="Dropout">Dropout before the classifier.</param>
    /// <param name="Momentum">Weight of the newest batch in the running statistics.</param>
    public sealed record Config(
        (int Height, int Width) ImageSize,
        int Filters,
        int CellsPerStage,
        int StemFilters = 96,
        int Classes = 1000,
        int Channels = 3,
        bool EvenPadding = false,
        double Eps = 1e-3,
        double Dropout = 0,
        double Momentum = 0.1
    ) : BackboneConfig
    {
        /// <inheritdoc/>
        public override BackboneConfig With(ModelOptions options) =>
            (Config)base.With(options) with
            {
                Dropout = options.Dropout ?? Dropout,
            };
    }

    /// <summary>Blocks of a cell, whose outputs stand side by side.</summary>
    public const int BlocksPerCell = 5;

    private const int Stages = 3;

    private readonly Stem conv0;
    private readonly Cell cellStem0;
    private readonly Cell cellStem1;
    private readonly Cell[] cells;
    private Linear? lastLinear;
    private readonly Dropout drop;

    /// <summary>A network with the engine's initialisation.</summary>
    public PnasNet(Config config)
        : base(config)
    {
        var (filters, quarter, half) = (config.Filters, config.Filters / 4, config.Filters / 2);
        conv0 = new Stem(config);
        cellStem0 = new Cell(config, (config.StemFilters, null), quarter, stride: 2, matches: false, isFirst: true);
        cellStem1 = new Cell(config, (config.StemFilters, BlocksPerCell * quarter), half, stride: 2, matches: true);
        var (left, right, halved) = (BlocksPerCell * quarter, BlocksPerCell * half, true);
        var list = new List<Cell>();
        for (var stage = 0; stage < Stages; stage++)
        for (var i = 0; i < config.CellsPerStage; i++)
        {
            var width = filters << stage;
            var halves = i == 0 && stage > 0;
            // Where the cell before has halved the map, the one before that is twice as large.
            list.Add(new Cell(config, (left, right), width, stride: halves ? 2 : 1, matches: halved));
            (left, right, halved) = (right, BlocksPerCell * width, halves);
        }
        cells = [.. list];
        lastLinear = InitialClassifier();
        drop = new Dropout(config.Dropout);
    }

    /// <inheritdoc/>
    protected override void ListMembers(Members members)
    {
        members.Add("conv_0", conv0);
        members.Add("cell_stem_0", cellStem0);
        members.Add("cell_stem_1", cellStem1);
        foreach (var (i, cell) in cells.Index())
            members.Add($"cell_{i}", cell);
        members.Add("last_linear", lastLinear);
    }

    /// <inheritdoc/>
    protected override int FirstStride => 4;

    /// <inheritdoc/>
    public override int NumFeatures => BlocksPerCell * (Options.Filters << (Stages - 1));

    /// <inheritdoc/>
    public override IReadOnlyList<string> BlockPaths => ["cell_stem_0", "cell_stem_1", .. cells.Select((_, i) => $"cell_{i}")];

    /// <inheritdoc/>
    protected override ref Linear? Classifier => ref lastLinear;

    /// <inheritdoc/>
    protected override string ClassifierPath => "last_linear";

    /// <inheritdoc/>
    protected override IEnumerable<Tensor> Maps(Tensor image)
    {
        var first = conv0.Call(image);
        var before = cellStem0.Call((first, first));
        yield return before;
        var x = cellStem1.Call((first, before));
        foreach (var (i, cell) in cells.Index())
        {
            (before, x) = (x, cell.Call((before, x)));
            if (i % Options.CellsPerStage == Options.CellsPerStage - 1)
                yield return i == cells.Length - 1 ? x.Relu() : x;
        }
    }

    /// <inheritdoc/>
    protected override Tensor Classify(Tensor pooled) => lastLinear is null ? pooled : lastLinear.Call(drop.Call(pooled));

    /// <summary>Padding of a window: even, or as TensorFlow has it, so that a map of n becomes one of n / stride, rounded up.</summary>
    private static Tensor Padded(Tensor x, int kernel, int stride, bool even, double value = 0)
    {
        var (top, bottom) = Sides(x.Size(2));
        var (left, right) = Sides(x.Size(3));
        return (top, bottom, left, right) == (0, 0, 0, 0) ? x : x.ConstantPadNd([left, right, top, bottom], value);

        (long Before, long After) Sides(long size)
        {
            if (even)
                return (kernel / 2, kernel / 2);
            var all = Math.Max((size + stride - 1) / stride * stride - stride + kernel - size, 0);
            return (all / 2, all - all / 2);
        }
    }

    /// <summary>A convolution without padding, and a norm.</summary>
    private sealed partial class Stem(Config config) : Layer
    {
        private readonly Conv2d conv = new(config.Channels, config.StemFilters, 3, 2, bias: false);
        private readonly BatchNorm bn = new(config.StemFilters, config.Eps, config.Momentum);

        protected override Tensor Forward(Tensor input) => bn.Call(conv.Call(input));
    }

    /// <summary>ReLU (where it is wanted), a convolution of single positions, a norm.</summary>
    private sealed partial class Pointwise(Config config, int inputs, int outputs, int stride = 1, bool rectifies = true) : Layer
    {
        private readonly Conv2d conv = new(inputs, outputs, 1, stride, bias: false);
        private readonly BatchNorm bn = new(outputs, config.Eps, config.Momentum);

        protected override Tensor Forward(Tensor input) => bn.Call(conv.Call(rectifies ? input.Relu() : input));
    }

    /// <summary>A convolution of each channel, then one of single positions.</summary>
    private sealed partial class Separable(Config config, int inputs, int outputs, int kernel, int stride) : Layer
    {
        private readonly Conv2d depthwiseConv2d = new(inputs, inputs, kernel, stride, groups: inputs, bias: false);
        private readonly Conv2d pointwiseConv2d = new(inputs, outputs, 1, bias: false);

        protected override Tensor Forward(Tensor input) =>
            pointwiseConv2d.Call(depthwiseConv2d.Call(Padded(input, kernel, stride, config.EvenPadding)));
    }

    /// <summary>Twice ReLU, separable convolution, norm; the first changes size and width.</summary>
    private sealed class TwoSeparables(Config config, int inputs, int outputs, int kernel, int stride) : Layer
    {
        private readonly Separable first = new(config, inputs, outputs, kernel, stride),
            second = new(config, outputs, outputs, kernel, 1);
        private readonly BatchNorm firstNorm = new(outputs, config.Eps, config.Momentum),
            secondNorm = new(outputs, config.Eps, config.Momentum);

        protected override void ListMembers(Members members)
        {
            members.Add("separable_1", first);
            members.Add("bn_sep_1", firstNorm);
            members.Add("separable_2", second);
            members.Add("bn_sep_2", secondNorm);
        }

        protected override Tensor Forward(Tensor input) => secondNorm.Call(second.Call(firstNorm.Call(first.Call(input.Relu())).Relu()));
    }

    /// <summary>Figure 1 of the paper: five sums of two operations each, side by side.</summary>
    private sealed class Cell : Module<(Tensor BeforeLast, Tensor Last), Tensor>
    {
        private readonly Layer? conv1x1Before;
        private readonly Pointwise conv1x1;
        private readonly TwoSeparables sep5Left,
            sep7,
            sep5,
            sep3,
            sep3OfBlock,
            sep3Left;
        private readonly Pointwise? poolWidth;
        private readonly Pointwise? skip;
        private readonly int stride;
        private readonly bool even,
            isFirst;

        // The first cell has one input, which its left branches see as it is; the width changes within them.
        internal Cell(Config config, (int BeforeLast, int? Last) inputs, int width, int stride, bool matches, bool isFirst = false)
        {
            (this.stride, this.isFirst, even) = (stride, isFirst, config.EvenPadding);
            var left = isFirst ? inputs.BeforeLast : width;
            if (!isFirst)
                conv1x1Before = matches
                    ? new PnasReduction(
                        inputs.BeforeLast,
                        width,
                        new BatchNorm(width, config.Eps, config.Momentum),
                        ("path_1.conv", "path_2.conv", "final_path_bn")
                    )
                    : new Pointwise(config, inputs.BeforeLast, width);
            conv1x1 = new Pointwise(config, inputs.Last ?? inputs.BeforeLast, width);
            sep5Left = new TwoSeparables(config, left, width, 5, stride);
            if (isFirst)
                poolWidth = new Pointwise(config, left, width, rectifies: false);
            sep7 = new TwoSeparables(config, width, width, 7, stride);
            sep5 = new TwoSeparables(config, width, width, 5, stride);
            sep3 = new TwoSeparables(config, width, width, 3, stride);
            sep3OfBlock = new TwoSeparables(config, width, width, 3, 1);
            sep3Left = new TwoSeparables(config, left, width, 3, stride);
            if (stride > 1)
                skip = new Pointwise(config, width, width, stride);
        }

        protected override void ListMembers(Members members)
        {
            members.Add("conv_prev_1x1", conv1x1Before);
            members.Add("conv_1x1", conv1x1);
            members.Add("comb_iter_0_left", sep5Left);
            members.Add("comb_iter_0_right", poolWidth);
            members.Add("comb_iter_1_left", sep7);
            members.Add("comb_iter_2_left", sep5);
            members.Add("comb_iter_2_right", sep3);
            members.Add("comb_iter_3_left", sep3OfBlock);
            members.Add("comb_iter_4_left", sep3Left);
            members.Add("comb_iter_4_right", skip);
        }

        protected override Tensor Forward((Tensor BeforeLast, Tensor Last) input)
        {
            var left = conv1x1Before?.Call(input.BeforeLast) ?? input.BeforeLast;
            var right = conv1x1.Call(isFirst ? left : input.Last);
            var pooledLeft = MaxPool(left);
            var pooled = MaxPool(right);
            var first = sep5Left.Call(left) + (poolWidth?.Call(pooledLeft) ?? pooledLeft);
            var second = sep7.Call(right) + pooled;
            var third = sep5.Call(right) + sep3.Call(right);
            var fourth = sep3OfBlock.Call(third) + pooled;
            var fifth = sep3Left.Call(left) + (skip?.Call(right) ?? right);
            return Torch.Cat([first, second, third, fourth, fifth], 1);
        }

        private Tensor MaxPool(Tensor x) => Padded(x, 3, stride, even, double.NegativeInfinity).MaxPool2d(3, stride);
    }

    private const string Paper = "Progressive Neural Architecture Search, 2018, arXiv:1712.00559";

    private static readonly Preprocessing published = Preprocessing.ImageNet with { Mean = [0.5, 0.5, 0.5], Std = [0.5, 0.5, 0.5] };

    /// <summary>The published sizes, and one for CIFAR.</summary>
    public static IReadOnlyList<Variant> Variants { get; } =
    [
        new(
            "pnasnet5large",
            Paper,
            Variant.Configured(new Config((331, 331), Filters: 216, CellsPerStage: 4, Dropout: 0.5), config => new PnasNet(config)),
            ImageSize: 331,
            Parameters: 86.058,
            GMacs: 25.0,
            Top1: 82.9,
            Dataset: "ImageNet-1k",
            Preprocessing: published with
            {
                CropRatio = 0.911,
            },
            Note: "the published file has a class more, the first, for nothing of all: it is to be cut off"
        ),
        new(
            "pnasnet5mobile",
            Paper,
            Variant.Configured(new Config((224, 224), Filters: 54, CellsPerStage: 3, StemFilters: 32, Dropout: 0.5), config => new PnasNet(
                config
            )),
            ImageSize: 224,
            Parameters: 5.063,
            GMacs: 0.588,
            Top1: 74.2,
            Dataset: "ImageNet-1k",
            Preprocessing: published,
            Note: "weights with one class more, for nothing of all, are published"
        ),
        Variant.Micro(
            "pnasnet5_micro_64",
            Paper,
            config: new Config((64, 64), Filters: 24, CellsPerStage: 1, StemFilters: 16, Classes: 10),
            create: config => new PnasNet(config)
        ),
    ];
}
