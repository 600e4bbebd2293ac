using Tessera.Models.Layers;
using Tessera.Nn;

namespace Tessera.Models;

/// <summary>
/// BATS: a network of cells that an architecture search has found, whose convolutions have one bit for inputs and weights. Bulat et al.,
/// "BATS: Binary ArchitecTure Search", 2020, arXiv:2003.01711.
/// </summary>
/// <remarks>
/// First and last layers are real, and so are norms, rectifiers and all sums. Operations, names and order of the weights are those of the
/// authors' library binary-networks-pytorch; the found cells were published as a figure alone, so that the architecture is an option.
/// </remarks>
public sealed partial class Bats : CellNetwork<Bats.Config>
{
    /// <summary>A found architecture: of each kind of cell eight choices, two for each node, and the nodes that make its output.</summary>
    /// <param name="Normal">Choices of the cells that keep the size.</param>
    /// <param name="NormalConcat">States that stand side by side in their output; 2 is the first node.</param>
    /// <param name="Reduce">Choices of the cells that halve it.</param>
    /// <param name="ReduceConcat">States that stand side by side in their output.</param>
    public sealed record Genotype(
        IReadOnlyList<BatsChoice> Normal,
        IReadOnlyList<int> NormalConcat,
        IReadOnlyList<BatsChoice> Reduce,
        IReadOnlyList<int> ReduceConcat
    );

    /// <summary>Sizes and options.</summary>
    /// <param name="ImageSize">Height and width in pixels; every reduction halves them evenly.</param>
    /// <param name="Cells">The architecture.</param>
    /// <param name="Width">Channels of a node in the first cells, a multiple of the groups.</param>
    /// <param name="Layers">Number of cells, at least 3.</param>
    /// <param name="Classes">Number of classes; 0 for no classifier.</param>
    /// <param name="Channels">Channels of the images.</param>
    /// <param name="Auxiliary">Whether a second classifier learns along, after two thirds of the cells.</param>
    /// <param name="LargeImages">Whether the network begins with three convolutions that halve the size, as for ImageNet.</param>
    /// <param name="Style">How convolutions are made; null for one bit with learned factors.</param>
    /// <param name="DropPath">Share of samples that an operation is left out for in training, in [0, 1).</param>
    public sealed record Config(
        (int Height, int Width) ImageSize,
        Genotype Cells,
        int Width = 36,
        int Layers = 20,
        int Classes = 10,
        int Channels = 3,
        bool Auxiliary = false,
        bool LargeImages = false,
        BatsStyle? Style = null,
        double DropPath = 0
    ) : BackboneConfig
    {
        /// <summary>How convolutions are made.</summary>
        public BatsStyle Style { get; init; } = Style ?? new();

        /// <inheritdoc/>
        public override BackboneConfig With(ModelOptions options) =>
            (Config)base.With(options) with
            {
                DropPath = options.DropPath ?? DropPath,
            };
    }

    // The authors' groups of the convolutions that large images begin with.
    private const int ChannelsPerStemGroup = 20;

    private readonly Sequential? stem;
    private readonly Sequential? stem0;
    private readonly Sequential? stem1;
    private readonly ModuleList<Cell> cells;
    private readonly AuxiliaryHead? auxiliaryHead;
    private Linear? classifier;
    private readonly int features;

