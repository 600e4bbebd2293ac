using System.Text.Json;
using Tessera.Cli.Shell;

namespace Tessera.Cli.Tests;

public class InfoTests
{
    [Fact]
    public void Info_names_version_kernels_threads_and_a_measured_peak()
    {
        var machine = CommandLineTool.Run("info", "--json").Succeeded().Json.GetProperty("machine");
        Assert.Equal(Environment.ProcessorCount, machine.GetProperty("threads").GetInt32());
        Assert.Matches(@"^\d+\.\d+", machine.GetProperty("libtorch").GetString()!);
        Assert.True(machine.GetProperty("float32_gflops").GetDouble() > 0.1);
        Assert.True(machine.GetProperty("bfloat16_gflops").GetDouble() > 0.001);
        Assert.True(machine.GetProperty("memory_bytes").GetInt64() > 1 << 28);
    }

    [Fact]
    public void Info_warns_of_kernels_that_are_forced()
    {
        var forced = new Dictionary<string, string> { ["OPENBLAS_CORETYPE"] = "Nehalem" };
        var info = CommandLineTool.Run(Path.GetTempPath(), ["info", "--no-measure"], forced).Succeeded();
        Assert.Contains("OPENBLAS_CORETYPE=Nehalem", info.Output, StringComparison.Ordinal);
        // Where the core is in use, and the processor could do better.
        if (info.Output.Contains("for Nehalem", StringComparison.Ordinal) && info.Output.Contains("AVX2", StringComparison.Ordinal))
            Assert.Contains("halve", info.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("GFLOP/s", info.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("halve", CommandLineTool.Run("info", "--no-measure").Succeeded().Output, StringComparison.Ordinal);
        Assert.Equal(JsonValueKind.Array, CommandLineTool.Run("info", "--no-measure", "--json").Json.GetProperty("advice").ValueKind);
    }

    [Fact]
    public void Info_tells_what_limits_the_threads()
    {
        var one = new Dictionary<string, string> { ["OMP_NUM_THREADS"] = "1" };
        Assert.Contains(
            "1 (by OMP_NUM_THREADS)",
            CommandLineTool.Run(Path.GetTempPath(), ["info", "--no-measure"], one).Succeeded().Output,
            StringComparison.Ordinal
        );
        var many = new Dictionary<string, string> { ["OMP_NUM_THREADS"] = "4096" };
        Assert.Contains(
            $"{Environment.ProcessorCount} (by processors)",
            CommandLineTool.Run(Path.GetTempPath(), ["info", "--no-measure"], many).Succeeded().Output,
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void Info_names_the_files_that_were_chosen()
    {
        var (text, machine) = Info([]);
        var native = machine.GetProperty("native_library").GetString()!;
        Assert.True(File.Exists(native));
        Assert.StartsWith("libtorch_cpu.so", Path.GetFileName(machine.GetProperty("libtorch_path").GetString()), StringComparison.Ordinal);
        var vips = machine.GetProperty("libvips");
        var path = vips.GetProperty("path").GetString()!;
        Assert.Contains(vips.GetProperty("origin").GetString(), (string?[])["system", "package"]);
        Assert.Matches(@"^\d+\.\d+", vips.GetProperty("version").GetString()!);
        Assert.All([native, machine.GetProperty("libtorch_path").GetString()!, path], file =>
        {
            Assert.True(File.Exists(file));
            Assert.Contains(file, text, StringComparison.Ordinal);
        });
        (text, machine) = Info(new() { ["TESSERA_LIBVIPS"] = path });
        Assert.Equal("TESSERA_LIBVIPS", machine.GetProperty("libvips").GetProperty("origin").GetString());
        Assert.Contains($"by TESSERA_LIBVIPS, {path}", text, StringComparison.Ordinal);
        // Who trains on texts needs none.
        (text, machine) = Info(new() { ["TESSERA_LIBVIPS"] = "/no/libvips.so.42" });
        var problem = machine.GetProperty("libvips").GetProperty("problem").GetString()!;
        Assert.Contains("TESSERA_LIBVIPS names /no/libvips.so.42", problem, StringComparison.Ordinal);
        Assert.Contains($"none: {problem}", text, StringComparison.Ordinal);

        static (string Text, JsonElement Machine) Info(Dictionary<string, string> environment) =>
            (
                CommandLineTool.Run(Path.GetTempPath(), ["info", "--no-measure", "--quiet"], environment).Succeeded().Output,
                CommandLineTool
                    .Run(Path.GetTempPath(), ["info", "--no-measure", "--json"], environment)
                    .Succeeded()
                    .Json.GetProperty("machine")
            );
    }

    [Fact]
    public void A_shim_of_another_version_is_refused_by_name()
    {
        var other = Path.Combine(System.Runtime.InteropServices.RuntimeEnvironment.GetRuntimeDirectory(), "libSystem.Native.so");
        var ended = CommandLineTool.Run(
            Path.GetTempPath(),
            ["info", "--no-measure"],
            new Dictionary<string, string> { ["TESSERA_NATIVE"] = other }
        );
        Assert.Equal(ExitCode.Failure, ended.Code);
        Assert.Contains($"{other} belongs to another version of Tessera", ended.Error, StringComparison.Ordinal);
    }
}
