using System.CommandLine;
using Tessera.Checkpoints;
using Tessera.Cli.Inputs;
using Tessera.Cli.Rendering;
using Tessera.Cli.Shell;
using Tessera.Training;
using Tessera.Training.Bundles;
using Tessera.Training.Runs;

namespace Tessera.Cli.Commands;

/// <summary><c>tessera average</c>: one set of weights from several of the same model.</summary>
internal static class AverageCommand
{
    private static readonly Argument<string[]> Sources = new("runs|files")
    {
        Description = "Two or more run folders or weight files (safetensors or PyTorch).",
        HelpName = "runs|files",
        Arity = ArgumentArity.OneOrMore,
    };
    private static readonly Option<string> Out = new("--out")
    {
        Description = "The safetensors file to write.",
        HelpName = "file",
        Required = true,
    };
    private static readonly Option<bool> Best = new("--best")
    {
        Description = "Use the best checkpoint of each run instead of the newest.",
    };
    private static readonly Option<bool> Averaged = new("--ema")
    {
        Description = "Use the moving average of the weights of each run or file.",
    };
    private static readonly Option<string?> Key = ModelLoading.KeyOption();
    private static readonly Option<string?> Prefix = ModelLoading.PrefixOption();

    internal static Command Create()
    {
        var command = new ExampleCommand("average", "Average the weights of runs or files of the same model into one file.")
        {
            Examples =
            [
                ("tessera average runs/a runs/b runs/c --out soup.safetensors", "average three runs that began with the same weights"),
                ("tessera average runs/a runs/b --best --out soup.safetensors", "average the best checkpoints"),
                ("tessera eval runs/a --checkpoint soup.safetensors", "measure the result"),
            ],
            Arguments = { Sources },
            Options = { Out, Best, Averaged, Key, Prefix },
        };
        command.SetAction(parsed =>
        {
            var terminal = parsed.Terminal();
            var sources = parsed.GetRequiredValue(Sources);
            var target = parsed.GetRequiredValue(Out);
            if (sources.Length < 2)
                throw new UserException("average needs at least two runs or files; only one was given");
            if (Directory.Exists(target))
                throw new UserException($"--out must be a file, but {target} is a folder");
            using var scope = new Scope();
            var mean = new WeightAverage();
            foreach (var source in sources)
                ModelLoading.ShowNotes(
                    AveragedWeights.Add(
                        mean,
                        new(source, parsed.GetValue(Key), parsed.GetValue(Prefix), parsed.GetValue(Averaged)),
                        parsed.GetValue(Best)
                    ),
                    terminal
                );
            Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(target))!);
            var result = mean.Mean();
            Checkpoint.SaveSafetensors(target, result.ToCheckpoint());
            if (terminal.Json)
                Terminal.WriteJson(
                    new
                    {
                        File = target,
                        Sources = mean.Sources,
                        Tensors = result.Count,
                        Values = result.Values.Sum(tensor => tensor.Elements),
                    }
                );
            else if (terminal.Quiet)
                Terminal.Result(target);
            else
            {
                foreach (var file in mean.Sources)
                    terminal.Note($"from    {file}");
                terminal.Note(
                    $"mean    {target}: {result.Count:N0} tensors, {Figures.Large(result.Values.Sum(tensor => tensor.Elements))} values"
                );
            }
        });
        return command;
    }
}
