using System.CommandLine;
using Tessera.Cli.Rendering;
using Tessera.Deploy;
using Tessera.Models;
using Tessera.Training;

namespace Tessera.Cli;

/// <summary>Compiling of the models that commands only ask for answers.</summary>
internal static class CompiledInference
{
    internal static Option<bool> EagerOption() =>
        new("--eager") { Description = "Run the model operator by operator instead of compiling it first (on the CPU it is compiled)." };

    /// <summary>The model, compiled for the CPU; null for models that run as they are: on a GPU, of texts, in types that are not compiled.</summary>
    internal static CompiledModel? Of(Backbone model, Precision precision, Terminal terminal)
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