    /// <summary>A network with the engine's initialisation.</summary>
    /// <exception cref="ArgumentException">There are fewer than three cells, or groups do not divide the channels.</exception>
    public Bats(Config config)
        : base(config)
    {
        if (config.Layers < 3)
            throw new ArgumentException($"a network of cells needs at least 3, not {config.Layers}", nameof(config));
        var (width, before, last) = (config.Width, 3 * config.Width, 3 * config.Width);
        if (config.LargeImages)
        {
            var groups = Math.Max(width / ChannelsPerStemGroup, 1);
            if (width % 2 != 0 || width / 2 % groups != 0)
                throw new ArgumentException(
                    $"a width of {width} cannot begin with convolutions of {groups} groups: choose a multiple of 20 from 40, or an even "
                        + "number below",
                    nameof(config)
                );
            stem0 = new Sequential(
                ("0", new Conv2d(config.Channels, width / 2, 3, 2, 1, bias: false)),
                ("1", new BatchNorm(width / 2, config.Style.Eps)),
                ("2", new Relu()),
                ("3", new Conv2d(width / 2, width, 3, 2, 1, groups: groups, bias: false)),
                ("4", new BatchNorm(width, config.Style.Eps))
            );
            stem1 = new Sequential(
                ("1", new Conv2d(width, width, 3, 2, 1, groups: groups, bias: false)),
                ("2", new BatchNorm(width, config.Style.Eps))
            );
            (before, last) = (width, width);
        }
        else
            stem = new Sequential(
                ("0", new Conv2d(config.Channels, before, 3, 1, 1, bias: false)),
                ("1", new BatchNorm(before, config.Style.Eps))
            );
        List<Cell> list = [];
        var halved = config.LargeImages;
        for (var i = 0; i < config.Layers; i++)
        {
            var halves = Halves(i);
            width = halves ? 2 * width : width;
            list.Add(new Cell(config, before, last, width, halves, halved));
            (before, last, halved) = (last, width * list[^1].Nodes, halves);
            if (config.Auxiliary && i == SecondCell && config.Classes > 0)
                auxiliaryHead = new AuxiliaryHead(config, last);
        }
        features = last;
        cells = new(list);
        classifier = InitialClassifier();
    }

    private protected override int SecondCell => 2 * Options.Layers / 3;

    private protected override SecondClassifier? Second => auxiliaryHead;

    private bool Halves(int cell) => cell == Options.Layers / 3 || cell == SecondCell;

    /// <inheritdoc/>
    public override int NumFeatures => features;

    /// <inheritdoc/>
    public override IReadOnlyList<string> BlockPaths => [.. Enumerable.Range(0, Options.Layers).Select(i => $"cells.{i}")];

    /// <inheritdoc/>
    protected override int FirstStride => Options.LargeImages ? 8 : 1;

    /// <inheritdoc/>
    protected override ref Linear? Classifier => ref classifier;

    /// <summary>
    /// Weights of a training in which convolutions had real weights lack the scales of one bit: a channel begins with the mean size of its
    /// weights, which comes closest to them (Rastegari et al., 2016, arXiv:1603.05279, equation 6).
    /// </summary>
    public override void AdaptStateDict(IDictionary<string, Tensor> state)
    {
        using var outside = Torch.NoGrad();
        foreach (var name in NamedParameters().Select(entry => entry.Name).Where(BinaryConv2d.IsScale))
            if (!state.ContainsKey(name) && state.TryGetValue(BinaryConv2d.WeightOf(name), out var weight) && weight.Dim == 4)
                state.Add(name, Torch.Scope(() => weight.Abs().Mean([1, 2, 3]).Reshape(1, -1, 1, 1)));
    }

    private protected override IReadOnlyList<string> NotesOn(IReadOnlySet<string> given) =>
        NamedParameters().Count(entry => BinaryConv2d.IsScale(entry.Name) && !given.Contains(entry.Name)) is > 0 and var lacking
            ? [$"the weights lack the factors of {lacking} convolutions with one bit, which begin with the mean size of their weights"]
            : [];

    /// <inheritdoc/>
    protected override IEnumerable<Tensor> Maps(Tensor image)
    {
        foreach (var (i, x) in CellMaps(image).Index())
            if (i == Options.Layers - 1 || Halves(i + 1))
                yield return x;
    }

    private protected override IEnumerable<Tensor> CellMaps(Tensor image)
    {
        Tensor before,
            x;
        if (stem is null)
        {
            // The authors' rectifier changes the map in place: the first cell sees it rectified, too.
            before = stem0!.Call(image).Relu();
            x = stem1!.Call(before);
        }
        else
            before = x = stem.Call(image).Relu();
        foreach (var cell in cells)
        {
            (before, x) = (x, cell.Call((before, x)));
            yield return x;
        }
    }

