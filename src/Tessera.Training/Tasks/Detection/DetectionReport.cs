using System.Text;
using Tessera.Data;
using Tessera.Data.Images;
using Tessera.Data.Imaging;
using Tessera.Models;
using Tessera.Training.Drawing;

namespace Tessera.Training.Tasks.Detection;

/// <summary>
/// Sections of a detector's report: precision over recall, truth beside prediction, the worst images, misses and false alarms.
/// </summary>
internal static class DetectionReport
{
    private const int Images = 6;

    /// <summary>The sections; none where something else was measured.</summary>
    /// <param name="context">Model, data and metrics of the evaluation.</param>
    /// <param name="threshold">Score from which objects are shown.</param>
    internal static IReadOnlyList<ReportSection> Sections(ReportContext context, double threshold)
    {
        if (context is not { Metrics: DetectionMetrics metrics, Data: ImageDataset { Annotations: ObjectBoxes } data })
            return [];
        List<ReportSection> sections = [new("Precision and recall", Curves(metrics, context.Facts.Classes))];
        DetectedImage[] all = [.. metrics.Images];
        var count = Math.Min(Images, all.Length);
        var shown = Enumerable.Range(0, count).Select(i => all[(int)((long)i * all.Length / count)]);
        DetectedImage[] worst = [.. all.Where(image => image.F1 < 1).OrderBy(image => image.F1).ThenByDescending(Mistakes).Take(Images)];
        var training = context.Model.Training;
        context.Model.Eval();
        try
        {
            var gallery = new DetectionGallery(context, data, threshold);
            sections.Add(new("Truth and prediction", gallery.Pairs(shown, "Images at equal distances in the data set.")));
            if (worst.Length > 0)
                sections.Add(new("Worst images", gallery.Pairs(worst, "The images of the lowest F1.")));
            if (metrics.FalseAlarms.Count > 0)
                sections.Add(
                    new(
                        "False alarms",
                        gallery.Parts(metrics.FalseAlarms, "The surest detections that overlap no free object of their class by half.")
                    )
                );
            if (metrics.Misses.Count > 0)
                sections.Add(new("Misses", gallery.Parts(metrics.Misses, "The largest objects that no detection shown overlaps by half.")));
        }
        finally
        {
            context.Model.Train(training);
        }
        return sections;
    }

    private static int Mistakes(DetectedImage image) => image.Missed + image.FalseAlarms;

    private static string Curves(DetectionMetrics metrics, IReadOnlyList<string> classes)
    {
        var boxes = Of(metrics.Boxes, "Boxes");
        var masks = metrics.Masks is { } shapes ? Of(shapes, "Masks") : "";
        return boxes.Length + masks.Length == 0
            ? "<p>There is no object to be found, and so no curve.</p>"
            : $"""<div class="columns three">{boxes}{masks}</div>""";

        string Of(CocoScores scores, string what) =>
            PrecisionRecallCharts.PerThreshold(scores, $"{what}: mean of the classes")
            + PrecisionRecallCharts.PerClass(scores, classes, $"{what}: best, median and worst class at overlap 0.5");
    }
}

/// <summary>Pictures of images with their objects, one after the other: only small pictures are kept.</summary>
/// <param name="context">Model and preparation.</param>
/// <param name="data">The images with boxes.</param>
/// <param name="threshold">Score from which objects are shown.</param>
internal sealed class DetectionGallery(ReportContext context, ImageDataset data, double threshold)
{
    private const int Side = 420;

    // Of the part of an image around a mistake: the box, and as much on each side as makes it understood.
    private const double Around = 0.6;
    private const int SmallestPart = 32,
        PartSide = 150;

    private readonly DetectionInference inference = new((Detector)context.Model);
    private readonly ObjectBoxes boxes = (ObjectBoxes)data.Annotations;
    private readonly DetectionPictures pictures = new(context.Facts.Classes, ((DetectionFacts)context.Facts).Colors);

