using System.Globalization;
using Tessera.Cli.Shell;
using Tessera.Data.Checks;

namespace Tessera.Cli.Rendering;

/// <summary>What a check of a data set has found, as tables and lists.</summary>
internal static class CheckTables
{
    private const int MostClasses = 20;

    /// <summary>Shows all of it.</summary>
    /// <param name="terminal">Where.</param>
    /// <param name="report">What was found.</param>
    internal static void Show(Terminal terminal, CheckReport report)
    {
        Splits(report).Show(terminal);
        if (Classes(report) is { } classes)
            Below(terminal, classes);
        if (report.Splits.Any(split => split.Images is not null))
            Below(terminal, Images(report));
        if (report.Splits.Any(split => split.Texts is not null))
            Below(terminal, Texts(report));
        if (report.Splits.Any(split => split.Labels is not null))
            Below(terminal, Labels(report));
        if (report.Splits.Any(split => split.Maps is { Read: > 0 }))
            Below(terminal, Maps(report));
        if (Pixels(report) is { } pixels)
            Below(terminal, pixels);
        if (report.Splits.Any(split => split.Boxes is not null))
            Below(terminal, Boxes(report));
        if (Objects(report) is { } objects)
            Below(terminal, objects);
        List(terminal, "problems: a training fails", report.Of(Severity.Problem));
        List(terminal, "warnings", report.Of(Severity.Warning));
        List(terminal, "remarks", report.Of(Severity.Remark));
        terminal.Note("");
        if (report.Findings.Count == 0)
            terminal.Note("nothing was found");
        if (report.Quick)
            terminal.Note("nothing was decoded and hashed: without --quick, unreadable and repeated images are looked for, too");
    }

    private static void Below(Terminal terminal, TextTable table)
    {
        terminal.Note("");
        table.Show(terminal);
    }

    private static TextTable Splits(CheckReport report)
    {
        var table = new TextTable(
            new(report.Name),
            new("samples", true),
            new("classes", true),
            new("smallest class", true),
            new("largest class", true),
            new("unreadable", true),
            new("copies", true)
        );
        foreach (var split in report.Splits)
        {
            var counts = split.Classes.Select(own => own.Samples).OfType<int>().ToArray();
            table.Add(
                split.Name,
                Number(split.Samples),
                Number(split.Classes.Count),
                counts.Length > 0 ? Number(counts.Min()) : Figures.None,
                counts.Length > 0 ? Number(counts.Max()) : Figures.None,
                report.Quick ? Figures.None : Number(split.Unreadable.Count),
                report.Quick
                    ? Figures.None
                    : Number(report.Repeats.Sum(repeat => Math.Max(0, repeat.Samples.Count(sample => sample.Split == split.Name) - 1)))
            );
        }
        return table;
    }

    // Few classes are shown one by one, under the names of the training split.
    private static TextTable? Classes(CheckReport report)
    {
        var counted = report.Splits.Where(split => split.Classes.Any(own => own.Samples is not null)).ToArray();
        var names = counted.SelectMany(split => split.Classes.Select(own => own.Trained ?? own.Name)).Distinct().ToArray();
        if (names.Length is 0 or > MostClasses)
            return null;
        var maps = counted.All(split => split.CountsImages);
        var table = new TextTable([new(maps ? "images of each class" : "class"), .. counted.Select(split => new Column(split.Name, true))]);
        foreach (var name in names)
            table.Add([
                Tessera.Message.OneLine(name),
                .. counted.Select(split =>
                    split.Classes.FirstOrDefault(own => (own.Trained ?? own.Name) == name)?.Samples is { } count
                        ? Number(count)
                        : Figures.None
                ),
            ]);
        return table;
    }

    private static TextTable Images(CheckReport report)
    {
        var table = new TextTable(
            new("width x height"),
            new("smallest", true),
            new("median", true),
            new("largest", true),
            new("widest", true),
            new("tallest", true),
            new("sizes", true),
            new("grey", true),
            new("colour", true)
        );
        foreach (var split in report.Splits)
            if (split.Images is { } own)
                table.Add(
                    split.Name,
                    Size(own.Smallest),
                    Size(own.Median),
                    Size(own.Largest),
                    Size(own.Widest),
                    Size(own.Tallest),
                    Number(own.Sizes.Count),
                    Number(own.Grey),
                    Number(own.Colored)
                );
        return table;
    }

    private static TextTable Texts(CheckReport report)
    {
        var table = new TextTable(
            new("words per text"),
            new("shortest", true),
            new("median", true),
            new("longest", true),
            new("all words", true),
            new("empty texts", true)
        );
        foreach (var split in report.Splits)
            if (split.Texts is { } own)
                table.Add(
                    split.Name,
                    Number(own.Shortest),
                    Number(own.Median),
                    Number(own.Longest),
                    Number(own.Words),
                    Number(own.Empty.Count)
                );
        return table;
    }

