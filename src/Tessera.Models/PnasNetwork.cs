using Tessera.Nn;

namespace Tessera.Models;

/// <summary>Which cells of a network of PNAS halve the size.</summary>
public enum PnasReductions
{
    /// <summary>The first cell of the second and of the third stage: 3 N cells, as in the published networks.</summary>
    First,

    /// <summary>A cell between two stages: 3 N + 2 cells.</summary>
    Between,
}

/// <summary>
/// A network of any cell of PNAS for small images, in which networks are compared while a search lasts, and trained at its end: a
/// convolution, three stages of cells, a linear classifier of the mean. Liu et al., "Progressive Neural Architecture Search", 2018,
/// arXiv:1712.00559, section 3.2.
/// </summary>
/// <remarks>
/// With the published cell, 3 cells in a stage and 48 channels it has 3.2 million parameters, as table 1 says of PNASNet-5. Stem and second
/// classifier, which the paper leaves open, are NASNet's: the stem has three times the channels of a block.
/// </remarks>
public sealed class PnasNetwork : CellNetwork<PnasNetwork.Config>
{
    /// <summary>Sizes and options.</summary>
    /// <param name="ImageSize">Height and width in pixels; any size runs.</param>
    /// <param name="Cell">The cell.</param>
    /// <param name="Filters">Channels of a block in the first stage, F.</param>
    /// <param name="CellsPerStage">Cells of each of the three stages, N.</param>
    /// <param name="Reductions">Which cells halve the size.</param>
    /// <param name="Classes">Number of classes; 0 for no classifier.</param>
    /// <param name="Channels">Channels of the images.</param>
    /// <param name="Auxiliary">Whether a second classifier learns along, after the second reduction.</param>
    /// <param name="DropPath">
    /// Share of samples that an operation of the last cell is left out for at the end of a training, in [0, 1). It grows over the cells,
    /// and with the training from 0.
    /// </param>
    /// <param name="Norms">Settings of all batch norms; null for those of the paper.</param>
    public sealed record Config(
        (int Height, int Width) ImageSize,
        PnasCell Cell,
        int Filters,
        int CellsPerStage,
        PnasReductions Reductions = PnasReductions.First,
        int Classes = 10,
        int Channels = 3,
        bool Auxiliary = false,
        double DropPath = 0,
        PnasNorms? Norms = null
    ) : BackboneConfig
    {
        /// <summary>Settings of all batch norms.</summary>
        public PnasNorms Norms { get; init; } = Norms ?? new();

        /// <inheritdoc/>
        public override BackboneConfig With(ModelOptions options) =>
            (Config)base.With(options) with
            {
                DropPath = options.DropPath ?? DropPath,
            };
    }

    private const int Stages = 3,
        StemFactor = 3;

    private readonly Sequential stem;
    private readonly ModuleList<PnasCellLayer> cells;
    private readonly bool[] reduces;
    private readonly AuxiliaryHead? auxiliaryHead;
    private Linear? classifier;

    /// <summary>A network with the engine's initialisation.</summary>
    /// <exception cref="ArgumentException">The second classifier cannot have maps of this size.</exception>
    public PnasNetwork(Config config)
        : base(config)
    {
        reduces = [.. Layout(config)];
        var blocks = config.Cell.Blocks.Count;
        var (width, halved) = (config.Filters, false);
        var (before, last) = (StemFactor * width, StemFactor * width);
        stem = new Sequential(("0", new Conv2d(config.Channels, last, 3, 1, 1, bias: false)), ("1", config.Norms.Create(last)));
        List<PnasCellLayer> list = [];
        foreach (var (i, halves) in reduces.Index())
        {
            width = halves ? 2 * width : width;
            list.Add(new PnasCellLayer(config.Cell, before, last, width, halves, halved, config.Norms));
            (before, last, halved) = (last, blocks * width, halves);
            if (config.Auxiliary && config.Classes > 0 && i == SecondCell)
                auxiliaryHead = new AuxiliaryHead(config, last);
        }
        cells = new(list);
        classifier = InitialClassifier();
    }

    private static IEnumerable<bool> Layout(Config config)
    {
        for (var stage = 0; stage < Stages; stage++)
        {
            if (stage > 0 && config.Reductions == PnasReductions.Between)
                yield return true;
            for (var i = 0; i < config.CellsPerStage; i++)
                yield return i == 0 && stage > 0 && config.Reductions == PnasReductions.First;
        }
    }

