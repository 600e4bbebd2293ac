using Tessera.Data;
using Tessera.Data.Checks;
using Tessera.Data.Images;
using Tessera.Training.Drawing;

namespace Tessera.Training.Reports;

/// <summary>What a check of a data set has found, as one self-contained HTML page with charts and pictures.</summary>
internal static class DataCheckPage
{
    private const int MostClasses = 60;
    private const int MostShownClasses = 40;
    private const int MostPairs = 24;
    private const int MostNamed = 200;
    private const int SamplesPerClass = 4;
    private const int MostLetters = 400;

    // Shown whole, however long they are for their width.
    private const string Css = """
        <style>
        .gallery.samples{grid-template-columns:repeat(auto-fill,minmax(96px,1fr))}
        img.sample{height:96px;object-fit:contain}
        .gallery figcaption{overflow-wrap:anywhere}
        h3:first-child{margin-top:0}
        .pairs{display:grid;grid-template-columns:repeat(auto-fill,minmax(260px,1fr));gap:18px 26px}
        .pair{display:grid;grid-template-columns:1fr 1fr;gap:8px}
        .pair figcaption{font-size:12px;line-height:1.35;font-weight:400;margin-top:6px;overflow-wrap:anywhere}
        .pair small{color:var(--soft)}
        .shown{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(540px,100%),1fr));gap:14px 34px}
        .shown>div{display:grid;grid-template-columns:minmax(0,1fr) repeat(4,96px);gap:8px 10px;align-items:center;overflow-wrap:anywhere}
        .shown figcaption{display:none}
        .names{display:flex;flex-wrap:wrap;gap:4px 16px;margin-bottom:16px;font-size:12.5px}
        .names i{display:inline-block;width:11px;height:11px;border-radius:3px;margin-right:6px;border:1px solid var(--line)}
        .pairs.maps{grid-template-columns:repeat(auto-fill,minmax(min(480px,100%),1fr))}
        .pairs.boxes{grid-template-columns:repeat(auto-fill,minmax(min(340px,100%),1fr))}
        .pairs.boxes figcaption{font-weight:400;margin-top:6px}
        th.group{text-align:center;border-bottom:1px solid var(--line)}
        img.boxed{image-rendering:auto}
        .wide{overflow-x:auto}
        .pairs.maps figcaption{grid-column:1/-1;margin:-2px 0 0}
        ul{margin:0;padding-left:18px}
        li{margin-bottom:6px}
        li small{display:block;color:var(--soft);overflow-wrap:anywhere}
        </style>
        """;

    /// <summary>Renders the page.</summary>
    /// <param name="report">What was found.</param>
    /// <param name="opened">The splits that were checked, for the pictures.</param>
    public static string Render(CheckReport report, OpenedSplits opened)
    {
        var pictures = new DataCheckPictures(opened);
        return HtmlPage.Of(
            report.Quick ? "data check, without decoding" : "data check",
            report.Root is { } root ? $"{report.Name}: {root}" : report.Name,
            $"""
            {Css}
            <section class="cards">{Cards(report)}</section>
            {Findings(report)}
            {Section("Splits", SplitTable(report))}
            {Balance(report)}
            {Section("Pixels and images of each class", DataCheckMaps.Table(report))}
            {Section(
                $"Label maps of {report.Training}",
                DataCheckMaps.Samples(report, opened, pictures)
            )}
            {Section("Objects of each class", DataCheckBoxes.Table(report))}
            {Section("Objects and images", DataCheckBoxes.Charts(report))}
            {Section($"Boxes of {report.Training}", DataCheckBoxes.Samples(report, opened, pictures))}
            {Section("Boxes to look at", DataCheckBoxes.Odd(report, opened, pictures))}
            {Sizes(report)}
            {Repeats(report, pictures)}
            {Extremes(report, pictures)}
            {Unreadable(report)}
            {Samples(report, opened, pictures)}
            """
        );
    }

    private static string Section(string title, string body) =>
        body.Length == 0 ? "" : $"""<section class="panel"><h2>{Html.Encode(title)}</h2>{body}</section>""" + "\n";

