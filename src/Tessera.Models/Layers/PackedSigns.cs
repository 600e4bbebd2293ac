namespace Tessera.Models.Layers;

/// <summary>
/// Signs of a convolution's weights as bits: [planes, out, bytes] in uint8. Each row holds the bits of an output channel, set where a
/// weight is negative, ordered (height, width, channel) from the lowest bit on, and is filled up to whole bytes. A second plane is there
/// where a weight is exactly 0: a weight is the mean of its two signs.
/// </summary>
internal static class PackedSigns
{
    private const int BitsPerByte = 8;

    /// <summary>Bytes of a row.</summary>
    /// <param name="values">Weights of an output channel.</param>
    internal static long Bytes(long values) => (values + BitsPerByte - 1) / BitsPerByte;

    /// <summary>Packs the signs of weights.</summary>
    /// <param name="weights">[out, in / groups, height, width].</param>
    internal static Tensor Pack(Tensor weights)
    {
        var (outputs, inputs, height, width) = weights.Shape;
        var values = inputs * height * width;
        var rows = weights.Permute(0, 2, 3, 1).Reshape(outputs, values);
        var (negative, notPositive) = (rows.Lt(0), rows.Gt(0).LogicalNot());
        var planes = (bool)negative.Eq(notPositive).All().Item() ? negative.Unsqueeze(0) : Torch.Stack([negative, notPositive]);
        var bits = planes.To(DType.UInt8).ConstantPadNd([0, Bytes(values) * BitsPerByte - values]);
        return (bits.Reshape(planes.Size(0), outputs, Bytes(values), BitsPerByte) * Powers(weights.Device)).Sum([-1], dtype: DType.UInt8);
    }

    /// <summary>The signs: -1, 1, or 0 where two planes differ.</summary>
    /// <param name="packed">Of <see cref="Pack"/>.</param>
    /// <param name="inputs">Channels of a group.</param>
    /// <param name="height">Of the kernel.</param>
    /// <param name="width">Of the kernel.</param>
    /// <param name="type">Of the result.</param>
    /// <returns>[out, inputs, height, width].</returns>
    internal static Tensor Unpack(Tensor packed, long inputs, long height, long width, DType type)
    {
        var (planes, outputs, bytes) = (packed.Size(0), packed.Size(1), packed.Size(2));
        var bits = packed.Unsqueeze(-1).BitwiseAnd(Powers(packed.Device)).Ne(0).Reshape(planes, outputs, bytes * BitsPerByte);
        var signs = (1 - 2 * bits.Slice(2, 0, inputs * height * width).To(type)).Mean([0]);
        return signs.Reshape(outputs, height, width, inputs).Permute(0, 3, 1, 2).Contiguous();
    }

    private static Tensor Powers(Device device) => Tensor.From<byte>([1, 2, 4, 8, 16, 32, 64, 128]).To(device);
}
