using Tessera.Models;

namespace Tessera.Training.Runs;

/// <summary>
/// The mean of the weights of a model that was trained several times from the same beginning (Wortsman et al., 2022,
/// arXiv:2203.05482, uniform soup). Running statistics of batch norms are averaged alike, which is close to, but not the same
/// as, gathering them anew; counters keep the value of the first.
/// </summary>
public sealed class WeightAverage
{
    private readonly Exclusive adding = new("another thread adds to this average: one thread at a time must");
    private readonly List<string> sources = [];
    private readonly OrderedDictionary<string, Tensor> sums = [];
    private readonly OrderedDictionary<string, DType> types = [];

    /// <summary>Names of the added weights, in their order.</summary>
    public IReadOnlyList<string> Sources => sources;

    /// <summary>Adds weights. The sums belong to the current scope, what is loaded is freed at once.</summary>
    /// <param name="source">Name of the weights in errors, such as their file.</param>
    /// <param name="load">Gives tensors by name, on the CPU.</param>
    /// <param name="stop">Gives up between two tensors; nothing was added then.</param>
    /// <exception cref="InvalidOperationException">Another thread adds to it.</exception>
    /// <exception cref="OperationCanceledException">It was stopped.</exception>
    /// <exception cref="WeightAverageException">
    /// Names or shapes are not those of the first; it lists them. Or weights are packed, and have no mean.
    /// </exception>
    public void Add(string source, Func<IReadOnlyDictionary<string, Tensor>> load, CancellationToken stop = default)
    {
        using var alone = adding.Enter();
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        var weights = load();
        if (sources.Count > 0 && StateDictReport.Compare(sums, weights) is var report && (!report.Complete || report.Mismatched.Count > 0))
            throw new WeightAverageException($"{source} must hold weights of the same model as {sources[0]}: {report}");
        if (weights.Keys.FirstOrDefault(PackedConvolutions.IsPacked) is { } packed)
            throw new WeightAverageException(
                $"{source} holds packed weights ({packed}), which have no mean: average runs before they are packed"
            );
        var added = new List<(string Name, Tensor Sum)>();
        foreach (var (name, tensor) in weights)
        {
            stop.ThrowIfCancellationRequested();
            // In double precision, so that the order of the sources does not show.
            if (sources.Count == 0)
                added.Add((name, tensor.DType.IsFloat() ? tensor.To(DType.Float64) : tensor));
            else if (types[name].IsFloat())
                added.Add((name, sums[name] + tensor.To(DType.Float64)));
        }
        foreach (var (name, sum) in added)
        {
            if (sources.Count == 0)
                types.Add(name, weights[name].DType);
            else
                sums[name].Dispose();
            sums[name] = scope.Return(sum);
        }
        sources.Add(source);
    }

    /// <summary>The mean, each tensor in the type that it has in the first source; owned by the current scope.</summary>
    /// <exception cref="InvalidOperationException">Nothing was added.</exception>
    public OrderedDictionary<string, Tensor> Mean()
    {
        if (sources.Count == 0)
            throw new InvalidOperationException("there are no weights to average");
        var result = new OrderedDictionary<string, Tensor>();
        foreach (var (name, sum) in sums)
            result.Add(name, types[name].IsFloat() ? (sum / sources.Count).To(types[name]) : sum);
        return result;
    }
}

/// <summary>Weights that have no mean; the message is one line and names tensors and shapes.</summary>
public sealed class WeightAverageException(string message) : Exception(message);