    private static string Cards(CheckReport report)
    {
        var classes = report.Splits.FirstOrDefault(split => split.Name == report.Training)?.Classes.Count;
        return string.Concat(report.Splits.Select(split => Card(split.Name, Html.Integer(split.Samples), "samples")))
            + (classes is > 0 and var count ? Card("classes", Html.Integer(count), $"of {report.Training}") : "")
            + Card("problems", Html.Integer(report.Of(Severity.Problem).Count), "a training fails")
            + Card("warnings", Html.Integer(report.Of(Severity.Warning).Count), "a training goes on");
    }

    private static string Card(string name, string value, string note) =>
        $"""
            <div class="card"><span>{Html.Encode(name)}</span><strong>{Html.Encode(value)}</strong><small>{Html.Encode(note)}</small></div>
            """;

    private static string Findings(CheckReport report)
    {
        (Severity Severity, string Title)[] kinds =
        [
            (Severity.Problem, "Problems"),
            (Severity.Warning, "Warnings"),
            (Severity.Remark, "Remarks"),
        ];
        return Section(
            "Findings",
            report.Findings.Count == 0
                ? "<p>Nothing was found.</p>"
                : string.Concat(
                    kinds
                        .Select(kind => (kind.Title, Found: report.Of(kind.Severity)))
                        .Where(kind => kind.Found.Count > 0)
                        .Select(kind => $"<h3>{kind.Title}</h3><ul>{string.Concat(kind.Found.Select(Item))}</ul>")
                )
        );

        static string Item(Finding finding) =>
            $"<li>{(finding.Split is { } split ? $"<b>{Html.Encode(split)}</b>: " : "")}{Html.Encode(finding.Text)}"
            + string.Concat(finding.Examples.Select(example => $"<small>{Html.Encode(example)}</small>"))
            + (finding.Examples.Count > 0 && finding.Count > finding.Examples.Count ? "<small>…</small>" : "")
            + "</li>";
    }

    private static string SplitTable(CheckReport report)
    {
        var images = report.Splits.Any(split => split.Images is not null);
        var texts = report.Splits.Any(split => split.Texts is not null);
        var labels = report.Splits.Any(split => split.Labels is not null);
        var maps = report.Splits.Any(split => split.Maps is { Read: > 0 });
        var boxes = report.Splits.Any(split => split.Boxes is not null);
        string[] head =
        [
            "split",
            "samples",
            "classes",
            .. images ? (string[])["sizes", "smallest", "median", "largest", "widest", "tallest", "grey", "colour"] : [],
            .. texts ? (string[])["shortest", "median", "longest", "words"] : [],
            .. labels ? (string[])["classes per sample", "without a class"] : [],
            .. maps ? (string[])["label maps", "ignored pixels", "maps of one class"] : [],
            .. boxes ? (string[])["objects", "per image", "most", "images without", "crowds", "masks"] : [],
        ];
        var titles = string.Concat(head.Select((name, i) => Cell("th", name, i)));
        return $"<table><tr>{titles}</tr>{string.Concat(report.Splits.Select(Row))}</table>";

        string Row(SplitReport split)
        {
            string[] cells =
            [
                split.Name,
                Html.Integer(split.Samples),
                Html.Integer(split.Classes.Count),
                .. images
                    ? split.Images is { } own
                        ? (string[])
                            [
                                Html.Integer(own.Sizes.Count),
                                Size(own.Smallest),
                                Size(own.Median),
                                Size(own.Largest),
                                Size(own.Widest),
                                Size(own.Tallest),
                                Html.Integer(own.Grey),
                                Html.Integer(own.Colored),
                            ]
                        : ["", "", "", "", "", "", "", ""]
                    : [],
                .. texts
                    ? split.Texts is { } lengths
                        ? (string[])
                            [
                                Html.Integer(lengths.Shortest),
                                Html.Integer(lengths.Median),
                                Html.Integer(lengths.Longest),
                                Html.Integer(lengths.Words),
                            ]
                        : ["", "", "", ""]
                    : [],
                .. labels
                    ? split.Labels is { } several
                        ? (string[])[Html.Fixed(several.Mean, 2), Html.Integer(several.Without)]
                        : ["", ""]
                    : [],
                .. maps
                    ? split.Maps is { Read: > 0 } read
                        ? (string[])[Html.Integer(read.Read), Html.Percent(read.IgnoredShare), Html.Integer(read.Single.Count)]
                        : ["", "", ""]
                    : [],
                .. boxes
                    ? split.Boxes is { } found
                        ? (string[])
                            [
                                Html.Integer(found.Objects),
                                Html.Fixed(found.Mean, 2),
                                Html.Integer(found.Most),
                                Html.Integer(found.Without),
                                Html.Integer(found.Crowds),
                                Html.Integer(found.Masks),
                            ]
                        : ["", "", "", "", "", ""]
                    : [],
            ];
            return $"<tr>{string.Concat(cells.Select((cell, i) => Cell("td", cell, i)))}</tr>";
        }

        static string Cell(string tag, string text, int column) =>
            column == 0 ? $"<{tag}>{Html.Encode(text)}</{tag}>" : $"""<{tag} class="number">{Html.Encode(text)}</{tag}>""";
    }

