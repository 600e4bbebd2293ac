namespace Tessera.Training.Loop;

/// <summary>
/// What computing gradients changes besides them: random numbers drawn, and buffers of the objective's networks (running statistics; not
/// constant ones). A step that is done again, or left out, goes back to it. The copies belong to the scope in which it is made.
/// </summary>
internal sealed class StepSnapshot
{
    private readonly RandomState random;
    private readonly (ModuleBuffer Buffer, Tensor Before)[] buffers;

    internal StepSnapshot(Objective objective, Device device)
    {
        using var outside = Torch.NoGrad();
        random = RandomState.Of(device);
        var seen = new HashSet<Tensor>(ReferenceEqualityComparer.Instance);
        buffers =
        [
            .. objective
                .NamedBuffers()
                .Where(entry => !entry.Buffer.Constant && seen.Add(entry.Buffer))
                .Select(entry => (entry.Buffer, entry.Buffer.Clone())),
        ];
    }

    internal void Restore()
    {
        using var outside = Torch.NoGrad();
        random.Restore();
        foreach (var (buffer, before) in buffers)
            buffer.Copy_(before);
    }
}
