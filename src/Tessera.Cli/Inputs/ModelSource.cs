using System.CommandLine;
using System.CommandLine.Completions;
using Tessera.Cli.Shell;
using Tessera.Models;
using Tessera.Training.Bundles;

namespace Tessera.Cli.Inputs;

/// <summary>The model that a command uses: a run, or a model of the registry with a weight file.</summary>
internal static class ModelSource
{
    private static readonly Argument<string> Subject = new("run|model")
    {
        HelpName = "run|model",
        Description = "Run folder, or model name (with --checkpoint).",
        CompletionSources = { _ => Registry.All.Select(variant => new CompletionItem(variant.Name)) },
    };
    private static readonly Option<string?> CheckpointFile = new("--checkpoint")
    {
        Description = "Weight file (safetensors or PyTorch), index of several, or folder of the Hugging Face hub.",
        HelpName = "file",
    };
    private static readonly Option<string?> Key = ModelLoading.KeyOption();
    private static readonly Option<string?> Prefix = ModelLoading.PrefixOption();
    private static readonly Option<string?> Classes = ModelLoading.ClassesOption();
    private static readonly Option<bool> Best = new("--best") { Description = "Use the best checkpoint of the run instead of the newest." };
    private static readonly Option<bool> Averaged = new("--ema")
    {
        Description = "Use the moving average of the weights of the run or file.",
    };
    private static readonly Option<string> DeviceName = ModelLoading.DeviceOption();

    /// <summary>Gives a command the argument, in front of its others, and the options.</summary>
    internal static void AddTo(Command command)
    {
        command.Arguments.Insert(0, Subject);
        foreach (var option in (Option[])[CheckpointFile, Key, Prefix, Classes, Best, Averaged, DeviceName])
            command.Options.Add(option);
    }

    /// <summary>Gives a command that needs no classes and has the name of the model elsewhere the other options.</summary>
    internal static void AddOptionsTo(Command command)
    {
        foreach (var option in (Option[])[CheckpointFile, Key, Prefix, Best, Averaged, DeviceName])
            command.Options.Add(option);
    }

    /// <summary>The model.</summary>
    internal static ModelBundle Open(ParseResult parsed) => Choice(parsed, parsed.GetRequiredValue(Subject)).Open(DeviceOf(parsed));

    /// <summary>What a command makes of the model.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="ofRun">Of the folder of a run.</param>
    /// <param name="ofWeights">Of a model of the registry with weights, and the names of their classes where they are given.</param>
    /// <exception cref="UserException">The options do not go together.</exception>
    internal static T Open<T>(
        ParseResult parsed,
        Func<string, ModelBundle, T> ofRun,
        Func<Variant, WeightsFile, IReadOnlyList<string>?, Device, T> ofWeights
    ) => Choice(parsed, parsed.GetRequiredValue(Subject)).Open(DeviceOf(parsed), ofRun, ofWeights);

    /// <summary>Where the model shall compute.</summary>
    internal static Device DeviceOf(ParseResult parsed) => Device.Parse(parsed.GetRequiredValue(DeviceName));

    /// <summary>The model that the options choose.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="name">Folder of a run, or name of a model.</param>
    internal static ModelChoice Choice(ParseResult parsed, string name) =>
        new(
            name,
            parsed.GetValue(CheckpointFile),
            parsed.GetValue(Key),
            parsed.GetValue(Prefix),
            parsed.GetValue(Classes),
            parsed.GetValue(Best),
            parsed.GetValue(Averaged)
        );
}
