using System.Globalization;

namespace Tessera.Cli.Machine;

/// <summary>What would make this machine faster, the largest gain first.</summary>
internal static class Advice
{
    internal static IReadOnlyList<string> For(MachineReport machine)
    {
        List<string> advice = [];
        if (machine.Environment.TryGetValue("OPENBLAS_CORETYPE", out var core))
            advice.Add(CoreType(core));
        if (machine.Blas is { Path: not null, IsOpenBlas: false } && !machine.Blas.Path.Contains("mkl", StringComparison.Ordinal))
            advice.Add(
                $"{machine.Blas.Path} is not OpenBLAS: products may run at a tenth of the speed. Debian: apt-get install libopenblas0-openmp."
            );
        else if (machine.Blas.HasOwnThreads)
            advice.Add(
                "This OpenBLAS has threads of its own beside libtorch's. Debian: apt-get install libopenblas0-openmp instead of libopenblas0-pthread."
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
                    $"Processes want {machine.Processor.Load:0.0} processors, there are {machine.Processor.Count}: threads that wait for each other slow down by far more than that. Stop the others, or set train.threads lower."
                )
            );
        if (machine.Bfloat16Gflops / machine.Float32Gflops is > 1.25 and var gain)
            advice.Add(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"Products in bfloat16 run {gain:0.0} times as fast as in float32: try --set train.precision=bf16."
                )
            );
        if (!machine.FusedAttention)
            advice.Add(
                $"libtorch {machine.Libtorch} has no fused attention; 2.0 and later have: TESSERA_LIBTORCH=FOLDER builds against another one."
            );
        if (machine.OneDnn is null)
            advice.Add("This libtorch was built without oneDNN, which convolutions and bfloat16 need to be fast.");
        if (machine.CudaDevices == 0 && Directory.Exists("/proc/driver/nvidia/gpus"))
            advice.Add("There is an NVIDIA device, but this libtorch has no CUDA: let TESSERA_LIBTORCH name a build that has.");
        return advice;
    }

    /// <summary>The setting that costs most, and that nobody remembers to have made.</summary>
    internal static string CoreType(string core) =>
        $"OPENBLAS_CORETYPE={core} forces OpenBLAS to the kernels of one processor, whatever this one is, and can halve the speed: unset it.";
}
