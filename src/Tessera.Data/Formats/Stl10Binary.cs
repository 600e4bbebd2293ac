namespace Tessera.Data.Formats;

/// <summary>STL-10: images of 96x96 bytes, plane after plane, each stored column by column; labels from 1.</summary>
internal static class Stl10Binary
{
    /// <summary>Side of the images.</summary>
    public const int Side = 96;

    /// <summary>Reads images, turned into rows.</summary>
    /// <returns>Pixels [N, 3, 96, 96].</returns>
    /// <exception cref="DataFormatException">Not a whole number of images.</exception>
    public static byte[] ReadImages(string path)
    {
        var pixels = DataFiles.ReadAll(path);
        const int plane = Side * Side;
        if (pixels.Length % (3 * plane) != 0)
            throw new DataFormatException(
                path,
                pixels.Length,
                $"{pixels.Length} bytes, no multiple of {3 * plane}: the last image is cut off"
            );
        for (var start = 0; start < pixels.Length; start += plane)
        {
            var image = pixels.AsSpan(start, plane);
            for (var y = 0; y < Side; y++)
            for (var x = y + 1; x < Side; x++)
                (image[y * Side + x], image[x * Side + y]) = (image[x * Side + y], image[y * Side + x]);
        }
        return pixels;
    }

    /// <summary>Reads labels, made to count from 0.</summary>
    /// <exception cref="DataFormatException">A label beyond 1 to 10.</exception>
    public static int[] ReadLabels(string path)
    {
        var bytes = DataFiles.ReadAll(path);
        var wrong = Array.FindIndex(bytes, value => value is < 1 or > 10);
        return wrong < 0
            ? Array.ConvertAll(bytes, value => value - 1)
            : throw new DataFormatException(path, wrong, $"label {bytes[wrong]}, and it must be from 1 to 10");
    }
}
