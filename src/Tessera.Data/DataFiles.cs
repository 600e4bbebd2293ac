namespace Tessera.Data;

/// <summary>Opening files of data sets, with errors that name them.</summary>
internal static class DataFiles
{
    internal static FileStream Open(string path)
    {
        try
        {
            return new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, 1 << 16);
        }
        catch (Exception error) when (error is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new DataException($"{path} does not exist", error);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new DataException($"{path} cannot be read: {error.Message}", error);
        }
    }

    /// <summary>All bytes of a file that is held in memory as a whole.</summary>
    internal static byte[] ReadAll(string path)
    {
        // Opening a pipe or a device may wait for ever; to the system they are as empty as an empty file.
        if (new FileInfo(path) is { Exists: true, Length: 0 })
            return [];
        using var file = Open(path);
        if (file.Length > Array.MaxLength)
            throw new DataFormatException(path, null, $"{file.Length} bytes: too large");
        var bytes = GC.AllocateUninitializedArray<byte>((int)file.Length);
        file.ReadExactly(bytes);
        return bytes;
    }

    /// <summary>Lines of a text file, without empty lines.</summary>
    internal static string[] Lines(string path)
    {
        using var reader = new StreamReader(Open(path));
        var lines = new List<string>();
        while (reader.ReadLine() is { } line)
            if (line.Trim().Length > 0)
                lines.Add(line.TrimEnd());
        return [.. lines];
    }
}
