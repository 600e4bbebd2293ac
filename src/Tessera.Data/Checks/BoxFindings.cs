using System.Globalization;

namespace Tessera.Data.Checks;

/// <summary>Puts what was found of objects into sentences.</summary>
/// <param name="say">Adds a finding about so many, with all examples of them; nothing is said of none.</param>
internal sealed class BoxFindings(Action<Severity, string, int, IReadOnlyList<string>> say)
{
    // A share of the boxes that rounding alone does not bring over the edges.
    private const double ManyLeaving = 0.01;

    /// <summary>Says all of a split.</summary>
    /// <param name="boxes">Its objects.</param>
    /// <param name="read">What was found as its annotations were read.</param>
    internal void Find(BoxesReport boxes, IReadOnlyList<AnnotationFinding> read)
    {
        foreach (var finding in read)
            say(finding.IsProblem ? Severity.Problem : Severity.Remark, finding.Text, Math.Max(1, finding.Places.Count), finding.Places);
        var (objects, images) = (boxes.Objects, boxes.PerImage.Sum());
        var all = objects + boxes.Crowds + boxes.Ignored;
        Unequal(boxes.Unequal, images);
        if (images > 0 && objects == 0)
            say(Severity.Warning, "no image has an object that counts", 1, []);
        else
            Some(
                Severity.Remark,
                boxes.Without,
                $"{boxes.Without} of {images} images have no objects: "
                    + $"{Plural(boxes.Without, "it teaches", "they teach")} what is none, and what a model finds there is a false alarm"
            );
        if (boxes.LooksLikeCorners)
            say(
                Severity.Warning,
                $"{boxes.Leaving} of {all} boxes leave their images, and none would if their numbers were corners: they look like "
                    + "x1, y1, x2, y2, and are read as x, y, width, height",
                boxes.Leaving,
                []
            );
        Named(
            Severity.Warning,
            boxes.Outside,
            $"{boxes.Outside.Count} of {all} boxes {Plural(boxes.Outside.Count, "lies", "lie")} outside of the image, and "
                + $"{Plural(boxes.Outside.Count, "is", "are")} not learned from"
        );
        var clipped = boxes.Leaving - boxes.Outside.Count;
        if (!boxes.LooksLikeCorners)
            Some(
                clipped >= ManyLeaving * all ? Severity.Warning : Severity.Remark,
                clipped,
                $"{clipped} of {all} boxes {Plural(clipped, "reaches", "reach")} over the edge of the image, and "
                    + $"{Plural(clipped, "is", "are")} cut there"
            );
        Named(
            Severity.Warning,
            boxes.Flat,
            $"{boxes.Flat.Count} of {all} objects {Plural(boxes.Flat.Count, "has", "have")} no area, and "
                + $"{Plural(boxes.Flat.Count, "is", "are")} not learned from"
        );
        Named(
            Severity.Warning,
            boxes.Tiny,
            $"{boxes.Tiny.Count} of {all} objects {Plural(boxes.Tiny.Count, "is", "are")} at most a pixel wide or high"
        );
        Named(
            Severity.Warning,
            boxes.Doubled,
            $"{boxes.Doubled.Count} of {all} objects {Plural(boxes.Doubled.Count, "has", "have")} the class and the box of another in the "
                + "same image"
        );
        if (boxes.Masks > 0)
            Masks(boxes, all);
        Some(
            Severity.Remark,
            boxes.Crowds,
            $"{boxes.Crowds} of {all} boxes {Plural(boxes.Crowds, "is", "are")} around crowds, of which nothing is learned and nothing is "
                + "asked for"
        );
        Some(Severity.Remark, boxes.Ignored, $"{boxes.Ignored} of {all} objects {Plural(boxes.Ignored, "is", "are")} ignored");
    }

    private void Unequal(IReadOnlyList<UnequalImage> unequal, int images) =>
        say(
            Severity.Problem,
            $"{unequal.Count} of {images} images {Plural(unequal.Count, "has", "have")} another size than "
                + $"{Plural(unequal.Count, "its", "their")} annotations are for",
            unequal.Count,
            [.. unequal.Select(own => $"{own.Name}: {Size(own.Image)}, and the annotations are for {Size(own.Stated)}")]
        );

    private void Masks(BoxesReport boxes, int all)
    {
        var without = all - boxes.Masks;
        Some(Severity.Warning, without, $"{without} of {all} objects {Plural(without, "has", "have")} no mask, and the others have one");
        Named(
            Severity.Warning,
            boxes.Blank,
            $"{boxes.Blank.Count} of {boxes.Masks} masks {Plural(boxes.Blank.Count, "has", "have")} no pixel"
        );
        Named(
            Severity.Warning,
            boxes.Unfit,
            $"{boxes.Unfit.Count} of {boxes.Masks} masks {Plural(boxes.Unfit.Count, "does", "do")} not fit "
                + $"{Plural(boxes.Unfit.Count, "its box", "their boxes")}"
        );
    }

    private void Some(Severity severity, int count, string text) => say(severity, text, count, []);

    private void Named(Severity severity, IReadOnlyList<NamedObject> objects, string text) =>
        say(severity, text, objects.Count, [.. objects.Select(Named)]);

    private static string Named(NamedObject one) =>
        $"{one.Name}: {(one.Id == 0 ? "" : string.Create(CultureInfo.InvariantCulture, $"annotation {one.Id}, "))}"
        + $"{OddNames.Quoted(one.Class)} from {Corners(one.Box)}"
        + (one.Mask is { } mask ? $", and its mask from {Corners(mask)}" : "");

    private static string Corners(ObjectBox box) =>
        string.Create(CultureInfo.InvariantCulture, $"({box.Left:0.##}, {box.Top:0.##}) to ({box.Right:0.##}, {box.Bottom:0.##})");

    // Width first, as in the tables of a check.
    private static string Size(ImageSize size) => string.Create(CultureInfo.InvariantCulture, $"{size.Width}x{size.Height}");

    private static string Plural(int count, string one, string several) => count == 1 ? one : several;
}
