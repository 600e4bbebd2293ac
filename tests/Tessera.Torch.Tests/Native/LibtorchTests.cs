using Tessera.Native;
using Tessera.Testing;

namespace Tessera.Tests.Native;

/// <summary>Which libtorch lies in a folder, told without loading it.</summary>
public sealed class LibtorchTests : IDisposable
{
    private readonly TempFolder folder = new();

    public void Dispose() => folder.Dispose();

    private string Library(string lib, string file = "libtorch_cpu.so", string soName = "libtorch_cpu.so")
    {
        folder.Write($"{lib}/{file}", ElfBytes.Of(soName, ["libc10.so"]));
        return folder[lib];
    }

    private static byte[] NewStrings => [.. "xx_ZN3c105ErrorC1ENSt7__cxx1112basic_stringE"u8];

    [Fact]
    public void Debians_has_its_version_in_its_name()
    {
        var lib = Library("usr/lib/x86_64-linux-gnu", "libtorch_cpu.so.2.6.0", "libtorch_cpu.so.2.6");
        File.CreateSymbolicLink(Path.Combine(lib, "libtorch_cpu.so.2.6"), "libtorch_cpu.so.2.6.0");
        var found = Libtorch.In(lib)!;
        Assert.Equal(("debian-2.6", "2.6.0", "libtorch_cpu.so.2.6"), (found.Key, found.Version, found.SoName));
        Assert.Null(found.Headers);
        folder.Write("usr/include/ATen/ATen.h", "");
        Assert.Equal(folder["usr"], found.Headers);
    }

    [Theory]
    [InlineData("torch/version.py", "from typing import Optional\n\n__version__ = '2.11.0+cpu'\ndebug = False\n", "2.11.0+cpu")]
    [InlineData("torch/build-version", "2.11.1+cu128\n", "2.11.1+cu128")]
    [InlineData(
        "torch/include/torch/csrc/api/include/torch/version.h",
        "#define TORCH_VERSION_MAJOR 2\n/// Minor.\n#define TORCH_VERSION_MINOR 11\n#define TORCH_VERSION_PATCH 2\n",
        "2.11.2"
    )]
    public void A_Python_package_or_a_download_says_its_version_in_a_file(string file, string content, string version)
    {
        folder.Write(file, content);
        folder.Write("torch/lib/libc10.so", NewStrings);
        var found = Libtorch.In(Library("torch/lib"))!;
        Assert.Equal(("2.11", version), (found.Key, found.Version));
        folder.Write("torch/lib/libtorch_cuda.so", "");
        Assert.Equal("2.11-cuda", Libtorch.In(folder["torch/lib"])!.Key);
        folder.Write("torch/lib/libc10.so", "old strings only");
        Assert.Equal("2.11-cuda-precxx11", Libtorch.In(folder["torch/lib"])!.Key);
    }

    [Fact]
    public void That_of_a_NuGet_package_has_the_packages_version()
    {
        Assert.Equal("2.10.0", Libtorch.In(Library("libtorch-cpu-linux-x64/2.10.0/runtimes/linux-x64/native"))!.Version);
        folder.Write("app/app.deps.json", """{ "libraries": { "libtorch-cpu-linux-x64/2.7.1.0": { "type": "package" } } }""");
        Assert.Equal("2.7.1.0", Libtorch.In(Library("app/runtimes/linux-x64/native"))!.Version);
        Assert.Equal("2.7.1.0", Libtorch.In(Library("app"))!.Version);
    }

    [Fact]
    public void Without_a_version_no_native_library_fits()
    {
        var found = Libtorch.In(Library("somewhere"))!;
        Assert.Null(found.Version);
        Assert.Null(found.Key);
        Assert.Contains("of unknown version", found.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_folder_without_libraries_holds_no_libtorch()
    {
        folder.Write("torch/lib/libtorch_cpu.so", "INPUT(libtorch_cpu.so.2.6)");
        Assert.Null(Libtorch.In(folder["torch/lib"]));
        Assert.Null(Libtorch.In(folder["torch"]));
        Assert.Null(Libtorch.In(folder["nowhere"]));
    }
}
