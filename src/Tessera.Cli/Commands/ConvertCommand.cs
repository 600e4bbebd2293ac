using System.CommandLine;
using System.CommandLine.Completions;
using Tessera.Checkpoints;
using Tessera.Cli.Inputs;
using Tessera.Cli.Rendering;
using Tessera.Cli.Shell;
using Tessera.Models;
using Tessera.Models.Fitting;
using Tessera.Training.Bundles;

namespace Tessera.Cli.Commands;

/// <summary><c>tessera convert</c>: weights of any kind as safetensors.</summary>
internal static class ConvertCommand
{
    private const string Extension = ".safetensors";
    private const string UsualName = "model.safetensors";

    private static readonly DType[] types = [DType.Float32, DType.Float16, DType.BFloat16];

    private static readonly Argument<string> Out = new("out")
    {
        Description = $"The file to write, *{Extension}, or a folder, which gets {UsualName}.",
        HelpName = "out",
    };
    private static readonly Option<DType?> FloatType = new("--dtype")
    {
        Description = "Type of all floating-point tensors: float32, float16 or bfloat16; by default each keeps its own.",
        HelpName = "type",
        CustomParser = result =>
        {
            var given = result.Tokens[0].Value;
            foreach (var type in types)
                if (type.Name() == given)
                    return type;
            result.AddError($"--dtype must be {string.Join(", ", types[..^1].Select(DTypes.Name))} or {types[^1].Name()}, not '{given}'");
            return null;
        },
    };
    private static readonly Option<long?> ShardSize = new("--shard-size")
    {
        Description = "Write several files of at most this size, such as 2GB or 500MiB, and their index.",
        HelpName = "size",
        CustomParser = result =>
        {
            if (ByteSize.Parse(result.Tokens[0].Value) is { } bytes)
                return bytes;
            result.AddError($"--shard-size must be a size such as 2GB or 500MiB, not '{result.Tokens[0].Value}'");
            return null;
        },
    };
    private static readonly Option<string?> Model = new("--model")
    {
        Description = "Give the weights the names that this model has for them, and refuse weights that do not fit it.",
        HelpName = "name",
        CompletionSources = { _ => Registry.All.Select(variant => new CompletionItem(variant.Name)) },
    };
    private static readonly Option<bool> Packed = new("--packed")
    {
        Description = "Of the folder of a run or of a bundle, write a bundle whose convolutions of one bit hold packed weights.",
    };
    private static readonly Option<bool> Force = new("--force") { Description = "Replace files that are there already." };

    internal static Command Create()
    {
        var command = new ExampleCommand(
            "convert",
            "Convert weights to safetensors; the result is read back and compared before it is put in place."
        )
        {
            Examples =
            [
                ("tessera convert deit_tiny.pth deit_tiny.safetensors", "convert what PyTorch saved"),
                ("tessera convert moco.pth encoder.safetensors --prefix module.encoder_q.", "take one network out of several"),
                ("tessera convert ViT-B_16.npz vit.safetensors --model vit_base_patch16_224", "turn arrays of JAX into a model's weights"),
                ("tessera convert runs/mine half.safetensors --dtype bfloat16", "halve the weights of a run"),
                ("tessera convert vit_giant.pth out/ --shard-size 2GB", "write several files and their index"),
                ("tessera convert runs/bats packed --packed", "pack the weights of one bit of a run, to evaluate and to serve"),
            ],
            Arguments = { Out },
            Options = { Model, FloatType, ShardSize, Packed, Force },
        };
        WeightsInput.AddTo(command);
        command.SetAction(parsed =>
        {
            var terminal = parsed.Terminal();
            if (parsed.GetValue(Packed))
            {
                Pack(parsed, terminal);
                return;
            }
            var target = Target(parsed.GetRequiredValue(Out));
            var variant = parsed.GetValue(Model) is { } name ? Registry.Get(name) : null;
            using var scope = new Scope();
            using var weights = WeightsInput.Open(parsed);
            var found = weights.Find();
            var named = variant is null ? null : ModelNames.Bring(weights.File, found, variant);
            var result = Write(parsed, target, weights, named?.Tensors.ToCheckpoint() ?? found.Tensors);
            string[] notes = [.. found.Notes, .. named?.Notes ?? [], .. LeftOut(weights.File, found)];
            Show(result, found, notes, terminal);
        });
        return command;
    }