    private static string Size(SizedImage image) => $"{image.Width}x{image.Height}";

    // Classes go by the names of the training split, the largest first; of many, those at both ends are drawn.
    private static string Balance(CheckReport report)
    {
        var splits = report.Splits.Where(split => split.Classes.Any(own => own.Samples is not null)).ToArray();
        if (splits.Length == 0)
            return "";
        var counts = splits
            .Select(split =>
                split.Classes.GroupBy(own => own.Trained ?? own.Name).ToDictionary(group => group.Key, group => group.First().Samples)
            )
            .ToArray();
        CountRow[] rows =
        [
            .. counts
                .SelectMany(own => own.Keys)
                .Distinct()
                .Select(name => new CountRow(name, [.. counts.Select(own => own.TryGetValue(name, out var count) ? count : null)]))
                .OrderByDescending(row => row.Counts[0]),
        ];
        var most = rows.Length <= MostClasses ? rows.Length : MostClasses / 2;
        string[] series = [.. splits.Select(split => split.Name)];
        var left = rows.Length - 2 * most;
        return Section(
            splits.All(split => split.CountsImages) ? "Images per class" : "Samples per class",
            $"""
            <p>Each split has a scale of its own, so that its balance can be seen.{(
                left > 0 ? $" Of {Html.Integer(rows.Length)} classes, {most} at either end are drawn." : ""
            )}</p>
            <div class="columns">{(
                left > 0
                    ? new CountBars("The largest classes", series, rows[..most]).ToSvg()
                        + new CountBars("The smallest classes", series, rows[^most..]).ToSvg()
                : rows.Length > 12
                    ? new CountBars("Classes, the largest first", series, rows[..((rows.Length + 1) / 2)]).ToSvg()
                        + new CountBars("The same, continued", series, rows[((rows.Length + 1) / 2)..]).ToSvg()
                : new CountBars("Classes", series, rows).ToSvg()
            )}</div>
            """
        );
    }

    private static string Sizes(CheckReport report)
    {
        var splits = report.Splits.Where(split => split.Images is not null).ToArray();
        SizeDot[] dots =
        [
            .. splits.SelectMany((split, s) => split.Images!.Sizes.Select(size => new SizeDot(s, size.Width, size.Height, size.Count))),
        ];
        if (dots.Select(dot => (dot.Width, dot.Height)).Distinct().Count() < 2)
            return "";
        var rows = dots.GroupBy(dot => (dot.Width, dot.Height))
            .Select(group => (group.Key, Count: group.Sum(dot => dot.Count)))
            .OrderByDescending(size => size.Count)
            .ThenBy(size => size.Key)
            .Take(12)
            .Select(size => $"""<tr><td>{size.Key.Width}x{size.Key.Height}</td><td class="number">{Html.Integer(size.Count)}</td></tr>""");
        return Section(
            "Image sizes",
            $"""
            <div class="columns">{new SizeChart("Width and height", [.. splits.Select(split => split.Name)], dots).ToSvg()}
            <div><h3>Most frequent sizes</h3>
            <table><tr><th>width x height</th><th class="number">images</th></tr>{string.Concat(rows)}</table></div>
            </div>
            """
        );
    }

