using System.CommandLine;
using Tessera.Cli.Shell;
using Tessera.Training.Bundles;

namespace Tessera.Cli.Inputs;

/// <summary>Weights that a command reads, wherever they lie, and the options that choose a part of them.</summary>
internal static class WeightsInput
{
    private static readonly Argument<string> Source = new("file|folder")
    {
        Description =
            "Weights: safetensors, PyTorch, .npz, an index of several files, or a folder of the Hugging Face hub, of a run or of a bundle.",
        HelpName = "file|folder",
    };
    private static readonly Option<string?> Key = ModelLoading.KeyOption();
    private static readonly Option<string?> Prefix = ModelLoading.PrefixOption();
    private static readonly Option<bool> Averaged = new("--ema") { Description = "Take the moving average of the weights." };
    private static readonly Option<bool> Best = new("--best") { Description = "Take the best weights of the run instead of the newest." };

    /// <summary>Gives a command the argument, in front of its others, and the options.</summary>
    internal static void AddTo(Command command)
    {
        command.Arguments.Insert(0, Source);
        foreach (var option in (Option[])[Key, Prefix, Averaged, Best])
            command.Options.Add(option);
    }

    /// <summary>Whether a part was asked for that has to be there.</summary>
    internal static bool IsPart(ParseResult parsed) =>
        parsed.GetValue(Key) is not null || parsed.GetValue(Prefix) is not null || parsed.GetValue(Averaged);

    /// <summary>The model of the folder of a run or of a bundle.</summary>
    internal static ModelBundle BundleOf(ParseResult parsed)
    {
        if (parsed.GetValue(Key) is not null || parsed.GetValue(Prefix) is not null)
            throw new UserException("a run has its weights alone; --key and --prefix are for files");
        return ModelBundle.Load(parsed.GetRequiredValue(Source), best: parsed.GetValue(Best), ema: parsed.GetValue(Averaged));
    }

    /// <summary>The open weights.</summary>
    internal static StoredWeights Open(ParseResult parsed) =>
        StoredWeights.Open(
            new(parsed.GetRequiredValue(Source), parsed.GetValue(Key), parsed.GetValue(Prefix), parsed.GetValue(Averaged) ? true : null),
            parsed.GetValue(Best)
        );
}
