using System.Globalization;
using System.Runtime.InteropServices;

namespace Tessera.Outside.Tests;

/// <summary>What is set for the whole process takes effect, and does not where it is left off.</summary>
public sealed partial class ProcessSettingTests
{
    private static readonly (string Switch, string Variable)[] settings =
    [
        ("Tessera.KeepFreedMemory", "TESSERA_KEEP_FREED_MEMORY"),
        ("Tessera.SpinShortly", "TESSERA_SPIN_SHORTLY"),
        ("Tessera.QuietUcx", "TESSERA_QUIET_UCX"),
        ("Tessera.FullFloat32", "TESSERA_FULL_FLOAT32"),
        ("Tessera.ChooseBlasCore", "TESSERA_CHOOSE_BLAS_CORE"),
    ];

    // Larger than any block that the C library keeps by itself, smaller than those that we tell it to keep. Nobody writes to it.
    private const long Block = 256 << 20;

    private const string None = "none";

    /// <summary>Writes a line for each thing that is set: how it is after the first calls of the engine.</summary>
    /// <param name="off">Switches that the program sets to no.</param>
    internal static void Tell(string[] off)
    {
        foreach (var name in off)
            AppContext.SetSwitch(name, false);
        MemoryUse used;
        // On the first thread, whose memory is the heap of the process.
        using (Torch.Empty([Block], dtype: DType.UInt8))
            used = ReadMemoryUse();
        using (var square = Torch.Ones([2, 2]))
            square.Matmul(square).Dispose();
        Write("mapped", (long)used.Mapped);
        Write("kept", (long)ReadMemoryUse().Free);
        foreach (var name in new[] { "GOMP_SPINCOUNT", "UCX_ERROR_SIGNALS", "OPENBLAS_CORETYPE" })
            Write(name, Marshal.PtrToStringUTF8(NativeVariable(name)) is { } value ? $"'{value}'" : None);
        Write("tf32", Tf32() is { } tf32 ? tf32 : None);
        Write("core", BlasCore() is { } core ? $"'{core}'" : None);
    }

    private static void Write(string name, IConvertible value) =>
        Console.WriteLine($"{name} {value.ToString(CultureInfo.InvariantCulture)}");

    // Whether convolutions on CUDA may round, as the engine has it; null where it cannot be asked (its versions from 2.9 on).
    private static unsafe bool? Tf32()
    {
        var engine = NativeLibrary.Load(Loaded("libtorch_cpu.so")!);
        if (!NativeLibrary.TryGetExport(engine, "_ZNK2at7Context14allowTF32CuDNNEv", out var allows))
            return null;
        var context = ((delegate* unmanaged<nint>)NativeLibrary.GetExport(engine, "_ZN2at13globalContextEv"))();
        return ((delegate* unmanaged<nint, byte>)allows)(context) != 0;
    }

    private static unsafe string? BlasCore() =>
        Loaded("libopenblas") is { } path && NativeLibrary.TryGetExport(NativeLibrary.Load(path), "openblas_get_corename", out var name)
            ? Marshal.PtrToStringUTF8(((delegate* unmanaged<nint>)name)())
            : null;

    private static string? Loaded(string start) =>
        File.ReadLines("/proc/self/maps")
            .Where(line => line.Contains('/', StringComparison.Ordinal))
            .Select(line => line[line.IndexOf('/', StringComparison.Ordinal)..])
            .FirstOrDefault(path => Path.GetFileName(path).StartsWith(start, StringComparison.Ordinal));

    /// <summary>Two of the ten numbers of glibc's <c>mallinfo2</c>.</summary>
    /// <param name="mapped">Bytes of blocks that were asked of the kernel one by one, and go back to it when they are freed.</param>
    /// <param name="free">Bytes that nobody uses and that stay with the process.</param>
    [StructLayout(LayoutKind.Explicit, Size = 80)]
    private readonly struct MemoryUse(nuint mapped, nuint free)
    {
        [field: FieldOffset(32)]
        internal nuint Mapped { get; } = mapped;

        [field: FieldOffset(64)]
        internal nuint Free { get; } = free;
    }

    [LibraryImport("libc", EntryPoint = "mallinfo2")]
    private static partial MemoryUse ReadMemoryUse();

    [LibraryImport("libc", EntryPoint = "getenv", StringMarshalling = StringMarshalling.Utf8)]
    private static partial nint NativeVariable(string name);

    private static Dictionary<string, string> Ask(string[] off, params (string, string?)[] environment) =>
        OwnProcess
            .Run(["settings", .. off], environment)
            .Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => line.Split(' ', 2))
            .ToDictionary(parts => parts[0], parts => parts[1]);

    private static long Bytes(string value) => long.Parse(value, CultureInfo.InvariantCulture);

    [Fact]
    public void What_is_set_takes_effect()
    {
        var on = Ask([]);
        Assert.InRange(Bytes(on["mapped"]), 0, Block - 1);
        Assert.InRange(Bytes(on["kept"]), Block, long.MaxValue);
        Assert.Equal("'10000'", on["GOMP_SPINCOUNT"]);
        Assert.Equal("''", on["UCX_ERROR_SIGNALS"]);
        Assert.Contains(on["tf32"], (string[])["False", None]);
        // Where another core was chosen, it is the one that computes.
        if (on["OPENBLAS_CORETYPE"] != None)
            Assert.Equal(on["core"], on["OPENBLAS_CORETYPE"], ignoreCase: true);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void What_is_left_off_is_as_it_would_be_without_us(bool byVariable)
    {
        var off = byVariable
            ? Ask([], [.. settings.Select(setting => (setting.Variable, (string?)"0"))])
            : Ask([.. settings.Select(setting => setting.Switch)]);
        Assert.InRange(Bytes(off["mapped"]), Block, long.MaxValue);
        Assert.InRange(Bytes(off["kept"]), 0, Block - 1);
        Assert.All(["GOMP_SPINCOUNT", "UCX_ERROR_SIGNALS", "OPENBLAS_CORETYPE"], name => Assert.Equal(None, off[name]));
        Assert.Contains(off["tf32"], (string[])["True", None]);
    }
}
