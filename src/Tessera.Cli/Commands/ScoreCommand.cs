using System.CommandLine;
using System.Globalization;
using System.Text;
using Tessera.Cli.Rendering;
using Tessera.Cli.Shell;
using Tessera.Training;
using Tessera.Training.Tasks.Detection;
using Tessera.Training.Tasks.Detection.Scoring;

namespace Tessera.Cli.Commands;

/// <summary><c>tessera score</c>: measures files of detections against files of truth, without any model.</summary>
internal static class ScoreCommand
{
    private const string Coco = "coco",
        Voc2007 = "voc2007",
        Voc2010 = "voc2010";
    private const string Pixels = "pixels",
        Edges = "edges";

    // More rows than these are for --csv, --page and --json.
    private const int MostRows = 100;
    private const int MostNamed = 8;

    private static readonly Argument<string> Truth = new("truth")
    {
        HelpName = "file|folder",
        Description = "A COCO file of annotations, or a folder of VOC's .xml or of .txt files, one for each image: class and four numbers.",
    };
    private static readonly Argument<string> Detections = new("detections")
    {
        HelpName = "file|folder",
        Description = "A COCO file of results, or a folder of .txt files, one for each image: class, score and four numbers.",
    };
    private static readonly Option<string> Protocol = new("--protocol")
    {
        Description = "How precision is measured: as by COCO, or as by Pascal VOC until 2009 (voc2007, eleven points) or since (voc2010).",
        DefaultValueFactory = _ => Coco,
    };
    private static readonly Option<double?> Iou = new("--iou")
    {
        Description = "Overlap from which an object is found: 0.5 for VOC, and in the place of COCO's ten thresholds.",
        HelpName = "share",
    };
    private static readonly Option<string?> Boxes = new("--boxes")
    {
        Description = "What the four numbers of detections are: left, top, right, bottom; left, top, width, height; or middle and size.",
    };
    private static readonly Option<string?> TruthBoxes = new("--truth-boxes") { Description = "The same of objects in .txt files." };
    private static readonly Option<bool> Relative = new("--relative")
    {
        Description = "The numbers in .txt files are shares of width and height.",
    };
    private static readonly Option<bool> Absolute = new("--absolute") { Description = "The numbers in .txt files are pixels." };
    private static readonly Option<string?> Classes = new("--classes")
    {
        Description = "File with the names of classes that files have as numbers from 0: a name a line.",
        HelpName = "file",
    };
    private static readonly Option<string?> Images = new("--images")
    {
        Description = "Folder of the images, for the sizes that shares are of.",
        HelpName = "folder",
    };
    private static readonly Option<string?> Corners = new("--corners")
    {
        Description =
            "Whether right and lower numbers name the last pixel (pixels, by default with VOC's protocols) or the edge behind it (edges, "
            + "by default with COCO's).",
    };
    private static readonly Option<bool> CountDifficult = new("--count-difficult")
    {
        Description = "Difficult and ignored objects count as all others do.",
    };
    private static readonly Option<string?> CsvFile = new("--csv")
    {
        Description = "Also write the figures of each class as CSV.",
        HelpName = "file",
    };
    private static readonly Option<string?> Page = new("--page")
    {
        Description = "Also write an HTML page with curves of precision over recall.",
        HelpName = "file",
    };

