namespace Tessera.Data.Formats;

/// <summary>
/// The binary version of CIFAR: records of one label byte (CIFAR-100: coarse, then fine) and 3072 bytes of red, green and blue planes.
/// </summary>
internal static class CifarBinary
{
    /// <summary>Side of the images.</summary>
    public const int Side = 32;

    /// <summary>Bytes of an image.</summary>
    public const int ImageSize = 3 * Side * Side;

    /// <summary>Reads files one after the other.</summary>
    /// <param name="paths">Files of records.</param>
    /// <param name="classes">Classes per label byte, in the order of the record.</param>
    /// <returns>Labels per label byte, and pixels [N, 3, 32, 32].</returns>
    /// <exception cref="DataFormatException">A file that is no whole number of records, or a label out of range.</exception>
    public static (int[][] Labels, byte[] Pixels) Read(IReadOnlyList<string> paths, params IReadOnlyList<int> classes)
    {
        var record = classes.Count + ImageSize;
        var files = paths.Select(DataFiles.ReadAll).ToArray();
        for (var i = 0; i < files.Length; i++)
            if (files[i].Length == 0 || files[i].Length % record != 0)
                throw new DataFormatException(
                    paths[i],
                    files[i].Length,
                    $"{files[i].Length} bytes, no multiple of {record}: the last record is cut off"
                );
        var count = files.Sum(file => (long)file.Length / record);
        if (count * ImageSize > Array.MaxLength)
            throw new DataFormatException(paths[0], null, $"{count} records: too many");
        var labels = classes.Select(_ => new int[count]).ToArray();
        var pixels = GC.AllocateUninitializedArray<byte>((int)(count * ImageSize));
        var sample = 0;
        for (var f = 0; f < files.Length; f++)
        for (var start = 0; start < files[f].Length; start += record, sample++)
        {
            for (var i = 0; i < classes.Count; i++)
            {
                var label = files[f][start + i];
                if (label >= classes[i])
                    throw new DataFormatException(paths[f], start + i, $"label {label}, and it must be from 0 to {classes[i] - 1}");
                labels[i][sample] = label;
            }
            files[f].AsSpan(start + classes.Count, ImageSize).CopyTo(pixels.AsSpan(sample * ImageSize));
        }
        return (labels, pixels);
    }
}
