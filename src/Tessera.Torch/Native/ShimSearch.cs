using System.Security.Cryptography;
using System.Text;

namespace Tessera.Native;

/// <summary>
/// Chooses the native library: the one that TESSERA_NATIVE names, that of a checkout, the package's for a libtorch that is there, or one
/// that is built for it.
/// </summary>
internal static class ShimSearch
{
    internal const string Variable = "TESSERA_NATIVE";

    /// <summary>The library to load.</summary>
    /// <param name="places">Where to look.</param>
    /// <param name="build">Builds one where none fits.</param>
    /// <param name="mayBuild">Whether it may.</param>
    /// <exception cref="DllNotFoundException">
    /// There is none; the message says what was found, where it was looked for and what to do.
    /// </exception>
    internal static Shim Choose(Places places, ShimBuild build, bool mayBuild)
    {
        if (places.Given(Variable) is { } named)
            return File.Exists(named) ? new(named, null) : throw new DllNotFoundException($"{Variable} names {named}, which is not there");
        if (OfCheckout(places).FirstOrDefault(File.Exists) is { } own)
            return new(own, null);
        var found = LibtorchSearch.Found(places);
        foreach (var libtorch in found.Where(libtorch => libtorch.Key is not null))
            if (OfPackage(places, libtorch).Append(build.PathOf(libtorch)).FirstOrDefault(File.Exists) is { } path)
                return new(path, libtorch);
        var buildable = found.FirstOrDefault(libtorch => libtorch.Headers is not null && libtorch.Key is not null);
        if (buildable is not null && mayBuild && build.Missing.Length == 0)
            return new(build.Build(buildable), buildable);
        throw new DllNotFoundException(found.Count == 0 ? NoLibtorch(places) : NoShim(places, found, buildable, build.Missing, mayBuild));
    }

    // A file under the library's own name, where .NET looks too; then what ./tessera and ./test build, for the system's libtorch or for the
    // one that TESSERA_LIBTORCH names.
    private static IEnumerable<string> OfCheckout(Places places)
    {
        var key = "system";
        if (places.Given(LibtorchSearch.Variable) is { } libtorch)
            key = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(Path.GetFullPath(libtorch).TrimEnd('/'))))[..12];
        else
            foreach (var native in places.NativeFolders)
                yield return Path.Combine(native, ShimBuild.FileName);
        for (var folder = new DirectoryInfo(places.Application); folder is not null; folder = folder.Parent)
            yield return Path.Combine(folder.FullName, "artifacts", "native", key, ShimBuild.FileName);
    }

    private static IEnumerable<string?> OfPackage(Places places, Libtorch libtorch) =>
        places.NativeFolders.Select(folder => Path.Combine(folder, $"libtessera-{libtorch.Key}.so"));

    private static string NoLibtorch(Places places)
    {
        var looked = $"looked for libtorch_cpu.so in {string.Join(", ", LibtorchSearch.Folders(places))}";
        return places.Given(LibtorchSearch.Variable) is { } named
            ? $"{LibtorchSearch.Variable} names {named}, where no libtorch is ({looked}): "
                + "let it name a folder that holds lib/libtorch_cpu.so, that of a Python torch package, for example"
            : "Tessera found no libtorch: install it (Debian: apt-get install libtorch-dev libopenblas0-openmp; Python: pip install "
                + $"torch), or let {LibtorchSearch.Variable} name its folder ({looked})";
    }

    private static string NoShim(Places places, IReadOnlyList<Libtorch> found, Libtorch? buildable, string missing, bool mayBuild)
    {
        var held = Held(places);
        return $"Tessera found {string.Join(" and ", found)}, but {Package} has a native library for "
            + (held.Length == 0 ? "none" : string.Join(", ", held) + " only")
            + $" (looked in {string.Join(", ", places.NativeFolders)}); "
            + (
                buildable is null ? "one cannot be built, because its headers (include/ATen) or its version are not there"
                : !mayBuild
                    ? $"one is not built, because {ProcessSetting.BuildNative.Variable} or {ProcessSetting.BuildNative.Switch} says no"
                : $"one cannot be built without {missing} (Debian: apt-get install g++ cmake make)"
            )
            + $"; or let {LibtorchSearch.Variable} name another libtorch, or {Variable} a library that was built for it";
    }

    private static string Package
    {
        get
        {
            var name = typeof(ShimSearch).Assembly.GetName();
            return $"the package {name.Name} {name.Version?.ToString(3)}";
        }
    }

    private static string[] Held(Places places) =>
        [
            .. places
                .NativeFolders.Where(Directory.Exists)
                .SelectMany(folder => Directory.EnumerateFiles(folder, "libtessera-*.so"))
                .Select(file => Path.GetFileNameWithoutExtension(file)["libtessera-".Length..])
                .Distinct(StringComparer.Ordinal)
                .Order(StringComparer.Ordinal),
        ];
}