    private protected override int SecondCell => Array.LastIndexOf(reduces, true);

    private protected override SecondClassifier? Second => auxiliaryHead;

    private protected override Tensor Finished(Tensor map) => map.Relu();

    /// <inheritdoc/>
    protected override void ListMembers(Members members)
    {
        members.Add("stem", stem);
        members.Add("cells", cells);
        members.Add("auxiliary_head", auxiliaryHead);
        members.Add("classifier", classifier);
    }

    /// <inheritdoc/>
    protected override int FirstStride => 1;

    /// <inheritdoc/>
    public override int NumFeatures => Options.Cell.Blocks.Count * (Options.Filters << (Stages - 1));

    /// <inheritdoc/>
    public override IReadOnlyList<string> BlockPaths => [.. cells.Select((_, i) => $"cells.{i}")];

    /// <inheritdoc/>
    protected override ref Linear? Classifier => ref classifier;

    /// <inheritdoc/>
    /// <exception cref="ShapeException">The second classifier has maps of one size alone, and this would be another.</exception>
    public override void Resize(int height, int width)
    {
        if (auxiliaryHead is not null && !auxiliaryHead.Covers((height, width)))
            throw new ShapeException(
                $"{nameof(PnasNetwork)} with auxiliary takes images of {ImageSize.Height}x{ImageSize.Width}, not of {height}x{width}: its "
                    + "second classifier covers a map of that size"
            );
        base.Resize(height, width);
    }

    /// <inheritdoc/>
    protected override IEnumerable<Tensor> Maps(Tensor image)
    {
        foreach (var (i, x) in CellMaps(image).Index())
            if (i == cells.Count - 1)
                yield return Finished(x);
            else if (reduces[i + 1])
                yield return x;
    }

    private protected override IEnumerable<Tensor> CellMaps(Tensor image)
    {
        Tensor before,
            x;
        before = x = stem.Call(image);
        foreach (var (i, cell) in cells.Index())
        {
            cell.DropRate = Options.DropPath * (i + 1) / cells.Count * TrainedShare;
            (before, x) = (x, cell.Call((before, x)));
            yield return x;
        }
    }

    /// <summary>A classifier of a map in the middle.</summary>
    private sealed class AuxiliaryHead : SecondClassifier
    {
        private const int Window = 5;

        private readonly Conv2d conv1,
            conv2;
        private readonly BatchNorm norm1,
            norm2;
        private readonly int stride;
        private readonly (int Height, int Width) window;

        internal AuxiliaryHead(Config config, int channels)
            : base(config.Classes)
        {
            var (height, width) = config.ImageSize;
            // Small maps are pooled more densely.
            stride = Math.Min(Side(height), Side(width)) < 8 ? 2 : 3;
            window = (Places(height), Places(width));
            if (window is not (> 0, > 0))
                throw new ArgumentException(
                    $"auxiliary must be false for images of {height}x{width}: the second classifier needs at least 17 pixels in height and "
                        + "width",
                    nameof(config)
                );
            conv1 = new Conv2d(channels, Inner, 1, bias: false);
            norm1 = config.Norms.Create(Inner);
            conv2 = new Conv2d(Inner, Width, [window.Height, window.Width], bias: false);
            norm2 = config.Norms.Create(Width);
        }

        // The map has been halved twice, each time rounded up.
        private static int Side(int pixels) => (pixels + 3) / 4;

        private int Places(int pixels) => Side(pixels) < Window ? 0 : (Side(pixels) - Window) / stride + 1;

        /// <summary>Whether images of a size end in the one position that the head is made for.</summary>
        internal bool Covers((int Height, int Width) image) => (Places(image.Height), Places(image.Width)) == window;

        protected override void ListMembers(Members members)
        {
            members.Add("features.2", conv1);
            members.Add("features.3", norm1);
            members.Add("features.5", conv2);
            members.Add("features.6", norm2);
            base.ListMembers(members);
        }

        protected override Tensor Describe(Tensor map)
        {
            var x = conv1.Call(map.Relu().AvgPool2d(Window, stride, 0, false, false));
            return norm2.Call(conv2.Call(norm1.Call(x).Relu())).Relu().Flatten(1);
        }
    }
}
