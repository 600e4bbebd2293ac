namespace Tessera.Training;

/// <summary>
/// What computing gradients changes besides them: random numbers drawn, and buffers of student and method (running statistics).
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
        buffers = [.. setup.Student.NamedBuffers().Concat(setup.Objective.NamedBuffers()).Select(b => (b.Buffer, b.Buffer.Detach().Clone()))];
    }

    internal void Restore()
    {
        using var outside = Torch.NoGrad();
        random.Restore();
        foreach (var (buffer, before) in buffers) buffer.Copy_(before);
    }
}
