using Tessera.Data.Images;
using Tessera.Data.Sets;

namespace Tessera.Data.Checks;

/// <summary>The samples of a split and the files that they lie in.</summary>
internal sealed class SplitSamples
{
    private readonly string[]? files;

    /// <summary>Looks where the links among the files lead.</summary>
    /// <param name="name">Name of the split.</param>
    /// <param name="data">Its samples.</param>
    internal SplitSamples(string name, Dataset data)
    {
        (Name, Data) = (name, data);
        if (data is not ImageDataset { InMemory: false })
            return;
        // Most files lie in few folders.
        var folders = new Dictionary<string, string>(StringComparer.Ordinal);
        files = [.. Enumerable.Range(0, data.Count).Select(i => RealPath(data.SampleName(i), folders))];
    }

    internal string Name { get; }

    internal Dataset Data { get; }

    /// <summary>The file of a sample without links in its path; null where samples are not files.</summary>
    internal string? File(int index) => files?[index];

    /// <summary>
    /// Equal for samples that need not be read twice: the file, and that of the label map. Null where samples are not files, or have
    /// objects of their own.
    /// </summary>
    internal string? Key(int index) =>
        Data.Annotations is ObjectBoxes ? null
        : Data.Annotations is LabelMaps maps && File(index) is { } file ? $"{file}\n{maps.MapFile(index)}"
        : File(index);

    private static string RealPath(string path, Dictionary<string, string> folders)
    {
        var full = Path.GetFullPath(path);
        if (new FileInfo(full).LinkTarget is not null)
            return FolderScan.RealPath(full);
        var folder = Path.GetDirectoryName(full)!;
        if (!folders.TryGetValue(folder, out var real))
            folders[folder] = real = FolderScan.RealPath(folder);
        return Path.Combine(real, Path.GetFileName(full));
    }
}
