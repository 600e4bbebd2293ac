using Tessera.Native;
using Tessera.Testing;

namespace Tessera.Tests.Native;

/// <summary>A machine that lies in a folder: its variables, its system, its user and its program.</summary>
internal sealed class FakePlaces : IDisposable
{
    private readonly TempFolder folder = new();

    internal Dictionary<string, string> Variables { get; } = [];

    internal string Rid { get; set; } = "linux-x64";

    internal Places Places =>
        new(
            name => Variables.GetValueOrDefault(name),
            folder["app"],
            [folder["app/runtimes/linux-x64/native"], folder["app"]],
            folder.Path,
            folder["home/user"],
            Rid
        );

    internal string this[string name] => folder[name];

    internal string Write(string name, string content = "") => folder.Write(name, content);

    /// <summary>A libtorch of Debian's.</summary>
    internal void Debian(string version) =>
        folder.Write(
            $"usr/lib/x86_64-linux-gnu/libtorch_cpu.so.{version}",
            ElfBytes.Of($"libtorch_cpu.so.{version}", ["libc10.so", "libm.so.6"])
        );

    /// <summary>A libtorch of a Python package; gives the folder of the package.</summary>
    internal string Python(string site, string version, bool headers = true)
    {
        folder.Write($"{site}/torch/lib/libtorch_cpu.so", ElfBytes.Of("libtorch_cpu.so", ["libc10.so", "libm.so.6"]));
        Write($"{site}/torch/lib/libc10.so", "St7__cxx1112basic_string");
        Write($"{site}/torch/version.py", $"__version__ = '{version}'\n");
        if (headers)
            Write($"{site}/torch/include/ATen/ATen.h");
        return folder[$"{site}/torch"];
    }

    /// <summary>A native library of the package.</summary>
    internal string Packaged(string key) => Write($"app/runtimes/linux-x64/native/libtessera-{key}.so");

    /// <summary>Programs on the PATH.</summary>
    internal void Tools(params string[] names)
    {
        foreach (var name in names)
            Write($"bin/{name}");
        Variables["PATH"] = folder["bin"];
    }

    public void Dispose() => folder.Dispose();
}
