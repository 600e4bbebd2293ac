using Tessera.Data;

namespace Tessera.Training;

/// <summary>A batch on the device that computes; what came from the loader is freed with it.</summary>
internal readonly struct OwnedBatch : IDisposable
{
    private readonly Batch source;

    internal OwnedBatch(Batch source, Device device, bool channelsLast = false)
    {
        this.source = source;
        Value = device.Type == DeviceType.Cpu ? source : source.To(device);
        if (!channelsLast)
            return;
        var moved = Value;
        Value = moved with { Views = [.. moved.Views.Select(view => ChannelsLast(view, source))] };
    }

    private static BatchView ChannelsLast(BatchView view, Batch source)
    {
        if (view.Inputs.Dim != 4)
            return view;
        var inputs = view.Inputs.Contiguous(MemoryFormat.ChannelsLast);
        if (source.Views.All(given => !ReferenceEquals(given.Inputs, view.Inputs)) && !ReferenceEquals(inputs, view.Inputs))
            view.Inputs.Dispose();
        return view with { Inputs = inputs };
    }

    internal Batch Value { get; }

    public void Dispose()
    {
        foreach (var tensor in source.Tensors.Concat(Value.Tensors))
            tensor.Dispose();
    }
}

/// <summary>Where a module computes.</summary>
internal static class ModuleDevice
{
    /// <summary>The device of its parameters; the CPU for a module without any.</summary>
    internal static Device Of(Module module) => module.Parameters().FirstOrDefault()?.Device ?? Device.Cpu;
}