    /// <summary>Images with their objects on the left and what was found on the right.</summary>
    internal string Pairs(IEnumerable<DetectedImage> images, string about)
    {
        var figures = new StringBuilder();
        foreach (var image in images)
            figures.Append(Pair(image));
        return $"""
            <p>{about} On the left the objects of the data, on the right what the model finds with a score of at least {Html.Fixed(
                threshold,
                2
            )}.</p>
            <div class="attention">{figures}</div>
            """;
    }

    private string Pair(DetectedImage image)
    {
        using var scope = new Scope();
        var pixels = ImagePixels.Of(data, image.Index, context.Pipeline);
        var original = pixels.Origin.Original;
        var prepared = pixels.Window(0, 0, pixels.Size.Height, pixels.Size.Width).To(ModuleDevice.Of(context.Model));
        var found = inference.Run(prepared, [pixels.Origin])[0].Where(one => one.Score >= threshold);
        var small = SmallPicture.Of(data, image.Index, Side);
        var name = Html.Encode(Path.GetFileName(data.SampleName(image.Index)));
        return $"""
            <figure class="row" style="grid-template-columns:repeat(2,minmax(0,1fr))">
            {Picture([.. boxes[image.Index].Select(ShownObject.Of)], "objects")}
            {Picture([.. found.Select(ShownObject.Of)], "detections")}
            <figcaption>{name} <small>{image.Found} of {image.Objects} found, {image.FalseAlarms} false alarms</small></figcaption>
            </figure>
            """;

        string Picture(IReadOnlyList<ShownObject> objects, string what) =>
            $"""<div>{Element(pictures.Draw(small, original, objects, Side), $"{what} of {name}")}</div>""";
    }

    /// <summary>Parts of images around mistakes.</summary>
    internal string Parts(IReadOnlyList<DetectionError> errors, string about)
    {
        var figures = new StringBuilder();
        foreach (var error in errors)
            figures.Append(Part(error));
        return $"""<p>{about}</p><div class="gallery">{figures}</div>""";
    }

    private string Part(DetectionError error)
    {
        var image = new Raster();
        data.Read(error.Index, image);
        var (part, top, left) = Cut(image, error.Box);
        var box = new ObjectBox(error.Box.Left - left, error.Box.Top - top, error.Box.Right - left, error.Box.Bottom - top);
        var size = new ImageSize(part.Height, part.Width);
        var drawn = pictures.Draw(Shrunk(part), size, [new(box, error.Class, error.Score)], PartSide);
        var name = Html.Encode(Path.GetFileName(data.SampleName(error.Index)));
        return $"""<figure>{Element(drawn, $"part of {name}")}<figcaption><small>{name}</small></figcaption></figure>""";
    }

    private static (Raster Part, int Top, int Left) Cut(Raster image, ObjectBox box)
    {
        var (top, height) = Window(box.Top, box.Height, image.Height);
        var (left, width) = Window(box.Left, box.Width, image.Width);
        var part = new Raster(image.Channels, height, width);
        for (var c = 0; c < image.Channels; c++)
        for (var y = 0; y < height; y++)
            image.Row(c, top + y).Slice(left, width).CopyTo(part.Row(c, y));
        return (part, top, left);
    }

    private static (int Start, int Length) Window(double start, double length, int size)
    {
        var margin = Math.Max(Around * length, (SmallestPart - length) / 2);
        var low = Math.Clamp((int)Math.Floor(start - margin), 0, size - 1);
        return (low, Math.Clamp((int)Math.Ceiling(start + length + margin), low + 1, size) - low);
    }

    private static Raster Shrunk(Raster part)
    {
        var factor = (double)PartSide / Math.Max(part.Height, part.Width);
        if (factor >= 1)
            return part;
        var canvas = new Canvas();
        canvas.Image.CopyFrom(part);
        Resampling.Resize(
            canvas,
            Math.Max(1, (int)Math.Round(part.Height * factor)),
            Math.Max(1, (int)Math.Round(part.Width * factor)),
            Interpolation.Bilinear
        );
        return canvas.Image;
    }

    private static string Element(Raster drawn, string about) =>
        $"""<img alt="{about}" src="{Png.DataUri(drawn.ToInterleaved(), drawn.Height, drawn.Width, drawn.Channels)}">""";
}