    internal static Command Create()
    {
        Protocol.AcceptOnlyFromAmong(Coco, Voc2007, Voc2010);
        Boxes.AcceptOnlyFromAmong([.. BoxReading.LayoutNames]);
        TruthBoxes.AcceptOnlyFromAmong([.. BoxReading.LayoutNames]);
        Corners.AcceptOnlyFromAmong(Pixels, Edges);
        Iou.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<double?>() is { } iou && iou is not (> 0 and <= 1))
                result.AddError("--iou must be above 0 and at most 1");
        });
        var command = new ExampleCommand(
            "score",
            "Measure files of detections against files of truth: average precision of boxes and masks."
        )
        {
            Examples =
            [
                ("tessera score instances_val2017.json results.json", "measure as COCO does, masks too where there are some"),
                ("tessera score Annotations detections --protocol voc2010", "measure text against VOC's xml as VOC does"),
                ("tessera score truth detections --boxes xyxy --truth-boxes xyxy --protocol voc2007", "measure text against text"),
                ("tessera score labels detections --images images --relative --classes names.txt", "measure against YOLO's labels"),
                ("tessera score truth.json results.json --page score.html --csv classes.csv", "write curves and figures of each class"),
                ("tessera score truth.json results.json --json | jq .figures.ap50", "print a figure as a fraction"),
            ],
            Arguments = { Truth, Detections },
            Options = { Protocol, Iou, Boxes, TruthBoxes, Relative, Absolute, Classes, Images, Corners, CountDifficult, CsvFile, Page },
        };
        command.SetAction(Score);
        return command;
    }

    private static void Score(ParseResult parsed)
    {
        var terminal = parsed.Terminal();
        var protocol = parsed.GetRequiredValue(Protocol);
        var options = Options(parsed, protocol);
        var truth = ScoredTruth.Read(parsed.GetRequiredValue(Truth), options);
        if (truth.Classes.Count == 0)
            throw new UserException($"{parsed.GetRequiredValue(Truth)} has no class: there is nothing to be found");
        var set = ScoredSet.Read(truth, parsed.GetRequiredValue(Detections), options);
        var iou = parsed.GetValue(Iou);
        Metrics metrics =
            protocol == Coco
                ? set.Measure(iou is { } only ? [only] : null)
                : new VocMetrics(set.Found.Count, set.Measure(protocol == Voc2007 ? VocForm.ElevenPoints : VocForm.Area, iou ?? 0.5));
        string[] remarks =
        [
            .. truth.Remarks,
            .. set.Remarks,
            .. truth.Images.Any(image => image.Objects.Any(one => one.IsTrained))
                ? (string[])[]
                : ["the truth has no object that is to be found: no figure is defined"],
            .. Unknown("in images", set.UnknownImages),
            .. Unknown("of classes", set.UnknownClasses),
        ];
        Show(terminal, protocol, set, metrics, remarks);
        // The result comes first: a file that cannot be written must not take it along.
        if (parsed.GetValue(CsvFile) is { } csv)
        {
            AtomicFile.Write(csv, Encoding.UTF8.GetBytes(ToCsv(metrics, truth.Classes)));
            terminal.Note($"table  {csv}");
        }
        if (parsed.GetValue(Page) is { } page)
        {
            var title = Path.GetFileName(Path.TrimEndingDirectorySeparator(parsed.GetRequiredValue(Detections)));
            AtomicFile.Write(page, Encoding.UTF8.GetBytes(ScorePage.Render(title, protocol, metrics, truth.Classes, remarks)));
            terminal.Note($"page  {page}");
        }
    }

    private static ScoreOptions Options(ParseResult parsed, string protocol)
    {
        var (relative, absolute) = (parsed.GetValue(Relative), parsed.GetValue(Absolute));
        if (relative && absolute)
            throw new UserException("--relative and --absolute exclude each other");
        return new()
        {
            Boxes = Layout(parsed.GetValue(Boxes)),
            TruthBoxes = Layout(parsed.GetValue(TruthBoxes)),
            IsRelative =
                relative ? true
                : absolute ? false
                : null,
            Classes = parsed.GetValue(Classes),
            Images = parsed.GetValue(Images),
            NamesPixels = (parsed.GetValue(Corners) ?? (protocol == Coco ? Edges : Pixels)) == Pixels,
            CountsDifficult = parsed.GetValue(CountDifficult),
        };

        static BoxLayout? Layout(string? name) =>
            name is null ? null : (BoxLayout)BoxReading.LayoutNames.Index().First(one => one.Item == name).Index;
    }

    private static IEnumerable<string> Unknown(string what, IReadOnlyList<UnknownDetections> found)
    {
        if (found.Count == 0)
            yield break;
        var names = string.Join(", ", found.Take(MostNamed).Select(one => one.Name));
        var more = found.Count > MostNamed ? $" and {found.Count - MostNamed} more, which --json lists" : "";
        var count = found.Sum(one => one.Detections);
        yield return string.Create(
            CultureInfo.InvariantCulture,
            $"left out: {count} {(count == 1 ? "detection" : "detections")} {what} that the truth does not have: {names}{more}"
        );
    }

    private static void Show(Terminal terminal, string protocol, ScoredSet set, Metrics metrics, string[] remarks)
    {
        var classes = set.Truth.Classes;
        if (terminal.Json)
        {
            Terminal.WriteJson(
                new
                {
                    Protocol = protocol,
                    Images = metrics.Count,
                    Figures = metrics.Scalars,
                    Remarks = remarks,
                    set.UnknownImages,
                    set.UnknownClasses,
                    Evaluation = metrics.ToJson(classes),
                }
            );
            return;
        }
        var table = MetricsTable.Create(protocol);
        MetricsTable.AddTo(table, metrics, "images");
        table.Show(terminal);
        if (terminal.Quiet)
            return;
        foreach (var remark in remarks)
            terminal.Note(remark);
        foreach (var details in metrics.Tables(classes))
            if (details.Rows.Count <= MostRows)
            {
                terminal.Heading(details.Title);
                MetricsTable.Of(details).Show(terminal);
            }
            else
                terminal.Note($"{details.Title}: {details.Rows.Count} rows; --csv, --page and --json have them");
    }

    private static string ToCsv(Metrics metrics, IReadOnlyList<string> classes) =>
        metrics switch
        {
            DetectionMetrics { Boxes: var boxes, Masks: null } => Csv.Write(
                ["class", .. Columns("")],
                classes.Zip(boxes.PerClass, (name, own) => (object?[])[name, .. Cells(own)])
            ),
            DetectionMetrics { Boxes: var boxes, Masks: { } masks } => Csv.Write(
                ["class", .. Columns(""), .. Columns("mask_")],
                classes.Select((name, i) => (object?[])[name, .. Cells(boxes.PerClass[i]), .. Cells(masks.PerClass[i])])
            ),
            VocMetrics { Scores: var scores } => Csv.Write(
                ["class", "objects", "found", "false_alarms", "ap"],
                classes.Zip(scores.PerClass, (name, own) => (object?[])[name, own.Objects, own.Found, own.Wrong, own.Ap])
            ),
            _ => throw new InvalidOperationException($"no table of {metrics.GetType().Name}"),
        };

    private static IEnumerable<string> Columns(string prefix) =>
        ((string[])["objects", "detections", "ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large", "ar100"]).Select(name =>
            prefix + name
        );

    private static object?[] Cells(ClassPrecision own) =>
        [own.Objects, own.Detections, own.Ap, own.Ap50, own.Ap75, own.ApSmall, own.ApMedium, own.ApLarge, own.Ar100];
}
