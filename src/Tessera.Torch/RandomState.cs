namespace Tessera;

/// <summary>The states of the default generators of the CPU and of a device, taken at one moment, to go back to it.</summary>
/// <remarks>It holds bytes, no tensors: it may outlive every scope.</remarks>
public sealed class RandomState
{
    private readonly (Device Device, byte[] State)[] states;

    private RandomState((Device, byte[])[] states) => this.states = states;

    /// <summary>Takes the present states.</summary>
    /// <param name="device">Beside the CPU, which is always among them.</param>
    public static RandomState Of(Device device)
    {
        using var scope = new Scope();
        Device[] devices = device.Type == DeviceType.Cpu ? [Device.Cpu] : [Device.Cpu, device];
        return new([
            .. devices.Select(one =>
            {
                using var generator = Generator.Default(one);
                return (one, generator.GetState().ToBytes());
            }),
        ]);
    }

    /// <summary>Goes back to them.</summary>
    public void Restore()
    {
        using var scope = new Scope();
        foreach (var (device, state) in states)
        {
            using var generator = Generator.Default(device);
            generator.SetState(Tensor.From(state, state.Length));
        }
    }

    /// <summary>As named tensors, for a checkpoint.</summary>
    public OrderedDictionary<string, Tensor> ToTensors()
    {
        var named = new OrderedDictionary<string, Tensor>();
        foreach (var (device, state) in states)
            named.Add(device.ToString(), Tensor.From(state, state.Length));
        return named;
    }

    /// <summary>The result of <see cref="ToTensors"/>.</summary>
    public static RandomState From(IReadOnlyDictionary<string, Tensor> named) =>
        new([.. named.Select(pair => (Device.Parse(pair.Key), pair.Value.ToBytes()))]);
}
