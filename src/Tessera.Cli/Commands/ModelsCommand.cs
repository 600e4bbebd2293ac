using System.CommandLine;
using Tessera.Cli.Rendering;
using Tessera.Cli.Shell;
using Tessera.Models;
using Tessera.Models.Measurement;

namespace Tessera.Cli.Commands;

/// <summary><c>tessera models</c>: lists the registry with published or counted figures.</summary>
internal static class ModelsCommand
{
    private static readonly Argument<string?> Pattern = new("pattern")
    {
        HelpName = "pattern",
        Description = "Part of a name, or a pattern with * and ?; all models by default.",
        Arity = ArgumentArity.ZeroOrOne,
    };

    private static readonly Option<bool> Count = new("--count")
    {
        Description = "Build each model and count its parameters, multiply-accumulates and activations instead of quoting the paper.",
    };

    internal static Command Create()
    {
        var command = new ExampleCommand(
            "models",
            "List the models with parameters, multiply-accumulates per image, image size, published accuracy and paper."
        )
        {
            Examples =
            [
                ("tessera models", "list all models"),
                ("tessera models 'cct_*_32'", "list the compact transformers for CIFAR-10"),
                ("tessera models deit_tiny_patch16_224 --count", "build a model and count"),
                ("tessera models vit --quiet", "print only names, one per line"),
            ],
            Arguments = { Pattern },
            Options = { Count },
        };
        Pattern.CompletionSources.Add(_ => Registry.All.Select(variant => new System.CommandLine.Completions.CompletionItem(variant.Name)));
        command.SetAction(parsed =>
        {
            var terminal = parsed.Terminal();
            var found = Find(parsed.GetValue(Pattern));
            if (parsed.GetValue(Count))
                ShowCounted(found, terminal);
            else if (terminal.Json)
                WritePublished(found);
            else if (terminal.Quiet)
                foreach (var variant in found)
                    Terminal.Result(variant.Name);
            else
                ShowPublished(found, terminal);
        });
        return command;
    }

    private static IReadOnlyList<Variant> Find(string? pattern)
    {
        if (pattern is null)
            return Registry.All;
        Variant[] found = [.. Registry.Find(pattern)];
        if (found.Length > 0)
            return found;
        var nearest = Spelling.Nearest(pattern.Trim('*', '?'), Registry.All.Select(v => v.Name)).Take(3);
        throw new UserException($"no model matches '{pattern}'; the nearest names are {string.Join(", ", nearest)}");
    }

    private static void WritePublished(IEnumerable<Variant> variants) =>
        Terminal.WriteJson(
            variants.Select(v => new
            {
                v.Name,
                Parameters = Exact(v.Parameters, 1e6),
                Macs = Exact(v.GMacs, 1e9),
                v.ImageSize,
                Top1 = v.Top1 is { } percent ? Math.Round(percent / 100, 6) : (double?)null,
                v.Dataset,
                v.Paper,
                v.Note,
            })
        );

    private static void ShowPublished(IReadOnlyList<Variant> variants, Terminal terminal)
    {
        // Titles of papers are longer than a terminal is wide: there they stand over their models.
        if (terminal.IsDrawn)
        {
            foreach (var paper in variants.GroupBy(v => v.Paper))
            {
                terminal.Heading(paper.Key);
                Published(paper, withPaper: false).Show(terminal);
            }
        }
        else
        {
            Published(variants, withPaper: true).Show(terminal);
        }
        terminal.Note($"{variants.Count} of {Registry.All.Count} models with published figures; --count counts instead, --json adds notes");
    }

    private static TextTable Published(IEnumerable<Variant> variants, bool withPaper)
    {
        Column[] columns =
        [
            new("name"),
            new("parameters", true),
            new("MACs", true),
            new("size", true),
            new("top-1", true),
            new("on"),
            .. withPaper ? [new Column("paper")] : Array.Empty<Column>(),
        ];
        var table = new TextTable(columns);
        foreach (var v in variants)
        {
            string[] cells =
            [
                v.Name,
                Large(v.Parameters * 1e6),
                Large(v.GMacs * 1e9),
                $"{v.ImageSize}",
                v.Top1 is { } top1 ? Figures.Percent(top1 / 100) : Figures.None,
                v.Top1 is null ? "" : v.Dataset ?? "",
            ];
            table.Add(withPaper ? [.. cells, v.Paper] : cells);
        }
        return table;
    }

    private static void ShowCounted(IReadOnlyList<Variant> variants, Terminal terminal)
    {
        var table = new TextTable(
            new("name"),
            new("parameters", true),
            new("published", true),
            new("MACs", true),
            new("in attention", true),
            new("published", true),
            new("activations", true),
            new("input", true)
        );
        List<object> results = [];
        foreach (var variant in variants)
        {
            var cost = ModelCost.Count(variant);
            results.Add(
                new
                {
                    variant.Name,
                    cost.Parameters,
                    cost.Macs,
                    cost.AttentionMacs,
                    cost.Activations,
                    cost.Input,
                }
            );
            table.Add(
                variant.Name,
                $"{cost.Parameters:N0}",
                Large(variant.Parameters * 1e6),
                Figures.Large(cost.Macs),
                Figures.Large(cost.AttentionMacs),
                Large(variant.GMacs * 1e9) + (variant.MacsWithAttention || variant.GMacs is null ? "" : "*"),
                Figures.Large(cost.Activations),
                string.Join("x", cost.Input)
            );
        }
        if (terminal.Json)
        {
            Terminal.WriteJson(results);
            return;
        }
        table.Show(terminal);
        if (variants.Any(v => v is { MacsWithAttention: false, GMacs: not null }))
            terminal.Note("* the published figure leaves out the products of attention");
    }

    private static string Large(double? value) => value is { } v ? Figures.Large(v) : Figures.None;

    // Published in millions or 10^9 with few digits: the product shall not show the error of binary fractions.
    private static double? Exact(double? value, double unit) => value is { } v ? Math.Round(v * unit) : null;
}
