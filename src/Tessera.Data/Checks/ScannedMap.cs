using Tessera.Data.Formats;

namespace Tessera.Data.Checks;

/// <summary>What is known of the label map of a sample.</summary>
/// <param name="Head">What its file says of itself; null where it lies in no file, or cannot be read.</param>
/// <param name="Size">Its size; null where it cannot be read.</param>
/// <param name="Classes">Pixels of each class that occurs, and of <see cref="LabelMap.Ignored"/>; null where no pixel was read.</param>
/// <param name="Foreign">Most frequent values that are no class.</param>
/// <param name="ForeignKinds">How many different ones there are.</param>
/// <param name="ForeignPixels">Pixels of all of them.</param>
/// <param name="HasZero">Whether a pixel is 0.</param>
/// <param name="Used">Colour of every index that occurs (of every index, where no pixel was read) as 0xRRGGBB.</param>
/// <param name="Problem">Why it cannot be read; null where it can.</param>
/// <param name="IsLossy">Whether the reason is a format that changes values.</param>
internal sealed record ScannedMap(
    LabelFileHead? Head,
    ImageSize? Size,
    IReadOnlyList<(int Class, long Pixels)>? Classes,
    IReadOnlyList<(int Value, ValueCount Count)> Foreign,
    int ForeignKinds,
    long ForeignPixels,
    bool HasZero,
    IReadOnlyList<(int Index, int Color)> Used,
    string? Problem,
    bool IsLossy
)
{
    internal static ScannedMap Unknown { get; } = new(null, null, null, [], 0, 0, false, [], null, false);
}
