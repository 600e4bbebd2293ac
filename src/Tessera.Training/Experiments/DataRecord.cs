using System.IO.Compression;
using System.Text.Json;
using Tessera.Data;
using Tessera.Data.Sets;
using Tessera.Training.Runs;

namespace Tessera.Training.Experiments;

/// <summary>The data of a run as it was when the run began: class names, and name and label of every sample.</summary>
/// <param name="Training">What is learned from.</param>
/// <param name="Test">What is measured on.</param>
internal sealed record DataRecord(DataRecord.Part Training, DataRecord.Part Test)
{
    private const int MostNamed = 3;

    /// <summary>A part of the data.</summary>
    /// <param name="Classes">Name per class.</param>
    /// <param name="Names">Name per sample: of a file, its path below the folder of the data, so that data can be moved.</param>
    /// <param name="Labels">Label per sample, as text.</param>
    internal sealed record Part(IReadOnlyList<string> Classes, IReadOnlyList<string> Names, IReadOnlyList<string> Labels);

    /// <summary>Describes data.</summary>
    internal static DataRecord Of(DataRecipe recipe, Dataset training, Dataset test)
    {
        string[] roots = (recipe.Root ?? Datasets.Find(recipe.Name).Find()) is { } root ? [root, Path.GetFullPath(root)] : [];
        return new(Of(training, roots), Of(test, roots));
    }

    private static Part Of(Dataset data, string[] roots)
    {
        var labels = data.Annotations;
        return new(
            [.. data.ClassNames.Select(SampleNameEscapes.Escape)],
            [.. Enumerable.Range(0, data.Count).Select(i => SampleNameEscapes.Escape(Below(data.SampleName(i), roots)))],
            // Maps and boxes may lie in files of their own, which would all have to be read.
            labels.FollowsView
                ? []
                : [.. Enumerable.Range(0, data.Count).Select(labels.Describe)]
        );
    }

    private static string Below(string name, string[] roots)
    {
        foreach (var root in roots)
            if (name.StartsWith(root.TrimEnd('/') + "/", StringComparison.Ordinal))
                return name[(root.TrimEnd('/').Length + 1)..];
        return name;
    }

    /// <summary>Reads it; null where there is none, in runs of earlier versions.</summary>
    /// <exception cref="RunException">The file is damaged.</exception>
    internal static DataRecord? Read(string path)
    {
        if (!File.Exists(path))
            return null;
        try
        {
            using var packed = new GZipStream(File.OpenRead(path), CompressionMode.Decompress);
            return JsonSerializer.Deserialize<DataRecord>(packed, RunFolder.Json) ?? throw new JsonException("it is empty");
        }
        catch (Exception error) when (error is IOException or InvalidDataException or JsonException)
        {
            throw new RunException(
                $"{path}: the record of the run's data cannot be read ({error.Message}); delete the file to resume without comparing"
            );
        }
    }

    /// <summary>Writes it.</summary>
    internal void Write(string path)
    {
        using var packed = new MemoryStream();
        using (var zip = new GZipStream(packed, CompressionLevel.Optimal, leaveOpen: true))
            JsonSerializer.Serialize(zip, this, RunFolder.Json);
        RunFolder.Write(path, packed.ToArray());
    }

    /// <summary>What is different now, for people; null for nothing.</summary>
    internal string? Difference(DataRecord now)
    {
        string[] found =
        [
            .. OfClasses(Training.Classes, now.Training.Classes),
            .. OfSamples("training", Training, now.Training),
            .. OfSamples("test", Test, now.Test),
        ];
        return found.Length == 0 ? null : string.Join("; ", found);
    }

    private static IEnumerable<string> OfClasses(IReadOnlyList<string> before, IReadOnlyList<string> now)
    {
        if (before.SequenceEqual(now))
            yield break;
        string[] added = [.. now.Except(before)];
        string[] gone = [.. before.Except(now)];
        if (added.Length == 0 && gone.Length == 0)
            yield return $"the {now.Count} classes are in another order";
        else if (before.Count == now.Count)
            yield return Listed(
                "classes have other names",
                [.. before.Zip(now).Where(pair => pair.First != pair.Second).Select(pair => $"{pair.First} is now {pair.Second}")]
            );
        else
        {
            if (added.Length > 0)
                yield return Listed($"{now.Count} classes instead of {before.Count}, new are", added);
            if (gone.Length > 0)
                yield return Listed($"{now.Count} classes instead of {before.Count}, gone are", gone);
        }
    }

    private static IEnumerable<string> OfSamples(string what, Part before, Part now)
    {
        var sameNames = before.Names.SequenceEqual(now.Names);
        // Labels are numbers of classes: where those differ, that is told already.
        var labelsCompare = before.Classes.SequenceEqual(now.Classes) && before.Labels.Count > 0;
        if (sameNames && (!labelsCompare || before.Labels.SequenceEqual(now.Labels)))
            yield break;
        if (before.Names.Count != now.Names.Count)
            yield return $"{now.Names.Count} {what} samples instead of {before.Names.Count}";
        string[] added = [.. now.Names.Except(before.Names)];
        string[] gone = [.. before.Names.Except(now.Names)];
        if (added.Length > 0)
            yield return Listed($"{added.Length} new {what} samples", added);
        if (gone.Length > 0)
            yield return Listed($"{gone.Length} {what} samples are gone", gone);
        var others = 0;
        if (labelsCompare)
        {
            var labels = new Dictionary<string, string>();
            foreach (var (i, name) in before.Names.Index())
                labels[name] = before.Labels[i];
            string[] relabelled =
            [
                .. now
                    .Names.Index()
                    .Where(sample => labels.TryGetValue(sample.Item, out var label) && label != now.Labels[sample.Index])
                    .Select(sample => sample.Item),
            ];
            others = relabelled.Length;
            if (others > 0)
                yield return Listed($"{others} {what} samples have other labels", relabelled);
        }
        if (added.Length + gone.Length + others == 0)
            yield return $"the {what} samples are in another order, or come another number of times";
    }

    private static string Listed(string head, string[] names) =>
        $"{head}: {string.Join(", ", names.Take(MostNamed))}{(names.Length > MostNamed ? ", ..." : "")}";
}
