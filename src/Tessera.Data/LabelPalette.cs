namespace Tessera.Data;

/// <summary>Colours for classes that have none of their own.</summary>
public static class LabelPalette
{
    /// <summary>
    /// The colour of a class as Pascal VOC makes it, which most palettes of label maps follow: the bits of the number, in threes, are the
    /// upper bits of red, green and blue. All 256 differ.
    /// </summary>
    /// <param name="id">The class, from 0 to 255.</param>
    public static (byte R, byte G, byte B) Color(int id)
    {
        var (r, g, b) = (0, 0, 0);
        for (var bit = 7; bit >= 0; bit--, id >>= 3)
        {
            r |= (id & 1) << bit;
            g |= (id >> 1 & 1) << bit;
            b |= (id >> 2 & 1) << bit;
        }
        return ((byte)r, (byte)g, (byte)b);
    }

    /// <summary>Colours of classes that follow each other.</summary>
    /// <param name="count">How many.</param>
    /// <param name="first">The first number; 1 leaves out black, which is the background's.</param>
    public static IReadOnlyList<(byte R, byte G, byte B)> Of(int count, int first = 0) => [.. Enumerable.Range(first, count).Select(Color)];
}
