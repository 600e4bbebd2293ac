using System.CommandLine;
using Tessera.Cli.Shell;
using Tessera.Deploy;
using Tessera.Models;
using Tessera.Training;

namespace Tessera.Cli.Inputs;

/// <summary>Compiles models for commands that only predict.</summary>
internal static class CompiledInference
{
    internal static Option<bool> EagerOption() =>
        new("--eager") { Description = "Run the model operator by operator instead of compiling it for the CPU." };

    /// <summary>
    /// Compiles a model for the CPU; null for models that run uncompiled: on a GPU, on texts, in float16, or where it cannot be compiled.
    /// </summary>
    internal static CompiledModel? Of(Model model, Precision precision, Terminal terminal)
    {
        if (precision == Precision.Fp16 || model.Parameters().Any(p => p.Device.Type != DeviceType.Cpu) || !model.TakesImages)
            return null;
        model.Eval();
        try
        {
            return model.Compile(new() { Precision = precision == Precision.Bf16 ? DType.BFloat16 : DType.Float32 });
        }
        catch (NotSupportedException error)
        {
            if (!terminal.Quiet)
                terminal.Note($"the model runs uncompiled: {error.Message}");
            return null;
        }
    }
}
