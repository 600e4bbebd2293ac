using System.Diagnostics;
using Tessera.Native;
using Tessera.Testing;

namespace Tessera.Tests.Native;

/// <summary>What a library says of itself, read without loading it.</summary>
public sealed class ElfFileTests
{
    private static readonly string[] needed = ["libc10.so.2.6", "libgomp.so.1", "libc.so.6"];

    [Fact]
    public void Names_and_folders_are_those_that_were_written()
    {
        var elf = ElfFile.Read(ElfBytes.Of("libtorch_cpu.so.2.6", needed, "$ORIGIN:/opt/lib"))!;
        Assert.Equal("libtorch_cpu.so.2.6", elf.SoName);
        Assert.Equal(needed, elf.Needed);
        Assert.Equal(["$ORIGIN", "/opt/lib"], elf.RunPath);
    }

    [Fact]
    public void A_library_of_this_process_needs_the_C_library()
    {
        _ = Torch.Ones([1]);
        using var process = Process.GetCurrentProcess();
        var shim = process.Modules.Cast<ProcessModule>().First(module => module.ModuleName == "libtessera.so").FileName;
        var elf = ElfFile.Read(shim)!;
        Assert.Equal("libtessera.so", elf.SoName);
        Assert.Contains("libc.so.6", elf.Needed);
        Assert.Contains(elf.Needed, name => name.StartsWith("libtorch_cpu.so", StringComparison.Ordinal));
    }

    [Fact]
    public void Without_a_name_of_its_own_it_has_none() => Assert.Null(ElfFile.Read(ElfBytes.Of(null, needed))!.SoName);

    [Fact]
    public void Another_file_is_no_library()
    {
        Assert.Null(ElfFile.Read("GROUP ( /usr/lib/libc.so.6 )"u8.ToArray()));
        Assert.Null(ElfFile.Read(ReadOnlyMemory<byte>.Empty));
    }

    [Fact]
    [Trait("Category", Mutations.Category)]
    public void A_damaged_library_is_read_or_refused() =>
        Mutations.Check<InvalidDataException>(
            "elf",
            [
                (ElfBytes.Of("libtorch_cpu.so.2.6", needed, "/opt/lib"), file =>
                    _ = ElfFile.Read(file) ?? throw new InvalidDataException("this is no library")
                ),
            ]
        );
}
