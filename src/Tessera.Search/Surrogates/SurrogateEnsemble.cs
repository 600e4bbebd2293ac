using System.Runtime.InteropServices;
using Tessera.Data;
using Tessera.Models;
using Tessera.Optim;

namespace Tessera.Search.Surrogates;

/// <summary>A cell whose network was trained.</summary>
/// <param name="Cell">The cell.</param>
/// <param name="Accuracy">Of its network, in [0, 1].</param>
internal sealed record ScoredCell(PnasCell Cell, double Accuracy);

/// <summary>
/// Surrogates that have learned from different parts of the same cells, and whose mean counts (Liu et al., 2018, arXiv:1712.00559, section
/// 4.2). They are a function of cells, accuracies and seed alone.
/// </summary>
internal sealed class SurrogateEnsemble
{
    private const int Folds = 1,
        Order = 2;

    private readonly Surrogate[] members;

    internal SurrogateEnsemble(Surrogate[] members) => this.members = members;

    /// <summary>
    /// Learns from the first level, then goes on with all cells so far as each further level joins them: every time from the same
    /// beginning, so that a search that goes on later comes to the same.
    /// </summary>
    /// <param name="options">What learns, and how.</param>
    /// <param name="inputs">Number of inputs that a block may have.</param>
    /// <param name="levels">Cells by their number of blocks, from 1.</param>
    /// <param name="seed">Of initial values, order and parts.</param>
    /// <param name="stop">Gives up.</param>
    internal static SurrogateEnsemble Fit(
        SurrogateOptions options,
        int inputs,
        IReadOnlyList<IReadOnlyList<ScoredCell>> levels,
        ulong seed,
        CancellationToken stop
    ) => new([.. Enumerable.Range(0, options.Ensemble).Select(member => FitMember(options, inputs, levels, seed, member, stop))]);

    private static Surrogate FitMember(
        SurrogateOptions options,
        int inputs,
        IReadOnlyList<IReadOnlyList<ScoredCell>> levels,
        ulong seed,
        int member,
        CancellationToken stop
    )
    {
        Surrogate surrogate =
            options.Kind == SurrogateKind.Lstm
                ? new LstmSurrogate(inputs, PnasOperations.Count, options.Embedding, options.Hidden)
                : new MlpSurrogate(inputs, PnasOperations.Count, options.Embedding, options.Hidden);
        surrogate.Initialize(seed, member);
        var optimizer = new Adam(ParameterGroup.All(surrogate, weightDecay: 0), options.LearningRate);
        Parameter[] parameters = [.. surrogate.Parameters()];
        List<ScoredCell> known = [];
        var pass = 0;
        foreach (var (i, level) in levels.Index())
        {
            known.AddRange(PartOf(level, options.Ensemble, member, seed, i));
            optimizer.LearningRate = i == 0 ? options.LearningRate : options.FurtherLearningRate;
            for (var epoch = 0; epoch < (i == 0 ? options.Epochs : options.FurtherEpochs); epoch++, pass++)
                foreach (var batch in Batches(known, options.Batch, new SampleRandom(seed, pass, member, Order)))
                {
                    stop.ThrowIfCancellationRequested();
                    using var scope = new Scope();
                    var accuracies = Tensor.From(batch.Select(scored => (float)scored.Accuracy).ToArray());
                    Surrogate.Loss(surrogate.Call(Encode([.. batch.Select(scored => scored.Cell)])), accuracies).Backward();
                    GradientClipping.ByNorm(parameters, options.ClipGrad);
                    optimizer.Step();
                    optimizer.ZeroGrad();
                }
        }
        surrogate.Eval();
        return surrogate;
    }

    // Every member leaves out another share, which stays left out as more cells join. Too few cells for that are learned by all.
    internal static IEnumerable<ScoredCell> PartOf(IReadOnlyList<ScoredCell> level, int ensemble, int member, ulong seed, int number)
    {
        if (ensemble == 1 || level.Count < ensemble)
            return level;
        var order = Enumerable.Range(0, level.Count).ToArray();
        Shuffle(order, new SampleRandom(seed, number, 0, Folds));
        return level.Where((_, i) => order[i] % ensemble != member);
    }

    // Cells of a step have equally many blocks.
    private static List<ScoredCell[]> Batches(List<ScoredCell> known, int size, SampleRandom random)
    {
        var order = known.ToArray();
        random = Shuffle(order, random);
        List<ScoredCell[]> batches =
        [
            .. order.GroupBy(scored => scored.Cell.Blocks.Count).OrderBy(group => group.Key).SelectMany(group => group.Chunk(size)),
        ];
        Shuffle(CollectionsMarshal.AsSpan(batches), random);
        return batches;
    }

    private static SampleRandom Shuffle<T>(Span<T> items, SampleRandom random)
    {
        for (var i = items.Length - 1; i > 0; i--)
        {
            var j = random.Below(i + 1);
            (items[i], items[j]) = (items[j], items[i]);
        }
        return random;
    }

    private static Tensor Encode(IReadOnlyList<PnasCell> cells)
    {
        var blocks = cells[0].Blocks.Count;
        var numbers = new long[cells.Count * blocks * 4];
        var at = 0;
        foreach (var cell in cells)
        foreach (var block in cell.Blocks)
        {
            numbers[at++] = block.Input1;
            numbers[at++] = block.Input2;
            numbers[at++] = block.Operation1;
            numbers[at++] = block.Operation2;
        }
        return Tensor.From(numbers).Reshape(cells.Count, blocks, 4);
    }

    /// <summary>What to expect of cells.</summary>
    /// <param name="cells">Of equally many blocks, as many as fit into memory at once.</param>
    /// <returns>Accuracies in (0, 1).</returns>
    internal double[] Predict(IReadOnlyList<PnasCell> cells)
    {
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        var given = Encode(cells);
        var sum = new double[cells.Count];
        foreach (var member in members)
        foreach (var (i, prediction) in member.Call(given).ToArray<float>().Index())
            sum[i] += prediction;
        return [.. sum.Select(total => total / members.Length)];
    }
}
