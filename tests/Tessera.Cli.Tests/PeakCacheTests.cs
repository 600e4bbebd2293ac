using Tessera.Cli.Machine;

namespace Tessera.Cli.Tests;

public sealed class PeakCacheTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("tessera-peak-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    private PeakCache Cache => new(Path.Combine(folder, "cache", "peak.json"));

    [Fact]
    public void A_peak_is_measured_once_and_then_read()
    {
        Assert.Equal(123.5, Cache.Remember(DType.Float32, Device.Cpu, 123.5));
        Assert.Equal(123.5, Cache.Gflops(DType.Float32, Device.Cpu));
        Assert.Equal(2e6, Cache.Remember(DType.BFloat16, Device.Cpu, 2e6));
        Assert.Equal(123.5, Cache.Gflops(DType.Float32, Device.Cpu));
    }

    [Fact]
    public void A_lower_measurement_of_a_busy_machine_does_not_replace_a_higher_one()
    {
        Cache.Remember(DType.Float32, Device.Cpu, 100);
        Assert.Equal(100, Cache.Remember(DType.Float32, Device.Cpu, 50));
        Assert.Equal(200, Cache.Remember(DType.Float32, Device.Cpu, 200));
        Assert.Equal(200, Cache.Gflops(DType.Float32, Device.Cpu));
    }

    [Fact]
    public void Measuring_leaves_the_random_numbers_of_a_training_alone()
    {
        using var scope = new Scope();
        Torch.Seed(5);
        var expected = Torch.Rand([4]).ToArray<float>();
        Torch.Seed(5);
        Assert.True(PeakMeasurement.Gflops(DType.Float32, Device.Cpu) > 0);
        Assert.Equal(expected, Torch.Rand([4]).ToArray<float>());
    }

    [Fact]
    public void A_damaged_cache_is_written_anew_and_an_unwritable_one_is_done_without()
    {
        Directory.CreateDirectory(Path.Combine(folder, "cache"));
        File.WriteAllText(Path.Combine(folder, "cache", "peak.json"), "{ damaged");
        Assert.Equal(7, Cache.Remember(DType.Float32, Device.Cpu, 7));
        Assert.Equal(7, Cache.Gflops(DType.Float32, Device.Cpu));
        File.WriteAllText(Path.Combine(folder, "file"), "");
        Assert.Equal(9, new PeakCache(Path.Combine(folder, "file", "peak.json")).Remember(DType.Float32, Device.Cpu, 9));
    }
}
