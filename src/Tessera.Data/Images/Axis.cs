using Tessera.Data.Transforms;

namespace Tessera.Data.Images;

/// <summary>
/// Which rows (or columns) of an original the rows of an image hold, while it is moved step by step. A row that enters at the n-th border
/// counts as the n-th row behind the last of the original.
/// </summary>
internal sealed class Axis(int original)
{
    private int[] places = new int[original];
    private int[] before = new int[original];

    /// <summary>Rows of the image as it is now.</summary>
    internal int Length { get; private set; }

    /// <summary>Their places in the original, behind which the borders lie.</summary>
    internal ReadOnlySpan<int> Places => places.AsSpan(0, Length);

    /// <summary>Begins with another image.</summary>
    internal void Reset()
    {
        Length = original;
        for (var i = 0; i < original; i++)
            places[i] = i;
    }

    /// <summary>Takes a window, and then perhaps its mirror image.</summary>
    /// <param name="start">First row of the window, which may lie outside.</param>
    /// <param name="length">Rows of the window.</param>
    /// <param name="turned">Whether the last comes first.</param>
    /// <param name="border">As in <see cref="MovingTransform.Border"/>.</param>
    /// <param name="borders">How many borders there were before.</param>
    internal void Move(int start, int length, bool turned, byte? border, int borders)
    {
        (places, before) = (before, places);
        if (places.Length < length)
            places = new int[length];
        for (var i = 0; i < length; i++)
            places[i] = Window.Source(start + (turned ? length - 1 - i : i), Length, border) is { } source
                ? before[source]
                : original + borders;
        Length = length;
    }
}
