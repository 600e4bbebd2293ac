namespace Tessera.Training;

/// <summary>
/// What computing gradients changes besides them: random numbers drawn, and buffers of student and method (running statistics; not those that are constant).
/// A step that is done again, or left out, goes back to it. The copies belong to the scope in which it is made.
/// </summary>
internal sealed class StepStart
{
    private readonly RandomState random;
    private readonly (Buffer Buffer, Tensor Before)[] buffers;

    internal StepStart(TrainingSetup setup, Device device)
    {
        using var outside = Torch.NoGrad();
        random = RandomState.Of(device);
        buffers =
        [
            .. setup
                .Student.NamedBuffers()
                .Concat(setup.Objective.NamedBuffers())
                .Where(b => !b.Buffer.Constant)
                .Select(b => (b.Buffer, b.Buffer.Clone())),
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
