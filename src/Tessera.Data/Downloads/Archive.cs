using System.Formats.Tar;
using System.IO.Compression;

namespace Tessera.Data.Downloads;

/// <summary>
/// Archives of data sets. What is unpacked gets to its place by renaming, when all of it is there: half a data set would be taken for a
/// whole one.
/// </summary>
internal static class Archive
{
    /// <summary>Whether a file is one, by its name.</summary>
    /// <param name="path">The file.</param>
    internal static bool Is(string path) => IsZip(path) || IsTar(path);

    /// <summary>Unpacks one beside itself. A file or folder that is there already is replaced by that of the archive.</summary>
    /// <param name="path">The archive.</param>
    /// <param name="stop">Ends it; the folder then is as it was before.</param>
    /// <exception cref="DataException">It is damaged, or the disk is full; the folder is as it was before.</exception>
    internal static async Task UnpackAsync(string path, CancellationToken stop)
    {
        await using var content = File.OpenRead(path);
        await UnpackAsync(path, content, stop).ConfigureAwait(false);
    }

    /// <inheritdoc cref="UnpackAsync(string, CancellationToken)"/>
    /// <param name="path">The archive.</param>
    /// <param name="content">Its bytes.</param>
    /// <param name="stop">Ends it; the folder then is as it was before.</param>
    internal static async Task UnpackAsync(string path, Stream content, CancellationToken stop)
    {
        // Beside its place, so that renaming suffices. What a process left that was killed is of no use.
        var work = path + ".unpacking";
        try
        {
            Delete(work);
            var (made, replaced) = (Path.Combine(work, "new"), Path.Combine(work, "old"));
            Directory.CreateDirectory(made);
            Directory.CreateDirectory(replaced);
            if (IsZip(path))
                await ZipFile.ExtractToDirectoryAsync(content, made, overwriteFiles: true, stop).ConfigureAwait(false);
            else
            {
                await using var tar = new GZipStream(content, CompressionMode.Decompress, leaveOpen: true);
                await TarFile.ExtractToDirectoryAsync(tar, made, overwriteFiles: true, stop).ConfigureAwait(false);
            }
            foreach (var entry in new DirectoryInfo(made).GetFileSystemInfos())
            {
                var place = Path.Combine(Path.GetDirectoryName(path)!, entry.Name);
                if (Path.Exists(place))
                    Directory.Move(place, Path.Combine(replaced, entry.Name));
                Directory.Move(entry.FullName, place);
            }
        }
        catch (Exception error) when (error is InvalidDataException or IOException or UnauthorizedAccessException)
        {
            throw new DataException($"{path} cannot be unpacked: {error.Message}", error);
        }
        finally
        {
            Delete(work);
        }
    }

    private static bool IsZip(string path) => path.EndsWith(".zip", StringComparison.Ordinal);

    private static bool IsTar(string path) =>
        path.EndsWith(".tgz", StringComparison.Ordinal) || path.EndsWith(".tar.gz", StringComparison.Ordinal);

    private static void Delete(string folder)
    {
        if (Directory.Exists(folder))
            Directory.Delete(folder, recursive: true);
    }
}
