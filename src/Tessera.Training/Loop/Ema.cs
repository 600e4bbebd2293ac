namespace Tessera.Training.Loop;

/// <summary>
/// A moving average of everything in a module's state dict, renewed after each step of the optimiser: d times the average plus
/// (1 - d) times the value. Integers are averaged in float64 and cut off.
/// </summary>
public sealed class Ema : IDisposable
{
    private readonly (string Name, Tensor Value, Tensor Average)[] entries;

    /// <summary>Begins with the module's present values.</summary>
    /// <param name="module">The module whose state dict is averaged.</param>
    public Ema(Module module)
    {
        using var outside = Torch.NoGrad();
        var seen = new HashSet<Tensor>(ReferenceEqualityComparer.Instance);
        entries =
        [
            .. module
                .StateDict()
                .Where(e => seen.Add(e.Value))
                .Select(e => (e.Key, e.Value, Torch.Scope(() => e.Value.Detach().Clone()).Keep())),
        ];
    }

    /// <summary>Takes in the present values. Constant buffers stay as they are, to the bit.</summary>
    /// <param name="decay">
    /// Share d of the old average, in [0, 1), such as 0.9999; with 0 the average becomes a copy. The range is not checked here.
    /// </param>
    public void Update(double decay)
    {
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        foreach (var (_, value, average) in entries)
            if (decay == 0)
                average.Copy_(value);
            else if (value is not ModuleBuffer { Constant: true })
                MovingAverage.Update(average, value, decay);
    }

    /// <summary>The averages by name. Tensors that are shared appear once, under their first name.</summary>
    public OrderedDictionary<string, Tensor> StateDict()
    {
        var result = new OrderedDictionary<string, Tensor>();
        foreach (var (name, _, average) in entries)
            result.Add(name, average);
        return result;
    }

    /// <summary>Takes up what <see cref="StateDict"/> gave.</summary>
    /// <exception cref="StateDictException">Names or shapes differ.</exception>
    public void LoadStateDict(IReadOnlyDictionary<string, Tensor> saved)
    {
        var report = StateDictReport.Compare(StateDict(), saved);
        if (!report.Complete || report.Mismatched.Count > 0)
            throw new StateDictException("the moving average", report);
        using var outside = Torch.NoGrad();
        foreach (var (name, _, average) in entries)
            average.Copy_(saved[name]);
    }

    /// <summary>Exchanges the module's values and the averages; call it again to change back.</summary>
    public void Swap()
    {
        using var outside = Torch.NoGrad();
        foreach (var (_, value, average) in entries)
        {
            using var scope = new Scope();
            var before = value.Detach().Clone();
            value.Copy_(average);
            average.Copy_(before);
        }
    }

    /// <summary>Does something while the module has the averages.</summary>
    /// <param name="work">What is done; the values come back also where it fails.</param>
    public void During(Action work)
    {
        Swap();
        try
        {
            work();
        }
        finally
        {
            Swap();
        }
    }

    /// <summary>Frees the averages.</summary>
    public void Dispose()
    {
        foreach (var (_, _, average) in entries)
            average.Dispose();
    }
}
