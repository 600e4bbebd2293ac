using System.Text.RegularExpressions;

namespace Tessera.Native;

/// <summary>A libtorch that lies on this machine, looked at without loading it.</summary>
/// <param name="Folder">The folder of its libraries.</param>
/// <param name="File">The path of libtorch_cpu.</param>
/// <param name="SoName">The name by which libraries ask for libtorch_cpu: with its version in Debian, without elsewhere.</param>
/// <param name="Version">Its version, such as 2.6.0+cpu; null where nothing tells it.</param>
/// <param name="HasCuda">It computes on NVIDIA's GPUs, too.</param>
/// <param name="IsPreCxx11">Its interface has the strings that C++ had before 2011.</param>
internal sealed partial record Libtorch(string Folder, string File, string SoName, string? Version, bool HasCuda, bool IsPreCxx11)
{
    private const string Name = "libtorch_cpu.so";

    /// <summary>
    /// Names the native library that fits: debian-2.6 where the library's own name has a version, else 2.11 or 2.11-cuda. scripts/pack
    /// names its files by the same rule. Null without a version.
    /// </summary>
    internal string? Key =>
        SoName.Length > Name.Length ? "debian-" + SoName[(Name.Length + 1)..]
        : Version is null ? null
        : Minor().Match(Version).Value + (HasCuda ? "-cuda" : "") + (IsPreCxx11 ? "-precxx11" : "");

    /// <summary>The folder that holds include/ with its headers; null where there are none.</summary>
    internal string? Headers =>
        Roots(Folder).FirstOrDefault(root => System.IO.File.Exists(Path.Combine(root, "include", "ATen", "ATen.h")));

    /// <inheritdoc/>
    public override string ToString() => $"libtorch {Version ?? "of unknown version"} in {Folder}";

    /// <summary>The libtorch whose libraries lie in a folder; null where there is none.</summary>
    /// <param name="folder">The folder.</param>
    internal static Libtorch? In(string folder)
    {
        if (!Directory.Exists(folder))
            return null;
        // Debian's packages for programs have the name with a version only.
        var file = Path.Combine(folder, Name);
        if (!System.IO.File.Exists(file))
            file = Directory.EnumerateFiles(folder, Name + ".*").Order(StringComparer.Ordinal).FirstOrDefault();
        if (file is null || ElfFile.Read(file) is not { } elf)
            return null;
        var soName = elf.SoName ?? Path.GetFileName(file);
        return new(
            folder,
            file,
            soName,
            VersionOf(folder, file, soName),
            System.IO.File.Exists(Path.Combine(folder, "libtorch_cuda.so")),
            soName == Name && HasOldStrings(Path.Combine(folder, "libc10.so"))
        );
    }

    private static string? VersionOf(string folder, string file, string soName)
    {
        foreach (var root in Roots(folder))
        {
            if (Match(Path.Combine(root, "version.py"), PythonVersion()) is { } python)
                return python;
            if (Match(Path.Combine(root, "build-version"), FirstWord()) is { } build)
                return build;
        }
        var real = Path.GetFileName(System.IO.File.ResolveLinkTarget(file, returnFinalTarget: true)?.FullName ?? file);
        if (Trailing().Match(real) is { Success: true, Value: var trailing })
            return trailing;
        if (Trailing().Match(soName) is { Success: true, Value: var ofName })
            return ofName;
        foreach (var root in Roots(folder))
            if (Match(Path.Combine(root, "include", "torch", "csrc", "api", "include", "torch", "version.h"), Header()) is { } header)
                return header;
        // In the folder of packages: libtorch-cpu-linux-x64/2.10.0/runtimes/linux-x64/native.
        return OfPackage().Match(folder) is { Success: true, Groups: [_, var version] } ? version.Value : OfDependencies(folder);
    }

    // A program's list of packages lies beside the folder runtimes/linux-x64/native or, once published, beside the libraries.
    private static string? OfDependencies(string folder)
    {
        foreach (var at in new[] { folder, Path.Combine(folder, "..", "..", "..") })
            if (Directory.Exists(at) && Directory.EnumerateFiles(at, "*.deps.json").FirstOrDefault() is { } list)
                return Match(list, Listed());
        return null;
    }

    // Libraries lie in lib/ below the root or, in Debian, in lib/x86_64-linux-gnu.
    private static IEnumerable<string> Roots(string folder) =>
        new[] { Path.GetDirectoryName(folder), Path.GetDirectoryName(Path.GetDirectoryName(folder)) }.OfType<string>();

    private static string? Match(string file, Regex pattern)
    {
        if (!System.IO.File.Exists(file))
            return null;
        var match = pattern.Match(System.IO.File.ReadAllText(file));
        return match.Success ? string.Join('.', match.Groups.Values.Skip(1).Select(group => group.Value)) : null;
    }

    private static bool HasOldStrings(string c10) =>
        System.IO.File.Exists(c10) && System.IO.File.ReadAllBytes(c10).AsSpan().IndexOf("St7__cxx1112basic_string"u8) < 0;

    [GeneratedRegex(@"^\d+\.\d+")]
    private static partial Regex Minor();

    [GeneratedRegex("""^__version__ = ['"]([^'"]+)['"]""", RegexOptions.Multiline)]
    private static partial Regex PythonVersion();

    [GeneratedRegex(@"^(\d\S*)")]
    private static partial Regex FirstWord();

    [GeneratedRegex(@"(?<=\.so\.)\d+(\.\d+)*$")]
    private static partial Regex Trailing();

    [GeneratedRegex(@"TORCH_VERSION_MAJOR\s+(\d+)[\s\S]*TORCH_VERSION_MINOR\s+(\d+)[\s\S]*TORCH_VERSION_PATCH\s+(\d+)")]
    private static partial Regex Header();

    [GeneratedRegex(@"/libtorch-[^/]*/(\d+(?:\.\d+)+)[^/]*/runtimes/")]
    private static partial Regex OfPackage();

    [GeneratedRegex("\"libtorch-[^/\"]*/(\\d+(?:\\.\\d+)+)")]
    private static partial Regex Listed();
}