    private static TextTable Labels(CheckReport report)
    {
        var table = new TextTable(new("classes per sample"), new("mean", true), new("most", true), new("samples without", true));
        foreach (var split in report.Splits)
            if (split.Labels is { } own)
                table.Add(
                    split.Name,
                    own.Mean.ToString("0.##", CultureInfo.InvariantCulture),
                    Number(own.Samples.Count - 1),
                    Number(own.Without)
                );
        return table;
    }

    private static TextTable Maps(CheckReport report)
    {
        var table = new TextTable(
            new("label maps"),
            new("read", true),
            new("pixels", true),
            new("ignored", true),
            new("of one class", true),
            new("with other values", true),
            new("of another size", true)
        );
        foreach (var split in report.Splits)
            if (split.Maps is { Read: > 0 } own)
                table.Add(
                    split.Name,
                    Number(own.Read),
                    Number(own.Pixels),
                    Share(own.IgnoredShare),
                    Number(own.Single.Count),
                    Number(own.Foreign.Count),
                    Number(own.Unequal.Count)
                );
        return table;
    }

    // Of the pixels that count.
    private static TextTable? Pixels(CheckReport report)
    {
        var splits = report.Splits.Where(split => split.Maps is { Read: > 0 }).ToArray();
        var names = splits.SelectMany(split => split.Classes.Select(own => own.Trained ?? own.Name)).Distinct().ToArray();
        if (names.Length is 0 or > MostClasses)
            return null;
        var table = new TextTable([new("pixels of each class"), .. splits.Select(split => new Column(split.Name, true))]);
        foreach (var name in names)
            table.Add([
                Tessera.Message.OneLine(name),
                .. splits.Select(split =>
                    split.Classes.Index().FirstOrDefault(own => (own.Item.Trained ?? own.Item.Name) == name) is { Item: not null } own
                        ? Share(split.Maps!.Classes[own.Index].Pixels / (double)Math.Max(1, split.Maps.Pixels - split.Maps.Ignored))
                        : Figures.None
                ),
            ]);
        return table;
    }

    private static TextTable Boxes(CheckReport report)
    {
        var table = new TextTable(
            new("objects"),
            new("all", true),
            new("small", true),
            new("medium", true),
            new("large", true),
            new("per image", true),
            new("most", true),
            new("images without", true),
            new("crowds", true),
            new("masks", true)
        );
        foreach (var split in report.Splits)
            if (split.Boxes is { } own)
                table.Add(
                    split.Name,
                    Number(own.Objects),
                    Number(own.Small),
                    Number(own.Medium),
                    Number(own.Large),
                    own.Mean.ToString("0.##", CultureInfo.InvariantCulture),
                    Number(own.Most),
                    Number(own.Without),
                    Number(own.Crowds),
                    Number(own.Masks)
                );
        return table;
    }

    private static TextTable? Objects(CheckReport report)
    {
        var splits = report.Splits.Where(split => split.Boxes is not null).ToArray();
        var names = splits.SelectMany(split => split.Classes.Select(own => own.Trained ?? own.Name)).Distinct().ToArray();
        if (names.Length is 0 or > MostClasses)
            return null;
        var table = new TextTable([new("objects of each class"), .. splits.Select(split => new Column(split.Name, true))]);
        foreach (var name in names)
            table.Add([
                Tessera.Message.OneLine(name),
                .. splits.Select(split =>
                    split.Classes.Index().FirstOrDefault(own => (own.Item.Trained ?? own.Item.Name) == name) is { Item: not null } own
                        ? Number(split.Boxes!.Classes[own.Index].Objects)
                        : Figures.None
                ),
            ]);
        return table;
    }

    private static string Share(double share) => string.Create(CultureInfo.InvariantCulture, $"{100 * share:0.00} %");

    private static void List(Terminal terminal, string title, IReadOnlyList<Finding> findings)
    {
        if (findings.Count == 0)
            return;
        terminal.Note("");
        terminal.Heading(title);
        foreach (var finding in findings)
        {
            terminal.Note($"  {(finding.Split is { } split ? $"{split}: " : "")}{finding.Text}");
            foreach (var example in finding.Examples)
                terminal.Note($"    {example}");
            // A finding about pairs or groups counts samples, of which an example shows several.
            if (finding.Examples.Count > 0 && finding.Count > finding.Examples.Count)
                terminal.Note("    ...");
        }
    }

    private static string Size(SizedImage image) => string.Create(CultureInfo.InvariantCulture, $"{image.Width}x{image.Height}");

    private static string Number(long value) => value.ToString("N0", CultureInfo.InvariantCulture);
}
