using Tessera.Data;
using Tessera.Data.Loading;
using Tessera.Models;

namespace Tessera.Training.Objectives.Search;

/// <summary>
/// Differentiable search for the cells of a binary network. Bulat et al., "BATS: Binary ArchitecTure Search", 2020, arXiv:2003.01711;
/// first order, as DARTS has it. In the phase <c>architecture</c> the tables learn from one half of the training samples, in the phase
/// <c>weights</c> everything else from the other half.
/// </summary>
public sealed partial class BatsSearch : BackboneObjective
{
    internal const string ArchitecturePhase = "architecture",
        WeightsPhase = "weights";

    /// <summary>Share of skips among the operations of the derived cells above which it is said.</summary>
    internal const double MostSkips = 0.5;

    private const string EntropyNormal = "entropy_normal",
        EntropyReduce = "entropy_reduce",
        LargestNormal = "largest_normal",
        LargestReduce = "largest_reduce",
        Skips = "skips";

    private readonly IReadOnlyList<bool> second;

    // Whether it was said of the last epoch, too.
    private readonly ModuleBuffer warned = new(Tensor.From<long>([0]));

    /// <summary>The method for the supernet of a context.</summary>
    /// <param name="options">Division of the samples.</param>
    /// <param name="context">Supernet and data.</param>
    /// <exception cref="ArgumentException">The model is no supernet of BATS, or there are too few samples for two halves.</exception>
    public BatsSearch(BatsSearchOptions options, ObjectiveContext context)
        : this(
            context.Student as BatsSupernet
                ?? throw new ArgumentException($"bats_search needs a bats_supernet, not a {context.Student.GetType().Name}"),
            Halves.Second(
                context.Data?.Count ?? throw new ArgumentException("bats_search needs the training data at hand"),
                options.Division
            )
        ) { }

    /// <summary>The method for a supernet of your own.</summary>
    /// <param name="supernet">The model that is searched in.</param>
    /// <param name="second">Whether each sample belongs to the half that the tables learn from (<see cref="Halves.Second"/>).</param>
    /// <exception cref="ArgumentException">One of the halves is empty.</exception>
    public BatsSearch(BatsSupernet supernet, IReadOnlyList<bool> second)
        : base(supernet)
    {
        if (!second.Contains(true) || !second.Contains(false))
            throw new ArgumentException($"bats_search needs samples for two halves, not {second.Count}");
        this.second = second;
    }

    /// <summary>The model that is searched in.</summary>
    public BatsSupernet Supernet => (BatsSupernet)Model;

    /// <inheritdoc/>
    public override IReadOnlyList<Phase> Phases => [new(ArchitecturePhase, [Supernet.Tables]), new(WeightsPhase, Supernet.Operations)];

    /// <summary>Every sample passes once, in the phase of its half.</summary>
    public override double? ForwardPasses => Supervised.OnePass;

    /// <inheritdoc/>
    public override IReadOnlyList<MetricCurve> Watched =>
        [
            Curve("Entropy of the normal cell's table", EntropyNormal, MetricFormat.Number),
            Curve("Entropy of the reduction cell's table", EntropyReduce, MetricFormat.Number),
            Curve("Largest weight of an edge, normal cell", LargestNormal, MetricFormat.Number),
            Curve("Largest weight of an edge, reduction cell", LargestReduce, MetricFormat.Number),
            Curve("Skips among the derived operations", Skips, MetricFormat.Share),
        ];

    private static MetricCurve Curve(string title, string part, MetricFormat format) => new(title, $"{ArchitecturePhase}_{part}", format);

    /// <summary>
    /// Twice the loss of the samples of the phase's half, over all samples of the batch: its mean, however the batch is divided into parts
    /// that pass by themselves.
    /// </summary>
    protected override Loss ForwardLoss(Batch batch, Progress progress, Phase phase)
    {
        var learnsTables = phase.Name == ArchitecturePhase;
        var part = Part(batch, learnsTables);
        var logits = Student.Run(new(part.Inputs)).Logits;
        var own = part.IsPlaceholder ? 0 : part.Count;
        return new(Supervised.Base(logits, part, smoothing: 0) * (2.0 * own / batch.Count))
        {
            Scores = Accuracy(logits, part),
            Parts = learnsTables ? Figures() : new Dictionary<string, Tensor>(),
        };
    }

    // A part of a batch without samples of the half passes and counts nothing, so that all processes take part in each pass.
    private Batch Part(Batch batch, bool ofSecond)
    {
        long[] places = [.. batch.Indices.Index().Where(entry => second[entry.Item] == ofSecond).Select(entry => (long)entry.Index)];
        if (places.Length == 0)
            return batch with { IsPlaceholder = true };
        var chosen = Tensor.From<long>(places).To(batch.Inputs.Device);
        return new(
            batch.Inputs.IndexSelect(0, chosen),
            new ClassTargets(ClassTargets.Of(batch).Labels.IndexSelect(0, chosen.To(ClassTargets.Of(batch).Labels.Device))),
            [.. places.Select(place => batch.Indices[(int)place])]
        )
        {
            IsPlaceholder = batch.IsPlaceholder,
        };
    }

    private Dictionary<string, Tensor> Figures()
    {
        using var outside = Torch.NoGrad();
        var (normal, reduce) = (Supernet.Weights(reduces: false), Supernet.Weights(reduces: true));
        return new()
        {
            [EntropyNormal] = BatsSearchCell.Entropy(normal),
            [EntropyReduce] = BatsSearchCell.Entropy(reduce),
            [LargestNormal] = normal.Amax([-1]).Mean(),
            [LargestReduce] = reduce.Amax([-1]).Mean(),
            [Skips] = normal.NewOnes([]) * ShareOfSkips(Supernet.Derived()),
        };
    }

    /// <summary>Share of skips among the operations of both cells.</summary>
    internal static double ShareOfSkips(Bats.Genotype cells)
    {
        BatsChoice[] all = [.. cells.Normal, .. cells.Reduce];
        return all.Count(choice => choice.Operation == BatsOperations.Skip) / (double)all.Length;
    }

    /// <inheritdoc/>
    public override void AfterStep(Progress progress)
    {
        if ((progress.Step + 1) % progress.StepsPerEpoch != 0 && progress.Step + 1 != progress.TotalSteps)
            return;
        using var scope = new Scope();
        var share = ShareOfSkips(Supernet.Derived());
        var before = warned.ToArray<long>()[0] != 0;
        warned.Copy_(Tensor.From<long>([share > MostSkips ? 1 : 0]));
        if (share > MostSkips && !before)
            Remark(
                FormattableString.Invariant($"{share:0%} of the operations of the derived cells are skips: the search collapses; ")
                    + "try a lower temperature of the supernet, or fewer epochs"
            );
    }

    /// <inheritdoc/>
    public override IReadOnlyList<ReportSection> Report(ReportSamples samples) => BatsReport.Sections(Supernet);
}
