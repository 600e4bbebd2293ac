using System.Globalization;
using Tessera.Training.Reports;

namespace Tessera.Cli.Machine;

/// <summary>Advice on how to make this machine faster, the largest gain first.</summary>
internal static class Advice
{
    internal static IReadOnlyList<string> For(MachineReport machine)
    {
        List<string> advice = [];
        if (OfCore() is { } core)
            advice.Add(core);
        if (machine.Blas is { Path: not null, IsOpenBlas: false } && !machine.Blas.Path.Contains("mkl", StringComparison.Ordinal))
            advice.Add(
                $"{machine.Blas.Path} is not OpenBLAS, so matrix products can be ten times slower. "
                    + "On Debian: apt-get install libopenblas0-openmp."
            );
        else if (machine.Blas.HasOwnThreads)
            advice.Add(
                "This OpenBLAS runs its own threads beside those of libtorch. "
                    + "On Debian: apt-get install libopenblas0-openmp, which replaces libopenblas0-pthread."
            );
        foreach (var name in (string[])["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"])
            if (
                machine.Environment.TryGetValue(name, out var value)
                && int.TryParse(value, out var threads)
                && threads < machine.Processor.Count
            )
                advice.Add(
                    $"{name}={value} keeps {machine.Processor.Count - threads} of {machine.Processor.Count} processors idle: unset it."
                );
        if (machine.Environment.TryGetValue("ATEN_CPU_CAPABILITY", out var capability))
            advice.Add($"ATEN_CPU_CAPABILITY={capability} limits libtorch's own kernels: unset it.");
        if (machine.Processor.Load > machine.Processor.Count * 0.6)
            advice.Add(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"The load is {machine.Processor.Load:0.0} on {machine.Processor.Count} processors, and waiting threads slow training "
                        + $"down by more than their share. Stop other processes, or lower train.threads."
                )
            );
        if (machine.Bfloat16Gflops / machine.Float32Gflops is > 1.25 and var gain)
            advice.Add(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"Matrix products in bfloat16 are {gain:0.0} times as fast as in float32: try --set train.precision=bf16."
                )
            );
        if (!machine.FusedAttention)
            advice.Add(
                $"libtorch {machine.Libtorch} has no fused attention, which needs 2.0 or later: "
                    + "TESSERA_LIBTORCH=FOLDER builds against another libtorch."
            );
        if (machine.OneDnn is null)
            advice.Add("This libtorch has no oneDNN, which makes convolutions and bfloat16 fast.");
        if (machine.CudaDevices == 0 && Directory.Exists("/proc/driver/nvidia/gpus"))
            advice.Add("This machine has an NVIDIA device, but this libtorch has no CUDA: set TESSERA_LIBTORCH to a build with CUDA.");
        return advice;
    }

    /// <summary>
    /// On the most costly setting, and the most easily forgotten: a core that does without vectors that the processor has. Null where there
    /// is none, as with one that is only called otherwise than the processor.
    /// </summary>
    internal static string? OfCore() =>
        Environment.GetEnvironmentVariable("OPENBLAS_CORETYPE") is { Length: > 0 } forced
        && BlasLibrary.Find().Core is { } core
        && Torch.BetterBlasCore(core) is { } better
            ? $"OPENBLAS_CORETYPE={forced} forces OpenBLAS to use the kernels of a lesser processor than this one, "
                + $"which can halve the speed: unset it, and they are those of {better}."
            : null;
}
