using System.Text;
using Tessera.Data;
using Tessera.Data.Images;
using Tessera.Data.Imaging;
using Tessera.Models;
using Tessera.Training.Drawing;

namespace Tessera.Training.Tasks.Segmentation;

/// <summary>Sections of a segmenter's report: IoU per class, confusion of pixels, truth beside prediction, the worst images.</summary>
internal static class SegmentationReport
{
    private const int Images = 6;
    private const int Side = 320;
    private const int MostNamed = 40;

    // Larger matrices show nothing that the table of pairs does not say better.
    private const int MostClasses = 40;

    /// <summary>The sections; none where something else was measured.</summary>
    /// <param name="task">How images are segmented.</param>
    /// <param name="context">Model, data and metrics of the evaluation.</param>
    internal static IReadOnlyList<ReportSection> Sections(SegmentationTask task, ReportContext context)
    {
        if (context is not { Metrics: SegmentationMetrics metrics, Data: ImageDataset { Annotations: LabelMaps } data })
            return [];
        var classes = context.Facts.Classes;
        double?[] shares = [.. metrics.Scores.Iou.Select(iou => double.IsNaN(iou) ? (double?)null : iou)];
        List<ReportSection> sections = [new("IoU per class", Iou(shares, classes), Column: 1)];
        if (classes.Count <= MostClasses)
            sections.Add(new("Confusion", Confusion(metrics, classes), Column: 2));
        SegmentedImage[] all = [.. metrics.Images];
        var count = Math.Min(Images, all.Length);
        var shown = Enumerable.Range(0, count).Select(i => all[(int)((long)i * all.Length / count)]);
        SegmentedImage[] worst = [.. all.Where(image => double.IsFinite(image.MeanIou)).OrderBy(image => image.MeanIou).Take(Images)];
        var training = context.Model.Training;
        context.Model.Eval();
        try
        {
            var gallery = new Gallery(task, context, data);
            sections.Add(new("Truth and prediction", gallery.Draw(shown, "Images at equal distances in the data set.")));
            if (worst.Length > 0)
                sections.Add(
                    new("Worst images", gallery.Draw(worst, "The images of the lowest mean IoU over the classes that occur in them."))
                );
        }
        finally
        {
            context.Model.Train(training);
        }
        return sections;
    }

    private static string Iou(IReadOnlyList<double?> shares, IReadOnlyList<string> classes) =>
        $"""
            <p>Intersection over union of the pixels of all images together, the lowest first. Classes that occur neither in truth nor in
            prediction are left out.</p>
            {ShareBars.ToSvg(shares, classes, "IoU per class")}
            """;

    private static string Confusion(SegmentationMetrics metrics, IReadOnlyList<string> classes) =>
        $"""
            <p>Rows are the true classes, columns the predictions; cells are percent of the pixels of their row.</p>
            {ConfusionChart.ToSvg(metrics.Scores.Confusion, classes, percent: true)}
            """;

    // One image after the other: only their small pictures are kept.
    private sealed class Gallery(SegmentationTask task, ReportContext context, ImageDataset data)
    {
        private readonly SegmentationInference inference = new(task, (Segmenter)context.Model);
        private readonly LabelMaps maps = (LabelMaps)data.Annotations;
        private readonly IReadOnlyList<(byte R, byte G, byte B)> colors = ((SegmentationFacts)context.Facts).Colors;

        internal string Draw(IEnumerable<SegmentedImage> images, string about)
        {
            var pictures = new SegmentationPictures(colors);
            var seen = new SortedSet<int>();
            var figures = new StringBuilder();
            foreach (var image in images)
                figures.Append(Figure(image, pictures, seen));
            return $"""
                <p>{about} From left to right: the image, its labels, the prediction. White has no label.</p>
                <p>{Legend(seen)}</p>
                <div class="attention">{figures}</div>
                """;
        }

        private string Figure(SegmentedImage image, SegmentationPictures pictures, SortedSet<int> seen)
        {
            using var scope = new Scope();
            var small = SmallPicture.Of(data, image.Index, Side);
            var (truth, found) = (
                maps[image.Index],
                SegmentationTask.Segment(inference, ImagePixels.Of(data, image.Index, context.Pipeline))
            );
            foreach (var map in (LabelMap[])[truth, found])
                seen.UnionWith(map.Ids.Distinct().Where(id => id < colors.Count).Select(id => (int)id));
            var name = Html.Encode(Path.GetFileName(data.SampleName(image.Index)));
            string Picture(Raster drawn, string what) =>
                $"""<div><img alt="{what} of {name}" src="{Png.DataUri(
                    drawn.ToInterleaved(),
                    drawn.Height,
                    drawn.Width,
                    drawn.Channels
                )}"></div>""";
            return $"""
                <figure class="row" style="grid-template-columns:repeat(3,minmax(0,1fr))">
                {Picture(small, "image")}
                {Picture(pictures.Colors(truth, small.Height, small.Width), "labels")}
                {Picture(pictures.Colors(found, small.Height, small.Width), "prediction")}
                <figcaption>{name} <small>mean IoU {Share(image.MeanIou)}, pixel accuracy {Share(image.PixelAccuracy)}</small></figcaption>
                </figure>
                """;
        }

        private static string Share(double value) => double.IsNaN(value) ? "not defined" : Html.Percent(value, 1);

        private string Legend(SortedSet<int> seen) =>
            string.Concat(seen.Take(MostNamed).Select(Entry)) + (seen.Count > MostNamed ? $"and {seen.Count - MostNamed} more" : "");

        private string Entry(int label)
        {
            var (r, g, b) = colors[label];
            return $"""
                <span style="display:inline-block;margin-right:14px"><i style="display:inline-block;width:11px;height:11px;
                border-radius:3px;border:1px solid var(--line);margin-right:5px;background:rgb({r},{g},{b})"></i>{Html.Encode(
                    context.Facts.Classes[label]
                )}</span>
                """;
        }
    }
}