    /// <summary>Four sums of two operations each, side by side.</summary>
    private sealed class Cell : Module<(Tensor BeforeLast, Tensor Last), Tensor>
    {
        private readonly Layer preprocess0,
            preprocess1;
        private readonly ModuleList<Layer> operations;
        private readonly DropPath drop;
        private readonly IReadOnlyList<BatsChoice> choices;
        private readonly IReadOnlyList<int> concat;

        internal Cell(Config config, int before, int last, int width, bool halves, bool afterReduction)
        {
            (choices, concat) = halves
                ? (config.Cells.Reduce, config.Cells.ReduceConcat)
                : (config.Cells.Normal, config.Cells.NormalConcat);
            foreach (var (i, choice) in choices.Index())
                if (choice.Input < 0 || choice.Input > i / 2 + 1)
                    throw new ArgumentException(
                        $"choice {i} of a cell must have an input from 0 to {i / 2 + 1}, not {choice.Input}",
                        nameof(config)
                    );
            if (choices.Count == 0 || choices.Count % 2 != 0 || concat.Any(state => state < 0 || state >= 2 + choices.Count / 2))
                throw new ArgumentException("a cell must have two choices for every node, and put out states that it has", nameof(config));
            preprocess0 = BatsOperations.Preprocess(before, width, afterReduction, config.Style);
            preprocess1 = BatsOperations.Preprocess(last, width, halves: false, config.Style);
            operations = new(
                choices.Select(choice => BatsOperations.Create(choice.Operation, width, halves && choice.Input < 2 ? 2 : 1, config.Style))
            );
            drop = new DropPath(config.DropPath);
        }

        internal int Nodes => concat.Count;

        protected override void ListMembers(Members members)
        {
            members.Add("preprocess0", preprocess0);
            members.Add("preprocess1", preprocess1);
            members.Add("_ops", operations);
            members.Add("drop_path", drop);
        }

        protected override Tensor Forward((Tensor BeforeLast, Tensor Last) input)
        {
            List<Tensor> states = [preprocess0.Call(input.BeforeLast), preprocess1.Call(input.Last)];
            for (var i = 0; i < choices.Count; i += 2)
                states.Add(Of(i, states) + Of(i + 1, states));
            return Torch.Cat(concat.Select(state => states[state]).ToArray(), 1);
        }

        private Tensor Of(int i, List<Tensor> states)
        {
            var y = operations[i].Call(states[choices[i].Input]);
            return operations[i] is Identity ? y : drop.Call(y);
        }
    }

    /// <summary>A classifier of a map in the middle.</summary>
    private sealed class AuxiliaryHead(Config config, int channels) : SecondClassifier(config.Classes)
    {
        private readonly BatchNorm norm1 = new(channels, config.Style.Eps),
            norm2 = new(Inner, config.Style.Eps);
        private readonly Conv2d conv1 = new(channels, Inner, 1, bias: false),
            conv2 = new(Inner, Width, 2, bias: false);
        private readonly PRelu act1 = new(Inner),
            act2 = new(Width);
        private readonly int stride = config.LargeImages ? 2 : 3;

        protected override void ListMembers(Members members)
        {
            members.Add("features.1", norm1);
            members.Add("features.2", conv1);
            members.Add("features.3", act1);
            members.Add("features.4", norm2);
            members.Add("features.5", conv2);
            members.Add("features.6", act2);
            base.ListMembers(members);
        }

        protected override Tensor Describe(Tensor map)
        {
            var x = act1.Call(conv1.Call(norm1.Call(map.AvgPool2d(5, stride, 0, false, false))));
            return act2.Call(conv2.Call(norm2.Call(x))).Flatten(1);
        }
    }
}
