using System.CommandLine;
using System.Globalization;
using Spectre.Console;
using Tessera.Cli.Machine;
using Tessera.Cli.Rendering;
using Tessera.Cli.Shell;
using Tessera.Data;

namespace Tessera.Cli.Commands;

/// <summary><c>tessera info</c>: the hardware and libraries of the machine.</summary>
internal static class InfoCommand
{
    private static readonly Option<bool> NoMeasure = new("--no-measure")
    {
        Description = "Skip measuring the peak, which takes some seconds.",
    };

    internal static Command Create()
    {
        var command = new ExampleCommand(
            "info",
            "Show libtorch, kernels, threads, peak speed, memory and CUDA, with advice on how to make this machine faster."
        )
        {
            Examples =
            [
                ("tessera info", "show everything; measuring takes some seconds"),
                ("tessera info --no-measure --json", "print JSON without measuring"),
            ],
            Options = { NoMeasure },
        };
        command.SetAction(parsed =>
        {
            var terminal = parsed.Terminal();
            var measure = !parsed.GetValue(NoMeasure);
            var machine =
                measure && terminal.IsDrawn
                    ? terminal.Drawing.Status().Start("Measuring matrix products ...", _ => MachineReport.Collect(measure))
                    : MachineReport.Collect(measure);
            var advice = Advice.For(machine);
            if (terminal.Json)
                Terminal.WriteJson(new { machine, advice });
            else
                Show(machine, advice, terminal);
        });
        return command;
    }

    private static void Show(MachineReport machine, IReadOnlyList<string> advice, Terminal terminal)
    {
        (string Name, string Value)[] lines =
        [
            ("tessera", $"{machine.Version} on {machine.Runtime}, {machine.System}"),
            ("libtorch", machine.LibtorchPath is { } engine ? $"{machine.Libtorch}, {engine}" : machine.Libtorch),
            ("native", machine.NativeLibrary),
            ("libvips", VipsLine(machine.Libvips)),
            ("processor", $"{machine.Processor.Name}, {machine.Processor.Count} usable; {string.Join(", ", machine.Processor.Vectors)}"),
            (
                "kernels",
                $"libtorch {machine.Kernels}; {BlasLine(machine.Blas)}; {(machine.OneDnn is { } dnn ? $"oneDNN {dnn}" : "no oneDNN")}"
            ),
            ("attention", machine.FusedAttention ? "fused kernel" : "plain products (this libtorch has no fused kernel)"),
            ("threads", $"{machine.Threads} (by {machine.ThreadsBy})"),
            .. machine.Float32Gflops is { } single ? [("peak", Peak(single, machine.Bfloat16Gflops))] : Array.Empty<(string, string)>(),
            ("memory", $"{Figures.Bytes(machine.FreeMemoryBytes)} free of {Figures.Bytes(machine.MemoryBytes)}"),
            (
                "CUDA",
                machine.CudaDevices == 0
                    ? "none"
                    : $"{machine.CudaDevices} {(machine.CudaDevices == 1 ? "device" : "devices")}"
                        + (machine.CudaFloat32Gflops is { } cuda ? $", the first: {Peak(cuda, machine.CudaBfloat16Gflops)}" : "")
            ),
            .. machine.Environment.Select(variable => ("environment", $"{variable.Key}={variable.Value}")),
        ];
        FactList.Show(lines, terminal);
        if (terminal.Quiet)
            return;
        terminal.Note("");
        terminal.Heading(advice.Count == 0 ? "No advice: this machine is set up well." : "Advice");
        foreach (var line in advice)
        {
            if (terminal.IsDrawn)
                terminal.Drawing.Write(FactList.Row("  -", line, 4));
            else
                terminal.Note($"- {line}");
        }
    }

    private static string VipsLine(ImageLibrary vips) =>
        vips.Problem is { } problem ? $"none: {problem}"
        : vips.Origin == VipsLibrary.OfSystem ? $"{vips.Version} of the system, {vips.Path}"
        : vips.Origin == VipsLibrary.OfPackage ? $"{vips.Version} of the package NetVips.Native, {vips.Path}"
        : $"{vips.Version} by {vips.Origin}, {vips.Path}";

    private static string BlasLine(BlasLibrary blas) =>
        blas switch
        {
            { Path: null } => "BLAS built in",
            { IsOpenBlas: true } => $"OpenBLAS {blas.Description?.Split(' ').ElementAtOrDefault(1)} for {blas.Core}",
            _ => Path.GetFileName(blas.Path),
        };

    private static string Peak(double single, double? brief) =>
        string.Create(CultureInfo.InvariantCulture, $"{single:0} GFLOP/s in float32{(brief is { } b ? $", {b:0} in bfloat16" : "")}");
}
