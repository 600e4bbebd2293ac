using Tessera.Checkpoints;
using Tessera.Cli.Shell;
using Tessera.Models;
using Tessera.Models.Fitting;
using Tessera.Training.Bundles;

namespace Tessera.Cli.Rendering;

/// <summary>Shows an <see cref="Inspection"/> to people: facts, contents, tensors, models.</summary>
internal static class InspectionView
{
    private const int NamesShown = 3;

    internal static void Show(Inspection inspection, Terminal terminal)
    {
        if (terminal.Quiet)
        {
            // The bare result: the differences where a model was named, else the tensors.
            if (inspection is { Compared: true, Fits: [var only] })
                Differences(only).Show(terminal);
            else
                Tensors(inspection.Tensors).Show(terminal);
            return;
        }
        FactList.Show(Facts(inspection), terminal);
        if (inspection.Weights.Entries.Count > 0)
            Section("Weights of the bundle", Entries(inspection.Weights.Entries), terminal);
        if (inspection.Weights.File.Metadata.Count > 0)
            Section("Metadata", Metadata(inspection.Weights.File.Metadata), terminal);
        Section("Contents", Contents(inspection.Weights.File.Outline()), terminal);
        Section(inspection.Found is null ? "All tensors" : "Tensors", Tensors(inspection.Tensors), terminal);
        foreach (var (_, tensor) in inspection.Tensors)
            if (tensor.Refusal is { } refusal)
                terminal.Note($"cannot be read: {refusal.Message}");
        if (inspection.Fits is not null)
            ShowFits(inspection, terminal);
    }

    private static IEnumerable<(string, string)> Facts(Inspection inspection)
    {
        var file = inspection.Weights.File;
        yield return ("file", file.Path);
        yield return ("format", $"{Inspection.Name(file.Format)}, {Figures.Bytes(file.FileLength)}");
        if (inspection.Weights.Content is { } content)
        {
            yield return ("model", $"{content.Model.Title}, {Options(content)}");
            yield return ("task", content.Task.Name + (content.TrainedClassifier ? "" : "; its classifier was never trained"));
            yield return ("precision", content.Precision.ToString().ToLowerInvariant());
        }
        if (inspection.Found is { } found)
        {
            CheckpointTensor[] readable = [.. found.Tensors.Values.Where(tensor => tensor.Refusal is null)];
            yield return (
                "weights",
                $"{(found.Key is { } key ? $"'{key}', " : "")}{found.Tensors.Count:N0} {(found.Tensors.Count == 1 ? "tensor" : "tensors")}, "
                    + $"{Figures.Large(readable.Sum(tensor => tensor.Count))} values, "
                    + Figures.Bytes(readable.Sum(tensor => tensor.ByteLength))
            );
            foreach (var note in found.Notes)
                yield return ("note", note);
        }
        else
            yield return ("weights", $"none is taken: {inspection.Problem}");
        if (file.ForeignNames.Count > 0)
            yield return ("never run", $"{string.Join(", ", file.ForeignNames)}: the file names this code; its values are shown as data");
    }

    private static string Options(BundleContent content)
    {
        var options = content.Model.Options;
        return string.Join(
            ", ",
            (string[])
                [
                    content.Model.Generator is null ? $"{content.Facts.Classes.Count} classes" : "makes images",
                    .. options.Channels is { } channels
                        ? [$"{channels} {(channels == 1 ? "channel" : "channels")}"]
                        : Array.Empty<string>(),
                    .. options.ImageSize is var (height, width) ? [$"{height} x {width} pixels"] : Array.Empty<string>(),
                    .. options.Vocabulary is { } words ? [$"{words} words"] : Array.Empty<string>(),
                ]
        );
    }

    private static void Section(string title, TextTable table, Terminal terminal)
    {
        terminal.Note("");
        terminal.Heading(title);
        table.Show(terminal);
    }

    private static TextTable Entries(IEnumerable<BundleWeights> entries)
    {
        var table = new TextTable(new("weights"), new("step", true), new("score", true), new("size", true), new("file"));
        foreach (var entry in entries)
            table.Add(
                entry.Role + (entry.Average ? ", moving average" : ""),
                $"{entry.Step:N0}",
                entry.Score is { } score ? $"{score.Name} {Figures.Loss(score.Value)}" : Figures.None,
                Figures.Bytes(entry.Bytes),
                entry.File
            );
        return table;
    }

    private static TextTable Metadata(IReadOnlyDictionary<string, string> metadata)
    {
        var table = new TextTable(new("name"), new("value"));
        foreach (var (name, value) in metadata)
            table.Add(name, value);
        return table;
    }

