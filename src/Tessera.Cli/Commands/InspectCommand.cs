using System.CommandLine;
using System.CommandLine.Completions;
using System.IO.Enumeration;
using Spectre.Console;
using Tessera.Checkpoints;
using Tessera.Cli.Inputs;
using Tessera.Cli.Rendering;
using Tessera.Cli.Shell;
using Tessera.Models;
using Tessera.Models.Fitting;
using Tessera.Training.Bundles;

namespace Tessera.Cli.Commands;

/// <summary><c>tessera inspect</c>: what a file of weights holds, and which models it fits.</summary>
internal static class InspectCommand
{
    private static readonly Option<string?> Keys = new("--keys")
    {
        Description = "Show only tensors with this part of a name, or whose names match a pattern with * and ?.",
        HelpName = "pattern",
    };
    private static readonly Option<string?> Model = new("--model")
    {
        Description = "Compare names and shapes with this model instead of looking for models that fit.",
        HelpName = "name",
        CompletionSources = { _ => Registry.All.Select(variant => new CompletionItem(variant.Name)) },
    };

    internal static Command Create()
    {
        var command = new ExampleCommand(
            "inspect",
            "Show what a file of weights holds (names, shapes, types, metadata) and which models it fits; nothing in it is executed."
        )
        {
            Examples =
            [
                ("tessera inspect deit_tiny.pth", "show all that the file holds, and the models that it fits"),
                ("tessera inspect deit_tiny.pth --keys 'blocks.0.*'", "show the tensors of one block"),
                ("tessera inspect weights.safetensors --model cct_7_3x1_32", "show where names and shapes differ from a model's"),
                ("tessera inspect dino.pth --key teacher --json", "print JSON about one of several sets of weights"),
                ("tessera inspect runs/mine", "show the bundle of a run and its weights"),
            ],
            Options = { Keys, Model },
        };
        WeightsInput.AddTo(command);
        command.SetAction(parsed =>
        {
            var terminal = parsed.Terminal();
            var variant = parsed.GetValue(Model) is { } name ? Registry.Get(name) : null;
            using var weights = WeightsInput.Open(parsed);
            var (found, problem) = Find(weights, WeightsInput.IsPart(parsed) || variant is not null);
            var inspection = new Inspection(weights, found, problem, Tensors(weights.File, found, parsed.GetValue(Keys)))
            {
                // Whoever looks at some tensors, or takes their names from the output, does not ask for models.
                Fits =
                    found is null || parsed.GetValue(Keys) is not null || (terminal.Quiet && variant is null) ? null
                    : terminal.IsDrawn ? terminal.Drawing.Status().Start("Comparing with models ...", _ => Fits(weights, found, variant))
                    : Fits(weights, found, variant),
                Compared = variant is not null || weights.Content is not null,
            };
            if (terminal.Json)
                Terminal.WriteJson(inspection.ToJson());
            else
                InspectionView.Show(inspection, terminal);
        });
        return command;
    }

    // Several sets of weights are something to show, unless one was asked for.
    private static (FoundStateDict? Found, string? Problem) Find(StoredWeights weights, bool required)
    {
        try
        {
            return (weights.Find(), null);
        }
        catch (CheckpointException error) when (!required)
        {
            return (null, error.Message);
        }
    }

    private static KeyValuePair<string, CheckpointTensor>[] Tensors(Checkpoint file, FoundStateDict? found, string? pattern)
    {
        KeyValuePair<string, CheckpointTensor>[] all = [.. found?.Tensors ?? file.AllTensors()];
        if (pattern is null)
            return all;
        var expression = pattern.AsSpan().ContainsAny('*', '?') ? pattern : $"*{pattern}*";
        KeyValuePair<string, CheckpointTensor>[] matching =
        [
            .. all.Where(entry => FileSystemName.MatchesSimpleExpression(expression, entry.Key, ignoreCase: false)),
        ];
        return matching.Length > 0
            ? matching
            : throw new UserException($"{file.Path}: none of the {all.Length} names of tensors matches '{pattern}'");
    }

    private static IReadOnlyList<ModelFit> Fits(StoredWeights weights, FoundStateDict found, Variant? variant)
    {
        using var scope = new Scope();
        var shapes = WeightShapes.Of(weights.File, found);
        if (variant is not null)
            return [ModelFits.Of(variant, shapes)];
        // A bundle says which model it is.
        if (weights.Content is { } content)
            using (Nn.Init.Skip())
                return [ModelFits.Of(content.Model.Title, content.Task.CreateModel(content.Model), shapes)];
        return ModelFits.Find(shapes);
    }
}
