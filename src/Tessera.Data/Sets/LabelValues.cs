namespace Tessera.Data.Sets;

/// <summary>From the values of label maps to trained classes; 255 is left out.</summary>
internal static class LabelValues
{
    /// <summary>Value of pixels that count neither in training nor in evaluation.</summary>
    public const byte Void = 255;

    private static readonly byte[] cityscapes =
    [
        .. Enumerable.Range(0, 34).Select(id => (byte)LabelTables.Cityscapes.First(entry => entry.Id == id).TrainId),
    ];

    /// <summary>Maps whose 0 stands for nothing and whose classes count from 1 (ADE20K, NYUv2).</summary>
    public static byte FromOne(int value) => value is >= 1 and <= 255 ? (byte)(value - 1) : Void;

    /// <summary>Cityscapes' ids; other values are void.</summary>
    public static byte Cityscapes(int id) => id >= 0 && id < cityscapes.Length ? cityscapes[id] : Void;
}
