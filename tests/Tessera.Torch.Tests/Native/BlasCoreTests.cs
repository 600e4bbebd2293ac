using System.Runtime.InteropServices;
using Tessera.Native;
using Tessera.Testing;

namespace Tessera.Tests.Native;

public class BlasCoreTests
{
    [Theory]
    // A processor that OpenBLAS takes for a generic one.
    [InlineData("Prescott", true, true, false, "SkylakeX")]
    [InlineData("Prescott", true, true, true, "SkylakeX")]
    [InlineData("Prescott", true, false, false, "Haswell")]
    [InlineData("Barcelona", true, false, true, "Zen")]
    [InlineData("Nehalem", true, false, false, "Haswell")]
    [InlineData("Sandybridge", true, true, false, "SkylakeX")]
    // One that it knows, or that has no more than it takes.
    [InlineData("Zen", true, false, true, null)]
    [InlineData("Zen", true, true, true, null)]
    [InlineData("Haswell", true, true, false, null)]
    [InlineData("SkylakeX", true, true, false, null)]
    [InlineData("Cooperlake", true, true, false, null)]
    [InlineData("A core of tomorrow", true, true, false, null)]
    [InlineData("Nehalem", false, false, false, null)]
    [InlineData("armv8", false, false, false, null)]
    public void Another_core_is_chosen_only_where_its_own_lacks_vectors(string own, bool avx2, bool avx512, bool amd, string? expected) =>
        Assert.Equal(expected, BlasCore.Better(own, new(avx2, avx512, amd)));

    [Theory]
    [InlineData("Nehalem", true, false, true, "Zen")]
    [InlineData("Haswell", true, true, false, "SkylakeX")]
    [InlineData("Haswell", true, true, true, null)]
    [InlineData("Haswell", true, false, false, null)]
    [InlineData("Haswell", true, false, true, null)]
    [InlineData("SkylakeX", true, true, false, null)]
    public void A_forced_core_is_advised_against_only_where_the_other_is_better(
        string forced,
        bool avx2,
        bool avx512,
        bool amd,
        string? expected
    ) => Assert.Equal(expected, BlasCore.Unforced(forced, new(avx2, avx512, amd)));

    [Fact]
    public void The_processor_is_told_as_the_system_tells_it()
    {
        var flags = File.ReadLines("/proc/cpuinfo").FirstOrDefault(line => line.StartsWith("flags", StringComparison.Ordinal))?.Split(' ');
        var here = BlasCore.Features.Here;
        Assert.Equal(flags is not null && flags.Contains("avx2") && flags.Contains("fma"), here.HasAvx2);
        Assert.Equal(flags is not null && flags.Contains("avx512bw") && flags.Contains("avx512vl"), here.HasAvx512);
        Assert.Equal(File.ReadAllText("/proc/cpuinfo").Contains("AuthenticAMD", StringComparison.Ordinal), here.IsAmd);
    }

    // In a copy, which no one else has loaded; the variable is set back afterwards.
    [Fact]
    public void The_library_runs_the_core_that_is_wanted()
    {
        _ = Torch.Version;
        Torch.Scope(() => Torch.Ones([2, 2]).Matmul(Torch.Ones([2, 2]))).Dispose();
        var loaded = File.ReadLines("/proc/self/maps")
            .Select(line => line[(line.IndexOf('/', StringComparison.Ordinal) + 1)..])
            .FirstOrDefault(path => Path.GetFileName(path).StartsWith("libopenblas", StringComparison.Ordinal));
        if (loaded is null || !BlasCore.Features.Here.HasAvx2)
            return;
        using var folder = new TempFolder();
        var copy = folder["libopenblas.so.0"];
        File.Copy("/" + loaded, copy);
        var before = Environment.GetEnvironmentVariable(BlasCore.Variable);
        var asked = new List<string>();
        var set = new List<(string, string)>();
        Assert.Null(BlasCore.Choose(folder["missing.so"], _ => "Haswell", (_, _) => Assert.Fail("there is no library")));
        Set(BlasCore.Variable, "Nehalem");
        try
        {
            var core = BlasCore.Choose(
                copy,
                own =>
                {
                    asked.Add(own);
                    return BlasCore.Better(own, new(true, false, false));
                },
                (name, value) =>
                {
                    set.Add((name, value));
                    Set(name, value);
                }
            );
            Assert.Equal(["Nehalem"], asked);
            Assert.Equal([(BlasCore.Variable, "Haswell")], set);
            Assert.Equal("Haswell", core);
        }
        finally
        {
            Set(BlasCore.Variable, before ?? "");
        }
    }

    private static void Set(string name, string value) => Assert.Equal(0, SetEnvironment(name, value, 1));

    [DllImport("libc", EntryPoint = "setenv", CharSet = CharSet.Ansi, BestFitMapping = false, ThrowOnUnmappableChar = true)]
    private static extern int SetEnvironment(string name, string value, int overwrite);
}
