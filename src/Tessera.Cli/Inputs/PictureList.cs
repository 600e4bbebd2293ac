using Tessera.Cli.Shell;
using Tessera.Data.Imaging;
using Tessera.Data.Sets;

namespace Tessera.Cli.Inputs;

/// <summary>Picture files that a user has given, by themselves or with all of a folder.</summary>
/// <param name="Files">Full paths, each once, in the order in which they were given; those of a folder by code point.</param>
/// <param name="Remarks">What was left out of folders, a line each.</param>
internal sealed record PictureList(IReadOnlyList<string> Files, IReadOnlyList<string> Remarks)
{
    /// <summary>Files, and the pictures in folders at any depth.</summary>
    /// <exception cref="UserException">There is no such file or folder, or no picture at all.</exception>
    /// <exception cref="OperationCanceledException">It was stopped.</exception>
    internal static PictureList Of(IReadOnlyList<string> given, CancellationToken stop)
    {
        var files = new OrderedDictionary<string, bool>(StringComparer.Ordinal);
        List<string> remarks = [];
        foreach (var path in given)
        {
            var full = Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));
            if (Directory.Exists(full))
            {
                var scan = new FolderScan(full, stop: stop);
                foreach (var file in scan.All())
                    files.TryAdd(file, true);
                remarks.AddRange([.. scan.Remarks, .. Pictures.LeftOut(scan.OtherEndings)]);
            }
            else if (File.Exists(full))
                files.TryAdd(full, true);
            else
                throw new UserException($"there is no file or folder {path}");
        }
        return files.Count > 0
            ? new([.. files.Keys], remarks)
            : throw new UserException(
                $"{string.Join(", ", given)}: there is no picture in it (endings: {string.Join(", ", ImageDecoder.Extensions)})"
            );
    }
}
