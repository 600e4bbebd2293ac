namespace Tessera.Native;

/// <summary>A native library of ours, and the libtorch that it is to run with.</summary>
/// <param name="Path">Its file.</param>
/// <param name="Libtorch">The libtorch that it was chosen for; null where it says itself where that lies.</param>
internal sealed record Shim(string Path, Libtorch? Libtorch)
{
    private static readonly string[] cuda = ["libc10_cuda.so", "libtorch_cuda.so"];

    /// <summary>What is to be loaded before it, in order: names, or paths where a name could lead to another libtorch.</summary>
    /// <param name="places">Where the loader looks.</param>
    internal IEnumerable<string> LoadedFirst(Places places)
    {
        if ((Libtorch?.File ?? Own(places)) is not { } engine || ElfFile.Read(engine) is not { } elf)
            return [];
        var folder = System.IO.Path.GetDirectoryName(engine)!;
        return
        [
            .. elf.Needed.Reverse().Select(name => InFolder(folder, name) ?? name),
            // A library without a path of its own finds these by their names, as soon as they are loaded.
            .. Libtorch is null ? [] : cuda.Select(name => InFolder(folder, name)).OfType<string>().Prepend(engine),
        ];
    }

    // Another libtorch's c10 under the same name would not fit. What else libtorch needs may be the system's, and the C library has to be.
    private static string? InFolder(string folder, string name) =>
        (name.StartsWith("libc10", StringComparison.Ordinal) || name.StartsWith("libtorch", StringComparison.Ordinal))
        && System.IO.Path.Combine(folder, name) is var path
        && File.Exists(path)
            ? path
            : null;

    private string? Own(Places places)
    {
        if (ElfFile.Read(Path) is not { } elf || elf.Needed.FirstOrDefault(IsEngine) is not { } name)
            return null;
        var own = System.IO.Path.GetDirectoryName(Path)!;
        return elf
            .RunPath.Select(folder => folder.Replace("$ORIGIN", own, StringComparison.Ordinal))
            .Concat(places.SystemFolders)
            .Select(folder => System.IO.Path.Combine(folder, name))
            .FirstOrDefault(File.Exists);
    }

    private static bool IsEngine(string name) => name.StartsWith("libtorch_cpu.so", StringComparison.Ordinal);
}
