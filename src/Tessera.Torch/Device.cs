namespace Tessera;

/// <summary>Kind of device, with the engine's numbers (c10::DeviceType).</summary>
public enum DeviceType
{
    /// <summary>The processor.</summary>
    Cpu = 0,

    /// <summary>An NVIDIA GPU.</summary>
    Cuda = 1,

    /// <summary>Shapes without memory.</summary>
    Meta = 14,
}

/// <summary>Where a tensor lies: <c>cpu</c>, <c>cuda</c> (the current one) or <c>cuda:1</c>.</summary>
/// <param name="Type">Kind of device.</param>
/// <param name="Index">Which one; -1 is the current one.</param>
public readonly record struct Device(DeviceType Type, int Index = -1)
{
    /// <summary>The processor.</summary>
    public static readonly Device Cpu = new(DeviceType.Cpu);

    /// <summary>The current CUDA device.</summary>
    public static readonly Device Cuda = new(DeviceType.Cuda);

    internal long Packed => ((long)Type << 8) | (uint)(Index & 0xff);

    internal static Device Unpack(long packed) => new((DeviceType)(packed >> 8), (sbyte)(packed & 0xff));

    /// <summary>Reads <c>cpu</c>, <c>cuda</c> or <c>cuda:N</c>.</summary>
    /// <exception cref="FormatException">The text names no device.</exception>
    public static Device Parse(string text)
    {
        var parts = text.Split(':');
        var known = Enum.TryParse<DeviceType>(parts[0], ignoreCase: true, out var type) && !char.IsDigit(parts[0].FirstOrDefault());
        var index = -1;
        if (!known || parts.Length > 2 || (parts.Length == 2 && (!int.TryParse(parts[1], out index) || index < 0)))
            throw new FormatException($"'{text}' is not a device: it must be cpu, cuda or cuda:N");
        return new(type, index);
    }

    /// <inheritdoc/>
    public override string ToString() => Type.ToString().ToLowerInvariant() + (Index >= 0 ? $":{Index}" : "");
}

/// <summary>How elements are stored (c10::Layout).</summary>
public enum Layout
{
    /// <summary>Strides over one block of memory.</summary>
    Strided = 0,

    /// <summary>Coordinates and values of the elements that are not zero.</summary>
    Sparse = 1,
}

/// <summary>Order of the dimensions in memory (c10::MemoryFormat).</summary>
public enum MemoryFormat
{
    /// <summary>The last dimension varies fastest.</summary>
    Contiguous = 0,

    /// <summary>As the source has it.</summary>
    Preserve = 1,

    /// <summary>[B, C, H, W] with the channels varying fastest.</summary>
    ChannelsLast = 2,
}
