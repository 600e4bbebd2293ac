using System.IO.Enumeration;
using Tessera.Data.Imaging;

namespace Tessera.Data.Sets;

/// <summary>
/// Looks through folders of images. Hidden files and folders, and those that systems leave behind, are no part of the data; every folder
/// is visited once, whatever links lead to it; links that lead nowhere are left out. What was left out so is told.
/// </summary>
internal sealed class FolderScan
{
    private const int MostLinks = 40;

    // Of macOS, Synology, ext4 and Windows, in folders that were copied from there.
    private static readonly string[] foreign = ["__MACOSX", "@eaDir", "lost+found", "$RECYCLE.BIN", "System Volume Information"];

    private readonly Dictionary<string, string> visited = []; // real path -> path
    private readonly string folder;
    private readonly string top;
    private readonly IReadOnlyList<string> endings;
    private readonly CancellationToken stop;
    private readonly List<string> repeated = [];
    private readonly List<string> dangling = [];
    private readonly SortedDictionary<string, int> otherEndings = new(StringComparer.Ordinal);

    /// <summary>A scan of the folders of classes in a folder.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="endings">Of the files that are looked for, in small letters; those of images when null.</param>
    /// <param name="stop">Ends the scan, also while it walks.</param>
    /// <exception cref="DataException">A name is not UTF-8, or two classes are the same folder.</exception>
    internal FolderScan(string folder, IReadOnlyList<string>? endings = null, CancellationToken stop = default)
    {
        (this.folder, this.stop, this.endings) = (folder, stop, endings ?? ImageDecoder.Extensions);
        top = RealPath(folder);
        var classes = new List<string>();
        foreach (var name in Subfolders(folder))
        {
            stop.ThrowIfCancellationRequested();
            var (path, real) = (Path.Combine(folder, name), RealPath(Path.Combine(folder, name)));
            if (LeadsBack(real))
                repeated.Add(path);
            else if (visited.TryAdd(real, path))
                classes.Add(name);
            else
                throw new DataException($"{path} and {visited[real]} are the same folder: one of the links must go");
        }
        Classes = [.. classes];
    }

    /// <summary>Names of the folders, by code point.</summary>
    internal string[] Classes { get; }

    /// <summary>What was left out, in one line each.</summary>
    internal IEnumerable<string> Remarks =>
        [
            .. Line(repeated, "link to a folder that is visited already was", "links to folders that are visited already were"),
            .. Line(dangling, "link that leads nowhere was", "links that lead nowhere were"),
        ];

    /// <summary>How many other files were seen, by their endings in small letters.</summary>
    internal IReadOnlyDictionary<string, int> OtherEndings => otherEndings;

    private static IEnumerable<string> Line(List<string> left, string one, string several) =>
        left.Count == 0 ? [] : [$"{left.Count} {(left.Count == 1 ? one : several)} left out: {left[0]}{(left.Count > 1 ? ", ..." : "")}"];

    /// <summary>Names of the folders in a folder, by code point.</summary>
    /// <exception cref="DataException">A name is not UTF-8.</exception>
    internal static string[] Subfolders(string folder) =>
        [.. Entries(folder).Where(entry => entry.IsFolder).Select(entry => entry.Name).Order(StringComparer.Ordinal)];

    /// <summary>Paths of the images that lie in a folder itself, by code point.</summary>
    /// <exception cref="DataException">A name is not UTF-8.</exception>
    internal static IEnumerable<string> Files(string folder) =>
        Found(folder, ImageDecoder.Extensions).Where(file => !file.IsDangling).Select(file => file.Path);

    /// <summary>Files in the folder itself and, after them, below it.</summary>
    /// <exception cref="DataException">A name is not UTF-8.</exception>
    /// <exception cref="OperationCanceledException">It was stopped.</exception>
    internal List<string> All()
    {
        var found = Own(folder);
        foreach (var name in Classes)
            found.AddRange(Walk(Path.Combine(folder, name)));
        return found;
    }

