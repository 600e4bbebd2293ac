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

    /// <summary>The model.</summary>
    internal static ModelBundle Open(ParseResult parsed) =>
        Open(
            parsed,
            (_, bundle) => bundle,
            (variant, file, classes, device) => ModelBundle.FromWeights(variant, file, classes, device: device)
        );

    /// <summary>What a command makes of the model.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="ofRun">Of the folder of a run.</param>
    /// <param name="ofWeights">Of a model of the registry with weights, and the names of their classes where they are given.</param>
    /// <exception cref="UserException">The options do not go together.</exception>
    internal static T Open<T>(
        ParseResult parsed,
        Func<string, ModelBundle, T> ofRun,
        Func<Variant, WeightsFile, IReadOnlyList<string>?, Device, T> ofWeights
    )
    {
        var name = parsed.GetRequiredValue(Subject);
        var device = Device.Parse(parsed.GetRequiredValue(DeviceName));
        var averaged = parsed.GetValue(Averaged);
        var file = ModelLoading.Weights(parsed.GetValue(CheckpointFile), parsed.GetValue(Key), parsed.GetValue(Prefix), averaged);
        if (Directory.Exists(name))
        {
            if (parsed.GetValue(Classes) is not null)
                throw new UserException("--classes cannot be combined with a run, which knows its classes");
            var bundle = ModelBundle.Load(name, device, parsed.GetValue(Best), averaged && file is null);
            return ofRun(name, file is null ? bundle : bundle.WithWeights(file));
        }
        var variant = ModelLoading.Find(name);
        if (file is null)
            throw new UserException($"--checkpoint is required: model {name} has no weights of its own");
        if (parsed.GetValue(Best))
            throw new UserException("--best needs a run folder; a model has only the weights of --checkpoint");
        var (count, names) = ModelLoading.ClassesOf(parsed.GetValue(Classes));
        return ofWeights(variant, file, names ?? ModelLoading.Numbered(count), device);
    }
}