    private static string Repeats(CheckReport report, DataCheckPictures pictures)
    {
        // Across splits first, then those of which the classes differ.
        var shown = report
            .Repeats.OrderByDescending(repeat => repeat.Splits.Count > 1)
            .ThenByDescending(repeat => repeat.LabelsDiffer)
            .Where(repeat => repeat.Samples.All(sample => pictures.Has(sample.Split)))
            .ToArray();
        if (shown.Length == 0)
            return "";
        var more = shown.Length > MostPairs ? $"<p>And {Html.Integer(shown.Length - MostPairs)} more; --json lists all.</p>" : "";
        return Section(
            "Images that are there several times",
            $"""<div class="pairs">{string.Concat(shown.Take(MostPairs).Select(Pair))}</div>{more}"""
        );

        string Pair(RepeatedSample repeat)
        {
            var first = repeat.Samples[0];
            var second = repeat.Samples.FirstOrDefault(sample => sample.Split != first.Split) ?? repeat.Samples[1];
            return $"""
                <div class="pair">{string.Concat(
                    new[] { first, second }.Select(sample =>
                        pictures.Figure(
                            sample.Split,
                            sample.Index,
                            Path.GetFileName(sample.Name),
                            sample.Label.Length > 0 ? $"{sample.Split}: {sample.Label}" : sample.Split
                        )
                    )
                )}</div>
                """;
        }
    }

    private static string Extremes(CheckReport report, DataCheckPictures pictures)
    {
        var shown = report
            .Splits.Where(split => split.Images is { Sizes.Count: > 1 })
            .SelectMany(split =>
                new[]
                {
                    ("smallest", split.Images!.Smallest),
                    ("median", split.Images.Median),
                    ("largest", split.Images.Largest),
                    ("widest", split.Images.Widest),
                    ("tallest", split.Images.Tallest),
                }.Select(extreme =>
                    pictures.Figure(
                        split.Name,
                        extreme.Item2.Index,
                        $"{split.Name}: {extreme.Item1}, {Size(extreme.Item2)}",
                        Path.GetFileName(extreme.Item2.Name)
                    )
                )
            )
            .ToArray();
        return Section(
            "Smallest and largest images",
            shown.Length == 0 ? "" : $"""<div class="gallery samples">{string.Concat(shown)}</div>"""
        );
    }

    private static string Unreadable(CheckReport report)
    {
        var all = report.Splits.SelectMany(split => split.Unreadable.Select(image => (split.Name, Image: image))).ToArray();
        if (all.Length == 0)
            return "";
        var rows = all.Take(MostNamed).Select(one => Row(one.Image.Name, one.Name, Html.Short(one.Image.Problem, MostLetters)));
        var more = all.Length > MostNamed ? $"<p>And {Html.Integer(all.Length - MostNamed)} more; --json lists all.</p>" : "";
        return Section(
            "Unreadable images",
            $"<table><tr><th>file</th><th>split</th><th>problem</th></tr>{string.Concat(rows)}</table>{more}"
        );

        static string Row(params string[] cells) => $"<tr>{string.Concat(cells.Select(cell => $"<td>{Html.Encode(cell)}</td>"))}</tr>";
    }

    // Images of each class that can be read, evenly over the class: files in a row are often alike.
    private static string Samples(CheckReport report, OpenedSplits opened, DataCheckPictures pictures)
    {
        if (
            opened.Training is not { Data: ImageDataset { Annotations: not (LabelMaps or ObjectBoxes) } data } training
            || data.ClassNames.Count == 0
        )
            return "";
        var unreadable = report.Splits[0].Unreadable.Select(image => image.Index).ToHashSet();
        var classes = ClassMembers.Of(data, unreadable);
        var rows = classes
            .Take(MostShownClasses)
            .Select(
                (members, label) =>
                    $"<div><span>{Html.Encode(data.ClassNames[label])}</span>"
                    + string.Concat(
                        Enumerable
                            .Range(0, SamplesPerClass)
                            .Select(i =>
                                i < members.Count
                                    ? pictures.Figure(
                                        training.Name,
                                        members[(int)((long)i * members.Count / Math.Min(SamplesPerClass, members.Count))],
                                        "",
                                        ""
                                    )
                                    : "<span></span>"
                            )
                    )
                    + "</div>"
            );
        var more =
            data.ClassNames.Count > MostShownClasses
                ? $"<p>The first {MostShownClasses} of {Html.Integer(data.ClassNames.Count)} classes.</p>"
                : "";
        return Section($"Samples of {training.Name}", $"""{more}<div class="shown">{string.Concat(rows)}</div>""");
    }
}
