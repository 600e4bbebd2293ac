using Tessera.Data.Images;

namespace Tessera.Data.Sets;

/// <summary>Images of one's own with boxes or masks, in any of the forms that are read: which one is recognised by the files.</summary>
internal static class DetectionFolder
{
    private const string Name = "detection_folder";

    private delegate FileImages Opening(string split, string root, bool lenient, CancellationToken stop);

    /// <summary>A form of annotations.</summary>
    /// <param name="Name">The data set that reads it.</param>
    /// <param name="What">What people call it.</param>
    /// <param name="Evidence">A file that says that a folder is of this form; null where there is none.</param>
    /// <param name="Splits">The splits of a folder.</param>
    /// <param name="Open">Opens one.</param>
    private sealed record Form(
        string Name,
        string What,
        Func<string, string?> Evidence,
        Func<string, IReadOnlyList<string>> Splits,
        Opening Open
    );

    private static readonly Form[] forms =
    [
        new(
            "coco_json",
            "COCO's JSON",
            CocoFolder.Evidence,
            root => CocoFolder.SplitsIn(Name, root),
            (split, root, lenient, stop) => CocoFolder.Open(Name, split, root, lenient, stop)
        ),
        new(
            "voc_detection",
            "Pascal VOC's XML",
            VocFolder.Evidence,
            root => VocFolder.SplitsIn(Name, root),
            (split, root, lenient, stop) => VocFolder.Open(Name, split, root, first: null, lenient, stop)
        ),
        new(
            "yolo",
            "YOLO's text",
            YoloFolder.Evidence,
            root => YoloFolder.SplitsIn(Name, root),
            (split, root, lenient, stop) => YoloFolder.Open(Name, split, root, lenient, stop)
        ),
    ];

    internal static DatasetKind Kind { get; } =
        OwnParts.Kind(Name, "images of your own with boxes or masks, in COCO's JSON, Pascal VOC's XML or YOLO's text", Open, root =>
            Find(root).Form.Splits(root)
        ) with
        {
            Splits = [.. OwnParts.Splits, "trainval"],
            Folder = "detection",
            Disjoint = ["train", "val", "test"],
        };

    private static FileImages Open(string split, string? root, bool lenient, CancellationToken stop)
    {
        if (root is null)
            throw new DataException($"{Name}: data.root must name the folder");
        var (form, evidence) = Find(root);
        var set = form.Open(split, root, lenient, stop);
        return set.With([$"the annotations are read as {form.What}, because of {evidence}", .. set.Remarks]);
    }

    private static (Form Form, string Evidence) Find(string root)
    {
        var found = forms
            .Select(form => (Form: form, Evidence: form.Evidence(root)))
            .Where(one => one.Evidence is not null)
            .Select(one => (one.Form, Evidence: one.Evidence!))
            .ToArray();
        return found switch
        {
            [var only] => only,
            [] => throw new DataException(
                $"{Name}: {root} holds no annotations that are known: there must be COCO's JSON (train.json, annotations/val.json), "
                    + "VOC's XML (Annotations/a.xml), or YOLO's text (data.yaml or classes.txt, with labels/a.txt)"
            ),
            _ => throw new DataException(
                $"{Name}: {found[0].Evidence} and {found[1].Evidence} are both annotations: name the data set {found[0].Form.Name} or "
                    + $"{found[1].Form.Name}"
            ),
        };
    }
}
