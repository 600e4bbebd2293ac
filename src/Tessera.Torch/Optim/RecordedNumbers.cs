namespace Tessera.Optim;

/// <summary>The learning rate and the counts of steps on the device, where a recorded step reads them and advances the counts.</summary>
internal sealed class RecordedNumbers : IDisposable
{
    private readonly Dictionary<string, Tensor> counts = [];

    internal RecordedNumbers(IEnumerable<(string Name, Parameter Parameter)> parameters, Dictionary<string, long> steps, double rate)
    {
        using var scope = new Scope();
        foreach (var (name, parameter) in parameters)
        {
            // float32 is what the engine's operators take; whole numbers up to 2^24 are exact in it.
            counts[name] = Torch.Full([], (double)steps.GetValueOrDefault(name), DType.Float32, device: parameter.Device).Keep();
            Rate ??= Torch.Full([], rate, DType.Float32, device: parameter.Device).Keep();
        }
        if (Rate is null)
            throw new NotSupportedException("the optimiser has no parameters");
    }

    /// <summary>The learning rate, a tensor without dimensions.</summary>
    internal Tensor Rate { get; }

    /// <summary>The count of steps of a parameter, a tensor without dimensions.</summary>
    internal Tensor Count(string name) => counts[name];

    internal void SetRate(double rate) => Rate.Fill_(rate);

    internal void SetCounts(Dictionary<string, long> steps)
    {
        foreach (var (name, count) in counts)
            count.Fill_((double)steps.GetValueOrDefault(name));
    }

    /// <summary>The current counts of the parameters that have taken a step; waits for the device.</summary>
    internal Dictionary<string, long> Counts()
    {
        using var scope = new Scope();
        var values = Torch.Stack([.. counts.Values]).ToArray<float>();
        return counts.Keys.Zip(values).Where(pair => pair.Second > 0).ToDictionary(pair => pair.First, pair => (long)pair.Second);
    }

    public void Dispose()
    {
        Rate.Dispose();
        foreach (var count in counts.Values)
            count.Dispose();
    }
}