    /// <summary>Files in a folder and, after them, below it.</summary>
    /// <param name="folder">That of a class.</param>
    /// <exception cref="DataException">A name is not UTF-8.</exception>
    /// <exception cref="OperationCanceledException">It was stopped.</exception>
    internal List<string> Walk(string folder)
    {
        var found = Own(folder);
        foreach (var name in Subfolders(folder))
        {
            var (below, real) = (Path.Combine(folder, name), RealPath(Path.Combine(folder, name)));
            if (!LeadsBack(real) && visited.TryAdd(real, below))
                found.AddRange(Walk(below));
            else
                repeated.Add(below);
        }
        return found;
    }

    private List<string> Own(string folder)
    {
        var found = new List<string>();
        stop.ThrowIfCancellationRequested();
        foreach (var (path, isDangling) in Found(folder, endings, otherEndings))
            (isDangling ? dangling : found).Add(path);
        return found;
    }

    // To the folder of the classes, or to one that it lies in.
    private bool LeadsBack(string real) => $"{top}/".StartsWith($"{real.TrimEnd('/')}/", StringComparison.Ordinal);

    private static IEnumerable<(string Path, bool IsDangling)> Found(
        string folder,
        IReadOnlyList<string> endings,
        SortedDictionary<string, int>? others = null
    ) =>
        Entries(folder)
            .Where(entry => !entry.IsFolder && (endings.Contains(Ending(entry.Name)) || Counted(others, Ending(entry.Name))))
            .OrderBy(entry => entry.Name, StringComparer.Ordinal)
            .Select(entry => (Path.Combine(folder, entry.Name), entry.IsLink && !LeadsToFile(Path.Combine(folder, entry.Name))));

    private static string Ending(string name) => Path.GetExtension(name).ToLowerInvariant();

    private static bool Counted(SortedDictionary<string, int>? others, string ending)
    {
        if (others is not null)
            others[ending] = others.GetValueOrDefault(ending) + 1;
        return false;
    }

    private static bool LeadsToFile(string link)
    {
        try
        {
            return File.ResolveLinkTarget(link, returnFinalTarget: true) is { Exists: true };
        }
        catch (IOException)
        {
            // In a circle.
            return false;
        }
    }

    private static IEnumerable<(string Name, bool IsFolder, bool IsLink)> Entries(string folder)
    {
        // Attributes of Windows and access are no reason to leave a file out in silence.
        var all = new EnumerationOptions { AttributesToSkip = 0, IgnoreInaccessible = false };
        var entries = new FileSystemEnumerable<(string Name, bool IsFolder, bool IsLink)>(
            folder,
            (ref FileSystemEntry entry) =>
                (entry.FileName.ToString(), entry.IsDirectory, entry.Attributes.HasFlag(FileAttributes.ReparsePoint)),
            all
        );
        foreach (var entry in entries.Where(entry => entry.Name[0] != '.' && !foreign.Contains(entry.Name)))
        {
            var path = Path.Combine(folder, entry.Name);
            if (entry.Name.Contains('\uFFFD') && !Path.Exists(path))
                throw new DataException(
                    $"{path}: the name is not valid UTF-8 and cannot be opened: rename it "
                        + "(convmv -f latin1 -t utf8 -r --notest renames a whole folder)"
                );
            yield return entry;
        }
    }

    /// <summary>The path of a folder or a file without links in any part of it.</summary>
    /// <exception cref="DataException">Links that lead in a circle.</exception>
    internal static string RealPath(string path)
    {
        var parts = new Stack<string>(Path.GetFullPath(path).Split('/', StringSplitOptions.RemoveEmptyEntries).Reverse());
        var (real, links) = ("/", 0);
        while (parts.TryPop(out var part))
        {
            if (part == "..")
            {
                real = Path.GetDirectoryName(real) ?? "/";
                continue;
            }
            var next = Path.Combine(real, part);
            if (part == "." || new DirectoryInfo(next).LinkTarget is not { } target)
            {
                real = part == "." ? real : next;
                continue;
            }
            if (++links > MostLinks)
                throw new DataException($"{path}: its links lead in a circle");
            if (Path.IsPathRooted(target))
                real = "/";
            foreach (var step in target.Split('/', StringSplitOptions.RemoveEmptyEntries).Reverse())
                parts.Push(step);
        }
        return real;
    }
}
