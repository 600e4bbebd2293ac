using System.Globalization;
using Tessera.Data.Images;
using Tessera.Data.Loading;
using Tessera.Data.Sets;

namespace Tessera.Data.Checks;

/// <summary>Puts what was found into sentences.</summary>
internal sealed class FindingList(
    OpenedSplits opened,
    IReadOnlyList<SplitReport> splits,
    IReadOnlyList<RepeatedSample> repeats,
    CheckOptions options
)
{
    private const int MostExamples = 5;
    private const int MostLetters = 300;

    private readonly List<Finding> found = [];

    /// <summary>The findings, the worst first; those of one severity in the order of the splits.</summary>
    internal IReadOnlyList<Finding> All()
    {
        FindWholes();
        foreach (var split in splits)
        {
            var read = DataOf(split)?.Annotations is ObjectBoxes boxes ? boxes.Findings : [];
            // What a reader has counted is said with its number, not by its first example.
            if (
                split.Problem is { } problem
                && !read.Any(own => own.IsProblem && own.Places.Any(place => problem.StartsWith(place, StringComparison.Ordinal)))
            )
                Add(Severity.Problem, split.Name, split.Problem, 1);
            FindClasses(split);
            FindMatches(split);
            FindSamples(split);
            FindMaps(split);
            FindBoxes(split);
            FindNames(split);
            // What is counted above need not be said a second time.
            var said = found
                .Where(own => own.Split == split.Name && own.Severity == Severity.Remark)
                .Select(own => Start(own.Text))
                .ToHashSet(StringComparer.Ordinal);
            foreach (var remark in split.Remarks.Where(remark => !said.Contains(Start(remark))))
                Add(Severity.Remark, split.Name, remark, 1);
        }
        FindRepeats();
        return [.. found.OrderBy(finding => finding.Severity)];
    }

    // Numbers come first, and then what follows from them or where it is.
    private static string Start(string text) => text.Split(": ")[0];

    private void FindWholes()
    {
        if (opened.Training is null)
            Add(
                Severity.Problem,
                null,
                $"there is no split to learn from: train must be there beside {string.Join(", ", splits.Select(split => split.Name))}",
                1
            );
        if (Datasets.MeasuredSplit(opened.Kind.Name, opened.Root) is null)
            Add(
                opened.Kind.HoldsOut ? Severity.Remark : Severity.Warning,
                null,
                "there is no split to measure a model on: "
                    + (
                        opened.Kind.HoldsOut
                            ? "a training holds out a part by itself (data.minival)"
                            : "hold out a part with data.split=minitrain and evaluation.split=minival"
                    ),
                1
            );
    }

    private bool IsTraining(SplitReport split) => split.Name == opened.Training?.Name;

    private void FindClasses(SplitReport split)
    {
        var counted = split.Classes.Where(own => own.Samples is not null).ToArray();
        if (counted.Length == 0)
            return;
        var empty = counted.Where(own => own.Samples == 0).ToArray();
        if (IsTraining(split))
        {
            Add(
                Severity.Warning,
                split.Name,
                $"{Classes(empty.Length)} of {split.Classes.Count} {Empty(split, empty.Length)}",
                empty,
                own => OddNames.Quoted(own.Name)
            );
            if (split is { Classes.Count: 1, Labels: null, Boxes: null })
                Add(Severity.Warning, split.Name, "there is one class, so there is nothing to tell apart", 1);
            FindBalance(split, [.. counted.Where(own => own.Samples > 0).OrderBy(own => own.Samples)]);
        }
        if (opened.Kind.OtherClasses)
            return;
        var missing = split.Match?.Missing.Concat(empty.Where(own => own.Trained is not null).Select(own => own.Trained!)).ToArray();
        // A part that is made of other parts may have some classes only, by design.
        if (missing is { Length: > 0 } && opened.AreDisjoint(opened.Training!.Name, split.Name))
            Add(
                Severity.Warning,
                split.Name,
                $"{Classes(missing.Length)} of {opened.Training!.Name} {Empty(split, missing.Length)} here",
                missing,
                OddNames.Quoted
            );
    }

    // The samples of a class are the images that it occurs in.
    private static string Empty(SplitReport split, int count) =>
        split.CountsImages ? Plural(count, "occurs in no image", "occur in no image") : Plural(count, "has no sample", "have no samples");

    private void FindBalance(SplitReport report, ClassReport[] sorted)
    {
        var (split, samples) = (report.Name, report.CountsImages ? "images" : "samples");
        if (sorted.Length == 0)
            return;
        var (least, most) = (sorted[0], sorted[^1]);
        if (most.Samples >= options.Imbalance * least.Samples)
            Add(
                Severity.Warning,
                split,
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"the largest class has {(double)most.Samples! / least.Samples!:0.#} times as many {samples} as the smallest: "
                        + $"{OddNames.Quoted(most.Name)} {most.Samples}, {OddNames.Quoted(least.Name)} {least.Samples}"
                ),
                1
            );
        var few = sorted.Where(own => own.Samples < options.FewSamples).ToArray();
        Add(
            Severity.Warning,
            split,
            $"{Classes(few.Length)} {Plural(few.Length, "has", "have")} fewer than {options.FewSamples} {samples}",
            few,
            own => $"{OddNames.Quoted(own.Name)}: {own.Samples}"
        );
    }

    private void FindMatches(SplitReport split)
    {
        if (split.Match is not { } match)
            return;
        var trained = opened.Training!.Name;
        if (opened.Kind.OtherClasses)
        {
            string[] both = [.. split.Classes.Where(own => own.Samples > 0 && own.Trained == own.Name).Select(own => own.Name)];
            Add(
                Severity.Problem,
                split.Name,
                $"{trained} has {Classes(both.Length)} of this split too: retrieval is measured on others",
                both,
                OddNames.Quoted
            );
            return;
        }
        var samples = split.Classes.ToLookup(own => own.Name, own => own.Samples);
        var (used, unused) = (
            match.Unknown.Where(name => samples[name].First() != 0).ToArray(),
            match.Unknown.Where(name => samples[name].First() == 0).ToArray()
        );
        Add(
            Severity.Problem,
            split.Name,
            $"{trained} does not have {Classes(used.Length)} of this split, so a model cannot be measured on it",
            used,
            OddNames.Quoted
        );
        Add(Severity.Remark, split.Name, $"{trained} does not have {Classes(unused.Length)} without samples", unused, OddNames.Quoted);
        Add(
            Severity.Warning,
            split.Name,
            $"{Classes(match.Similar.Count)} {Plural(match.Similar.Count, "is", "are")} taken for the same as in {trained}, where "
                + $"{Plural(match.Similar.Count, "the name is", "the names are")} spelt otherwise",
            match.Similar,
            similar => $"{OddNames.Quoted(similar.Name)} is {OddNames.Quoted(similar.Trained)}"
        );
        if (match.IsReordered)
            Add(Severity.Remark, split.Name, $"the classes have another order than in {trained}; names decide", 1);
    }

    private void FindSamples(SplitReport split)
    {
        var unreadable = split.Unreadable;
        var most = options.UnreadableLimit ?? UnreadableLimit.Default;
        var tooMany = unreadable.Count > most.Of(split.Samples);
        var limit = tooMany ? $", {most.Describe(split.Samples)}" : "";
        Add(
            tooMany ? Severity.Problem : Severity.Warning,
            split.Name,
            unreadable.Count == split.Samples
                ? "no image can be read"
                : $"{unreadable.Count} of {split.Samples} images cannot be read{limit}",
            unreadable,
            image => $"{image.Name}: {image.Problem}"
        );
        Add(
            Severity.Warning,
            split.Name,
            $"{split.Suspicious.Count} {Plural(split.Suspicious.Count, "image looks", "images look")} damaged",
            split.Suspicious,
            image => $"{image.Name}: {string.Join("; ", image.Reasons)}"
        );
        if (split.Images is { Orientations: { Count: > 0 } marks })
        {
            var count = marks.Values.Sum();
            var kinds = string.Join(", ", marks.Select(mark => $"{mark.Key}: {mark.Value}"));
            Add(
                Severity.Warning,
                split.Name,
                $"{count} {Plural(count, "image has a mark", "images have marks")} of the camera's orientation other than 1, which "
                    + (
                        DataOf(split) is ImageDataset { FollowsOrientation: false }
                            ? $"training leaves as they are, as this set's annotations do ({kinds})"
                            : $"training follows ({kinds}){Turned(split)}"
                    ),
                count
            );
        }
        if (split.Labels is { Without: > 0 and var without })
            Add(Severity.Remark, split.Name, $"{without} of {split.Samples} samples have no class", without);
        if (split.Texts is { Empty: { Count: > 0 } empty })
            Add(
                Severity.Warning,
                split.Name,
                $"{empty.Count} of {split.Samples} texts {Plural(empty.Count, "has", "have")} no word",
                empty,
                index => string.Create(CultureInfo.InvariantCulture, $"sample {index}")
            );
    }

    private void FindMaps(SplitReport split)
    {
        if (split.Maps is not { } maps)
            return;
        new MapFindings((severity, text, own, example) => Add(severity, split.Name, text, own, example)).Find(
            maps,
            split.Samples,
            (severity, text, examples) =>
                found.Add(new(severity, split.Name, Message.OneLine(text), 1, [.. examples.Take(MostExamples).Select(Short)]))
        );
    }

    private void FindBoxes(SplitReport split)
    {
        if (split.Boxes is { } boxes && DataOf(split)?.Annotations is ObjectBoxes read)
            new BoxFindings((severity, text, count, examples) => Add(severity, split.Name, text, examples, example => example, count)).Find(
                boxes,
                read.Findings
            );
    }

    private static string Turned(SplitReport split) =>
        split.Maps is not null ? ": their label maps must be of the turned images"
        : split.Boxes is not null ? ": their boxes must be of the turned images"
        : "";

    private Dataset? DataOf(SplitReport split) => opened.Splits.First(own => own.Name == split.Name).Data;

    private void FindNames(SplitReport split)
    {
        var classes = split.Classes.Select(own => own.Name).ToArray();
        AddOdd(split.Name, "class name", classes, name => name);
        AddAlike(split.Name, "class names", "differ by capitals, spaces, underscores or hyphens alone", classes, ClassMapping.Normalize);
        if (DataOf(split) is not ImageDataset { InMemory: false } data)
            return;
        var paths = Enumerable.Range(0, data.Count).Select(data.SampleName).ToArray();
        AddOdd(split.Name, "file name", paths, path => Path.GetFileName(path));
        AddAlike(split.Name, "files", "differ by capitals alone", paths, path => path.ToLowerInvariant());
    }

    private void AddOdd(string split, string what, string[] names, Func<string, string> bare)
    {
        foreach (var kind in names.GroupBy(name => OddNames.Of(bare(name))).Where(kind => kind.Key is not null))
        {
            string[] odd = [.. kind];
            Add(Severity.Warning, split, $"{odd.Length} {what}{Plural(odd.Length, " has", "s have")} {kind.Key}", odd, OddNames.Quoted);
        }
    }

    private void AddAlike(string split, string what, string how, IEnumerable<string> names, Func<string, string> key)
    {
        var alike = OddNames.Alike(names, key);
        Add(Severity.Warning, split, $"{alike.Sum(group => group.Count)} {what} {how}", alike, group =>
            string.Join(" and ", group.Select(OddNames.Quoted))
        );
    }

    private void FindRepeats()
    {
        for (var i = 0; i < splits.Count; i++)
        {
            var name = splits[i].Name;
            FindCopies(name);
            for (var j = 0; j < i; j++)
                FindShared(splits[j].Name, name);
        }
        RepeatedSample[] differ = [.. repeats.Where(repeat => repeat.LabelsDiffer)];
        Add(
            Severity.Warning,
            differ.SelectMany(repeat => repeat.Splits).Distinct().ToArray() is [var only] ? only : null,
            $"{differ.Length} {Plural(differ.Length, $"{Sample} is", $"{Sample}s are")} there several times with different classes",
            differ,
            repeat =>
            {
                var (first, other) = (repeat.Samples[0], repeat.Samples.First(sample => sample.Label != repeat.Samples[0].Label));
                return $"{Named(first)} {OddNames.Quoted(first.Label)}; {Named(other)} {OddNames.Quoted(other.Label)}";
            }
        );
    }

    private void FindCopies(string split)
    {
        RepeatedSample[] copied = [.. repeats.Where(repeat => repeat.Samples.Count(sample => sample.Split == split) > 1)];
        var copies = copied.Sum(repeat => repeat.Samples.Count(sample => sample.Split == split) - 1);
        Add(
            Severity.Warning,
            split,
            $"{copies} {Plural(copies, $"{Sample} is a copy of another", $"{Sample}s are copies of others")} in this split{Links(copied)}",
            copied,
            repeat => string.Join(" = ", repeat.Samples.Where(sample => sample.Split == split).Take(2).Select(Named)),
            copies
        );
    }

    private void FindShared(string first, string second)
    {
        RepeatedSample[] shared = [.. repeats.Where(repeat => repeat.Splits.Contains(first) && repeat.Splits.Contains(second))];
        var count = shared.Sum(repeat => repeat.Samples.Count(sample => sample.Split == second));
        Add(
            Severity.Warning,
            $"{first}, {second}",
            $"{count} {Plural(count, $"{Sample} of {second} is", $"{Sample}s of {second} are")} in {first} too{Links(shared)}",
            shared,
            repeat =>
                $"{Named(repeat.Samples.First(sample => sample.Split == first))} = "
                + Named(repeat.Samples.First(sample => sample.Split == second)),
            count
        );
    }

    private string Sample => splits.Any(split => split.Texts is not null) ? "text" : "image";

    private static string Links(RepeatedSample[] repeats) =>
        repeats.Count(repeat => repeat.Files == 1) is > 0 and var links
            ? $" ({(links == repeats.Length ? "" : $"{links} of them ")}as the same file)"
            : "";

    private static string Named(SampleReference sample) => sample.Name.Contains('/') ? sample.Name : $"{sample.Split} {sample.Name}";

    private static string Classes(int count) => $"{count} {Plural(count, "class", "classes")}";

    private static string Plural(int count, string one, string several) => count == 1 ? one : several;

    private void Add(Severity severity, string? split, string text, int count) =>
        found.Add(new(severity, split, Message.OneLine(text), count, []));

    // Decoders may have a lot to say of one file; its entry among the unreadable images has all of it.
    private static string Short(string text) => text.Length <= MostLetters ? text : $"{text.AsSpan(0, MostLetters - 1)}…";

    // Nothing is said of nothing.
    private void Add<T>(Severity severity, string? split, string text, IReadOnlyList<T> items, Func<T, string> example, int? count = null)
    {
        if ((count ?? items.Count) > 0)
            found.Add(
                new(
                    severity,
                    split,
                    Message.OneLine(text),
                    count ?? items.Count,
                    [.. items.Take(MostExamples).Select(item => Short(Message.OneLine(example(item))))]
                )
            );
    }
}
