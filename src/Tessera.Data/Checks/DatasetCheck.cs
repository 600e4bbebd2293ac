using Tessera.Data.Images;
using Tessera.Data.Text;

namespace Tessera.Data.Checks;

/// <summary>Looks at all splits of a data set and says everything that a person should know before a training.</summary>
public static class DatasetCheck
{
    /// <summary>Checks a data set.</summary>
    /// <param name="opened">Its splits.</param>
    /// <param name="options">How; the defaults when null.</param>
    /// <param name="progress">Told now and then, by any thread.</param>
    /// <param name="stop">Ends the check.</param>
    /// <returns>The same for the same data, whatever the number of threads.</returns>
    /// <exception cref="OperationCanceledException">The check was stopped.</exception>
    public static CheckReport Run(
        OpenedSplits opened,
        CheckOptions? options = null,
        IProgress<CheckProgress>? progress = null,
        CancellationToken stop = default
    )
    {
        options ??= new();
        var samples = opened
            .Splits.Where(split => split.Data is not null)
            .Select(split => new SplitSamples(split.Name, split.Data!))
            .ToArray();
        var scanned = new SampleScan(options, progress, stop).Read(samples);
        var classes = opened.Training?.Data?.ClassNames;
        var reports = new List<SplitReport>();
        foreach (var split in opened.Splits)
        {
            var place = Array.FindIndex(samples, own => own.Name == split.Name);
            reports.Add(
                place < 0
                    ? new(split.Name, 0, split.Problem, [], null, null, null, null, [], [], [])
                    : Report(split, scanned[place], split == opened.Training ? null : classes)
            );
        }
        var repeats = RepeatedSamples.Find(opened, samples, scanned, classes ?? []);
        var findings = new FindingList(opened, reports, repeats, options).All();
        return new(
            opened.Kind.Name,
            opened.Root,
            options.Quick,
            opened.Training is { Data: not null } training ? training.Name : null,
            reports,
            repeats,
            findings
        );
    }

    private static SplitReport Report(OpenedSplit split, IReadOnlyList<ScannedSample> scanned, IReadOnlyList<string>? trained)
    {
        var data = split.Data!;
        var mapping = new ClassMapping(data.ClassNames, trained ?? data.ClassNames);
        var maps = data.Annotations is LabelMaps own ? new MapSummary(data, own, scanned).Report() : null;
        var boxes = data.Annotations is ObjectBoxes objects ? new BoxSummary(data, objects, scanned).Report() : null;
        var counts =
            maps is { Read: > 0 } ? [.. maps.Classes.Select(one => one.Images)]
            : boxes is not null ? [.. boxes.Classes.Select(one => one.Images)]
            : data.Annotations.SamplesPerClass;
        return new(
            split.Name,
            data.Count,
            split.Problem,
            [
                .. data.ClassNames.Select(
                    (name, i) =>
                        new ClassReport(
                            name,
                            counts?[i],
                            trained is null ? name
                                : mapping.Numbers[i] >= 0 ? trained[mapping.Numbers[i]]
                                : null
                        )
                ),
            ],
            trained is { Count: > 0 } && data.ClassNames.Count > 0 ? ClassMatch.Of(mapping) : null,
            data.Annotations is MultiLabels labels ? LabelCounts.Of(labels) : null,
            data is ImageDataset ? ImageSizes.Of(data, scanned) : null,
            data is TextDataset { Count: > 0 } texts ? TextLengths.Of(texts.Texts) : null,
            [
                .. scanned
                    .Index()
                    .Where(entry => entry.Item.Problem is not null)
                    .Select(entry => new UnreadableImage(entry.Index, data.SampleName(entry.Index), entry.Item.Problem!)),
            ],
            [
                .. scanned
                    .Index()
                    .Where(entry => entry.Item.Suspicions.Count > 0)
                    .Select(entry => new SuspiciousImage(entry.Index, data.SampleName(entry.Index), entry.Item.Suspicions)),
            ],
            data.Remarks,
            maps,
            boxes
        );
    }
}