    private static TextTable Contents(IEnumerable<CheckpointPart> parts)
    {
        var table = new TextTable(new("place"), new("what"), new("tensors", true), new("values", true), new("size", true), new("types"));
        foreach (var part in parts)
            table.Add(
                part.Place.Length > 0 ? part.Place : "(top level)",
                part.Kind,
                part.Tensors > 0 ? $"{part.Tensors:N0}" : "",
                part.Tensors > 0 ? Figures.Large(part.Values) : "",
                part.Tensors > 0 ? Figures.Bytes(part.Bytes) : "",
                string.Join(", ", part.Types)
            );
        return table;
    }

    private static TextTable Tensors(IEnumerable<KeyValuePair<string, CheckpointTensor>> tensors)
    {
        var table = new TextTable(new("name"), new("type"), new("shape"), new("values", true), new("size", true));
        foreach (var (name, tensor) in tensors)
            if (tensor.Refusal is null)
                table.Add(
                    name,
                    tensor.ElementTypeName,
                    $"[{string.Join(", ", tensor.Shape.ToArray())}]",
                    $"{tensor.Count:N0}",
                    Figures.Bytes(tensor.ByteLength)
                );
            else
                table.Add(name, tensor.ElementTypeName, Figures.None, Figures.None, Figures.None);
        return table;
    }

    private static void ShowFits(Inspection inspection, Terminal terminal)
    {
        terminal.Note("");
        var best = inspection.BestFits;
        if (inspection is { Compared: true, Fits: [var only] })
        {
            terminal.Heading($"{only.Model}: {Words(only)}");
            if (only.Differing + only.Resized.Count > 0)
                Differences(only).Show(terminal);
            return;
        }
        if (best.Count == 0)
        {
            terminal.Note($"no model has any of these names; tessera models lists the {Registry.All.Count} that are known");
            return;
        }
        terminal.Heading(best[0].Kind == FitKind.Partial ? "No model fits; the nearest" : "Models that fit");
        var table = new TextTable(new("model"), new("fit"), new("details"));
        foreach (var fit in best)
            table.Add(fit.Model, Words(fit), Details(fit));
        table.Show(terminal);
        var more = inspection.Fits!.Count(fit => fit.Kind == best[0].Kind || fit.Kind == best[^1].Kind) - best.Count;
        if (more > 0 && best[^1].Kind != FitKind.Complete)
            terminal.Note($"and {more} more {(best[^1].Kind == FitKind.Partial ? "that have some of the names" : "of other sizes")}");
    }

    private static string Words(ModelFit fit) =>
        fit.Kind switch
        {
            FitKind.Complete => "all names and shapes",
            FitKind.WithOptions => string.Join(
                ", ",
                (string[])
                    [
                        .. fit.Classes switch
                        {
                            null => Array.Empty<string>(),
                            0 => ["no classifier"],
                            1 => ["1 class"],
                            var classes => [$"{classes} classes"],
                        },
                        .. fit.Channels switch
                        {
                            null => Array.Empty<string>(),
                            1 => ["1 channel"],
                            var channels => [$"{channels} channels"],
                        },
                        .. fit.Resized.Count > 0 ? ["another image size"] : Array.Empty<string>(),
                    ]
            ),
            FitKind.Partial => $"{fit.Agreeing} agree, {fit.Differing} differ",
            _ => "no name agrees",
        };

    private static string Details(ModelFit fit) =>
        string.Join(
            "; ",
            (string[])
                [
                    .. Few("missing", fit.Differences.Missing),
                    .. Few("unexpected", fit.Differences.Unexpected),
                    .. Few("other shape", [.. fit.Differences.Mismatched.Select(Pair)]),
                    .. Few("positions", [.. fit.Resized.Select(Pair)]),
                ]
        );

    private static string Pair((string Name, Shape Own, Shape Given) entry) => $"{entry.Name} {entry.Given} for {entry.Own}";

    private static IEnumerable<string> Few(string kind, IReadOnlyList<string> names) =>
        names.Count == 0 ? []
        : names.Count <= NamesShown ? [$"{kind}: {string.Join(", ", names)}"]
        : [$"{kind}: {string.Join(", ", names.Take(NamesShown))} and {names.Count - NamesShown} more"];

    private static TextTable Differences(ModelFit fit)
    {
        var table = new TextTable(new("difference"), new("name"), new("model"), new("file"));
        foreach (var name in fit.Differences.Missing)
            table.Add("missing", name, "", "");
        foreach (var name in fit.Differences.Unexpected)
            table.Add("unexpected", name, "", "");
        foreach (var (name, own, given) in fit.Differences.Mismatched)
            table.Add("other shape", name, $"{own}", $"{given}");
        foreach (var (name, own, given) in fit.Resized)
            table.Add("resized", name, $"{own}", $"{given}");
        return table;
    }
}
