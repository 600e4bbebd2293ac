using Tessera.Models.Layers;
using Tessera.Nn;

namespace Tessera.Models;

/// <summary>
/// The network that BATS searches with: cells whose edges mix all operations by the softmax of a table, which all cells of a kind share.
/// Bulat et al., "BATS: Binary ArchitecTure Search", 2020, arXiv:2003.01711.
/// </summary>
/// <remarks>
/// It computes the mixture; the cells that its tables speak for are a network of their own (<see cref="Derived"/>). Norms have neither
/// scale nor shift.
/// </remarks>
public sealed partial class BatsSupernet : StagedMaps<BatsSupernet.Config>
{
    /// <summary>Sizes and options.</summary>
    /// <param name="ImageSize">Height and width in pixels, multiples of 4.</param>
    /// <param name="Width">Channels of a node in the first cells, a multiple of the groups.</param>
    /// <param name="Layers">Number of cells, at least 3.</param>
    /// <param name="Classes">Number of classes; 0 for no classifier.</param>
    /// <param name="Channels">Channels of the images.</param>
    /// <param name="Style">How convolutions are made; null for inputs of one bit and norms without scale and shift.</param>
    /// <param name="Temperature">T of the softmax over operations, above 0; 1 is DARTS.</param>
    public sealed record Config(
        (int Height, int Width) ImageSize,
        int Width = 24,
        int Layers = 8,
        int Classes = 10,
        int Channels = 3,
        BatsStyle? Style = null,
        double Temperature = 0.2
    ) : BackboneConfig
    {
        /// <summary>How convolutions are made.</summary>
        public BatsStyle Style { get; init; } = Style ?? new(Binarization: Binarization.Activations, AffineNorms: false);
    }

    /// <summary>Deviation of the tables' first values.</summary>
    private const double TableDeviation = 1e-3;

    /// <summary>The tables of the two kinds of cell, one row for each edge, one column for each operation.</summary>
    public sealed partial class ArchitectureTables : Module
    {
        private readonly Parameter normal = Init.Normal(new Parameter([BatsSearchCell.Edges, BatsOperations.Names.Count]), TableDeviation);
        private readonly Parameter reduce = Init.Normal(new Parameter([BatsSearchCell.Edges, BatsOperations.Names.Count]), TableDeviation);

        /// <summary>Of the cells that keep the size, [14, 8].</summary>
        public Parameter Normal => normal;

        /// <summary>Of the cells that halve it, [14, 8].</summary>
        public Parameter Reduce => reduce;
    }

    private readonly Sequential stem;
    private readonly ModuleList<BatsSearchCell> cells;
    private Linear? classifier;
    private readonly ArchitectureTables tables = new();
    private readonly int features;

    /// <summary>A supernet with the engine's initialisation, and with tables that speak for nothing yet.</summary>
    /// <exception cref="ArgumentException">
    /// There are fewer than three cells, groups do not divide the channels, or the images do not halve evenly.
    /// </exception>
    public BatsSupernet(Config config)
        : base(config)
    {
        if (config.Layers < 3)
            throw new ArgumentException($"a network of cells needs at least 3, not {config.Layers}", nameof(config));
        if (config.Temperature <= 0)
            throw new ArgumentException($"the temperature must be above 0, not {config.Temperature}", nameof(config));
        CheckSize(config.ImageSize, firstStride: 1);
        var (width, before, last, halved) = (config.Width, 3 * config.Width, 3 * config.Width, false);
        stem = new Sequential(
            ("0", new Conv2d(config.Channels, before, 3, 1, 1, bias: false)),
            ("1", new BatchNorm(before, config.Style.Eps, affine: config.Style.AffineNorms))
        );
        List<BatsSearchCell> list = [];
        for (var i = 0; i < config.Layers; i++)
        {
            var halves = Halves(i);
            width = halves ? 2 * width : width;
            list.Add(new BatsSearchCell(before, last, width, halves, halved, config.Style));
            (before, last, halved) = (last, width * BatsSearchCell.Nodes, halves);
        }
        features = last;
        cells = new(list);
        classifier = InitialClassifier();
    }

    /// <summary>Refuses images whose maps do not halve evenly twice.</summary>
    internal static void CheckSize((int Height, int Width) size, int firstStride)
    {
        var multiple = 4 * firstStride;
        if (size.Height % multiple != 0 || size.Width % multiple != 0)
            throw new ArgumentException(
                $"images of {size.Height}x{size.Width} do not halve evenly: sides must be multiples of {multiple} (model.image_size)"
            );
    }

    private bool Halves(int cell) => cell == Options.Layers / 3 || cell == 2 * Options.Layers / 3;

    /// <summary>The tables: all that a search is about.</summary>
    public ArchitectureTables Tables => tables;

    /// <summary>Everything but the tables.</summary>
    public IReadOnlyList<Module> Operations => classifier is null ? [stem, cells] : [stem, cells, classifier];

    /// <summary>Weights of the operations of every edge, [14, 8].</summary>
    /// <param name="reduces">Of the cells that halve the size.</param>
    public Tensor Weights(bool reduces) => BatsSearchCell.Weights(reduces ? tables.Reduce : tables.Normal, Options.Temperature);

    /// <summary>The architecture that the tables speak for.</summary>
    public Bats.Genotype Derived()
    {
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        return BatsText.Genotype(BatsSearchCell.Derive(Weights(reduces: false)), BatsSearchCell.Derive(Weights(reduces: true)));
    }

    /// <inheritdoc/>
    public override int NumFeatures => features;

    /// <inheritdoc/>
    public override IReadOnlyList<string> BlockPaths => [.. Enumerable.Range(0, Options.Layers).Select(i => $"cells.{i}")];

    /// <inheritdoc/>
    protected override int FirstStride => 1;

    /// <inheritdoc/>
    protected override ref Linear? Classifier => ref classifier;

    /// <inheritdoc/>
    protected override string ClassifierPath => "classifier";

    /// <inheritdoc/>
    protected override IEnumerable<Tensor> Maps(Tensor image)
    {
        var (normal, reduce) = (Weights(reduces: false), Weights(reduces: true));
        var before = stem.Call(image).Relu();
        var x = before;
        foreach (var (i, cell) in cells.Index())
        {
            (before, x) = (x, cell.Call((before, x, Halves(i) ? reduce : normal)));
            if (i == Options.Layers - 1 || Halves(i + 1))
                yield return x;
        }
    }
}