    private static void Pack(ParseResult parsed, Terminal terminal)
    {
        foreach (var option in (Option[])[Model, FloatType, ShardSize, Force])
            if (parsed.GetResult(option) is { Implicit: false })
                throw new UserException(
                    $"--packed and {option.Name} do not go together: a bundle is written as it is, into a folder of its own"
                );
        var (source, target) = (WeightsInput.BundleOf(parsed), parsed.GetRequiredValue(Out));
        using var scope = new Scope();
        var convolutions = source.Model.PackBinaryConvolutions();
        if (convolutions == 0)
            throw new UserException(
                $"{source.Source}: {source.Content.Model.Title} has no convolution with one bit for inputs and weights"
            );
        source.Save(target);
        var bytes = new DirectoryInfo(target).EnumerateFiles("*.safetensors").Sum(file => file.Length);
        if (terminal.Json)
            Terminal.WriteJson(
                new
                {
                    Folder = target,
                    Convolutions = convolutions,
                    Bytes = bytes,
                }
            );
        else if (terminal.Quiet)
            Terminal.Result(target);
        else
            terminal.Note($"wrote  {target}: weights of {Figures.Bytes(bytes)}, {convolutions} convolutions packed");
    }

    private static string Target(string given)
    {
        if (Directory.Exists(given) || Path.EndsInDirectorySeparator(given))
            return Path.Combine(given, UsualName);
        return given.EndsWith(Extension, StringComparison.Ordinal)
            ? given
            : throw new UserException($"the file to write must end with {Extension}, or be a folder: {given} is neither");
    }

    private static SafetensorsExportResult Write(
        ParseResult parsed,
        string target,
        StoredWeights weights,
        IEnumerable<KeyValuePair<string, CheckpointTensor>> tensors
    )
    {
        try
        {
            return SafetensorsExport.Write(
                target,
                tensors,
                new()
                {
                    FloatType = parsed.GetValue(FloatType),
                    ShardBytes = parsed.GetValue(ShardSize),
                    Overwrite = parsed.GetValue(Force),
                    Metadata = weights.File.Metadata,
                }
            );
        }
        catch (FileExistsException error)
        {
            throw new UserException($"{error.Path} is there already; --force replaces it");
        }
    }

    // Whoever converts a training's checkpoint shall know that it cannot be resumed from the result.
    private static IEnumerable<string> LeftOut(Checkpoint file, FoundStateDict found)
    {
        string[] others = [.. file.Outline().Select(part => part.Place).Where(place => place.Length > 0 && place != found.Key)];
        const int shown = 6;
        if (others.Length > 0)
            yield return $"left out of the file: {string.Join(", ", others.Take(shown))}"
                + (others.Length > shown ? $" and {others.Length - shown} more" : "");
    }

    private static void Show(SafetensorsExportResult result, FoundStateDict found, string[] notes, Terminal terminal)
    {
        if (terminal.Json)
            Terminal.WriteJson(
                new
                {
                    result.Files,
                    result.Tensors,
                    result.Values,
                    result.Bytes,
                    found.Key,
                    Notes = notes,
                }
            );
        else if (terminal.Quiet)
            foreach (var file in result.Files)
                Terminal.Result(file);
        else
        {
            ModelLoading.ShowNotes(notes, terminal);
            foreach (var file in result.Files)
                terminal.Note($"wrote  {file}");
            terminal.Note(
                $"{result.Tensors:N0} tensors, {Figures.Large(result.Values)} values, {Figures.Bytes(result.Bytes)}, read back and compared"
            );
        }
    }
}
