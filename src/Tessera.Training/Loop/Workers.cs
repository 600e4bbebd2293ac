using System.Globalization;
using System.Text.Json;
using Tessera.Data;
using Tessera.Data.Loading;
using Tessera.Distributed;
using Tessera.Models;

namespace Tessera.Training.Loop;

/// <summary>
/// The processes that train one model together, as the trainer sees them; a training in one process has none. Each computes its
/// share of every batch; what is reduced here makes loss, gradients and figures those of the whole batch.
/// </summary>
internal sealed class Workers : IDisposable
{
    private static readonly JsonSerializerOptions json = new();

    private readonly ProcessGroup group;
    private readonly Dictionary<PhaseSetup, DataParallel> parallel;
    private readonly Objective objective;

    internal Workers(TrainingSetup setup, ProcessGroup group)
    {
        (this.group, objective) = (group, setup.Objective);
        parallel = setup.Phases.ToDictionary(
            phase => phase,
            phase => new DataParallel(
                group,
                [setup.Objective],
                phase.Learned.Select(entry => entry.Parameter),
                setup.Options.SyncBatchNorm && setup.Objective.SharesBatchStatistics
            )
        );
    }

    internal int Count => group.Size;

    /// <summary>Whether any process was asked to stop, as of the last step.</summary>
    internal bool Stopping { get; private set; }

    /// <summary>
    /// Begins a phase of a step. Random numbers of the model depend only on seed, process, step and phase, so that they need not be saved.
    /// </summary>
    internal void Begin(ulong seed, long step, int phase)
    {
        group.Step = step;
        Torch.Seed(new SampleRandom(seed, step, group.Rank, RandomStream + phase).NextBits() >> 1);
    }

    // Apart from those that the loader draws by.
    private const int RandomStream = 7 << 20;

    /// <summary>Divides a batch into as many parts as in every other process, since all processes take part in each pass.</summary>
    internal IEnumerable<Batch> Split(Batch batch, int? largest)
    {
        var parts = largest is { } most ? (BatchShare.Largest(batch.GlobalCount, Count) + most - 1) / most : 1;
        if (parts <= 1)
            return [batch];
        var own = batch.IsPlaceholder ? 0 : batch.Count;
        return Enumerable
            .Range(0, parts)
            .Select(i => (Start: own * i / parts, End: own * (i + 1) / parts))
            .Select(part =>
                part.End > part.Start ? batch.Slice(part.Start, part.End - part.Start) : batch.Slice(0, 1) with { IsPlaceholder = true }
            );
    }

    /// <summary>Computes something of a part of a batch: what it adds to batch statistics is its own.</summary>
    internal T Pass<T>(Batch part, Func<T> compute) => In(part.IsPlaceholder ? Participation.Listening : Participation.Full, compute);

    /// <summary>Computes something that the other processes do not.</summary>
    internal T Alone<T>(Func<T> compute) => In(Participation.Alone, compute);

    private T In<T>(Participation participation, Func<T> compute)
    {
        var before = group.Participation;
        group.Participation = participation;
        try
        {
            return compute();
        }
        finally
        {
            group.Participation = before;
        }
    }

    /// <summary>Averages the accumulated gradients and those of the next backward pass over all processes.</summary>
    internal void Average(PhaseSetup phase, Tensor loss) => parallel[phase].Average(loss);

    /// <summary>Exchanges tensors; whoever fails is named.</summary>
    internal void Guard(Action exchange) => group.Guard(exchange);

    /// <summary>The sum of a figure over all processes.</summary>
    internal double Sum(double own) => group.Sum([own])[0];

    /// <summary>Joins the figures and problems of all processes for one step.</summary>
    /// <param name="own">Figures of this process; a loss counts by its share of the samples.</param>
    /// <param name="problem">The problem of this process in one line; null without one.</param>
    /// <param name="stop">Whether this process was asked to stop.</param>
    /// <param name="unreadable">Images that could not be read here; gets those of all.</param>
    /// <param name="progress">Step and epoch of the training.</param>
    /// <exception cref="NonFiniteLossException">There is a problem in any process.</exception>
    internal StepMetrics Reduce(
        StepMetrics own,
        NonFiniteLossException? problem,
        bool stop,
        List<UnreadableImage> unreadable,
        Progress progress
    )
    {
        string[] parts = [.. own.Parts.Keys.Order(StringComparer.Ordinal)];
        string[] scores = [.. own.Scores.Keys.Order(StringComparer.Ordinal)];
        var sums = group.Sum([
            own.Samples,
            own.Loss,
            problem is null ? 0 : 1,
            stop ? 1 : 0,
            unreadable.Count,
            .. parts.Select(name => own.Parts[name]),
            .. scores.SelectMany(name => (double[])[own.Scores[name].Sum, own.Scores[name].Weight]),
        ]);
        var (partsAt, scoresAt) = (5, 5 + parts.Length);
        Stopping = sums[3] > 0;
        if (sums[4] > 0)
        {
            var all = group.Gather(JsonSerializer.Serialize(unreadable, json));
            unreadable.Clear();
            unreadable.AddRange(all.SelectMany(text => JsonSerializer.Deserialize<UnreadableImage[]>(text, json)!));
        }
        if (sums[2] > 0)
        {
            var said = group.Gather(problem is null ? "" : $"{string.Join(',', problem.Samples)}\n{problem.Message}");
            var rank = Array.FindIndex(said, text => text.Length > 0);
            var lines = said[rank].Split('\n', 2);
            throw NonFiniteLossException.OfRank(
                rank,
                [
                    .. lines[0]
                        .Split(',', StringSplitOptions.RemoveEmptyEntries)
                        .Select(index => int.Parse(index, CultureInfo.InvariantCulture)),
                ],
                lines[1],
                progress
            );
        }
        return new(
            1,
            (long)sums[0],
            sums[1],
            new OrderedDictionary<string, double>(parts.Select((name, i) => KeyValuePair.Create(name, sums[partsAt + i]))),
            new OrderedDictionary<string, Score>(
                scores.Select((name, i) => KeyValuePair.Create(name, new Score(sums[scoresAt + 2 * i], sums[scoresAt + 2 * i + 1])))
            )
        );
    }

    /// <summary>Before the model is measured: with batch statistics of its own, each process has other running ones.</summary>
    internal void BroadcastBuffers() => parallel.Values.First().BroadcastBuffers();

    /// <summary>The processes, for measuring.</summary>
    internal ProcessGroup Group => group;

    /// <summary>Sends a value of rank 0 to all processes.</summary>
    internal T Broadcast<T>(Func<T> first) =>
        JsonSerializer.Deserialize<T>(group.Broadcast(group.IsFirst ? JsonSerializer.Serialize(first(), json) : ""), json)!;

    /// <summary>Sends tensors of rank 0 to all processes.</summary>
    internal OrderedDictionary<string, Tensor> Broadcast(IReadOnlyDictionary<string, Tensor>? named) => group.Broadcast(named);

    public void Dispose()
    {
        foreach (var norm in objective.NamedModules().Select(m => m.Module).OfType<Nn.BatchNorm>())
            norm.Shared = null;
        foreach (var one in parallel.Values)
            one.Dispose();
    }
}
