using Tessera.Data;
using Tessera.Data.Images;
using Tessera.Models;
using Tessera.Training.Drawing;
using Tessera.Training.Explain;

namespace Tessera.Training.Tasks.Classification;

/// <summary>Sections of a classifier's report: confusion, accuracy per class, calibration, attention, most confident mistakes.</summary>
internal static class ClassificationReport
{
    private const int Images = 8;
    private const int MostPairs = 8;

    /// <summary>A sample as the report shows it.</summary>
    /// <param name="Name">Name of the sample, or a text itself.</param>
    /// <param name="Image">Source of an img element; null for texts.</param>
    internal sealed record Shown(string Name, string? Image);

    /// <summary>The sections; none where something else was measured.</summary>
    /// <param name="context">Model, data and metrics of the evaluation.</param>
    /// <param name="noun">Plural noun for the samples, such as images.</param>
    /// <param name="show">Gives name and picture of a mistake's sample.</param>
    internal static IReadOnlyList<ReportSection> Sections(ReportContext context, string noun, Func<Mistake, Shown> show)
    {
        if (context.Metrics is not ClassificationMetrics metrics)
            return [];
        var classes = context.Facts.Classes;
        List<ReportSection> sections =
        [
            new("Confusion", Confusion(metrics, classes, noun), Column: 1),
            new("Accuracy per class", ShareBars.ToSvg(metrics.PerClass, classes, "Accuracy per class"), Column: 2),
            new("Calibration", Calibration(metrics), Column: 2),
        ];
        if (context.Data is ImageDataset images && Attention(context, images, metrics) is { Count: > 0 } rows)
            sections.Add(new("Attention", AttentionRows(rows)));
        if (metrics.Mistakes.Count > 0)
            sections.Add(new("Most confident mistakes", Mistakes(metrics, classes, show)));
        return sections;
    }

    private static string Confusion(ClassificationMetrics metrics, IReadOnlyList<string> classes, string noun) =>
        $"""
            <p>Rows are the true classes, columns the predictions.</p>
            {ConfusionChart.ToSvg(metrics.Confusion, classes)}
            <h3>Most frequent confusions</h3>
            <table>
            <tr><th>true</th><th>taken for</th><th class="number">{noun}</th><th class="number">of the class</th></tr>
            {ConfusionChart.WorstPairs(metrics.Confusion, classes, MostPairs)}
            </table>
            """;

    private static string Calibration(ClassificationMetrics metrics) =>
        $"""
            <p>Expected calibration error {Html.Percent(metrics.Ece)}, largest gap of a bin {Html.Percent(metrics.Mce)}. On the diagonal,
            confidence equals accuracy; the shaded part is the gap.</p>
            {CalibrationChart.ToSvg(metrics.Calibration)}
            """;

    // One image of each class in turn, the first that comes, after some that the model was wrong about.
    private static IReadOnlyList<AttentionRow> Attention(ReportContext context, ImageDataset data, ClassificationMetrics metrics)
    {
        var training = context.Model.Training;
        context.Model.Eval();
        try
        {
            var labels = ClassLabels.Of(data).Labels;
            var wrong = metrics.Mistakes.Select(mistake => mistake.Index).Take(Images / 4);
            var unreadable = metrics.Unreadable.Select(image => image.Index).ToHashSet();
            var first = labels
                .Index()
                .Where(sample => !unreadable.Contains(sample.Index))
                .DistinctBy(sample => sample.Item)
                .Select(sample => sample.Index);
            return
            [
                .. wrong
                    .Concat(first)
                    .Distinct()
                    .Take(Images)
                    .Select(index => Row(context, data, index, context.Facts.Classes[labels[index]]))
                    .OfType<AttentionRow>(),
            ];
        }
        finally
        {
            context.Model.Train(training);
        }
    }

    private static AttentionRow? Row(ReportContext context, ImageDataset data, int index, string label)
    {
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        var image = SamplePictures.Prepare(data, index, context.Pipeline).To(ModuleDevice.Of(context.Model));
        var maps = AttentionPictures.Of((Backbone)context.Model, image);
        if (maps.Count == 0)
            return null;
        var (_, channels, height, width) = image.Shape;
        var pixels = Explanation.Pixels(image, ((ImageFacts)context.Facts).Normalization);
        string Draw(HeatMap? map) => Png.DataUri(Overlay.Draw(pixels, (int)height, (int)width, (int)channels, map));
        var predicted = (int)context.Model.Call(image).Argmax(1).ToInt64();
        return new(label, context.Facts.Classes[predicted], [("image", Draw(null)), .. maps.Select(map => (map.Name, Draw(map)))]);
    }

    // An image with its attention maps.
    private sealed record AttentionRow(string Label, string Predicted, IReadOnlyList<(string Name, string Image)> Pictures);

    private static string AttentionRows(IReadOnlyList<AttentionRow> rows) =>
        $"""
            <p>Attention of the tokens that the classifier reads, averaged over the heads; roll-out multiplies all blocks (Abnar and
            Zuidema, 2020). The model looks at the bright places.</p>
            <div class="attention">{string.Concat(rows.Select(AttentionFigure))}</div>
            """;

    private static string AttentionFigure(AttentionRow row) =>
        $"""
            <figure class="row" style="grid-template-columns:repeat({row.Pictures.Count},minmax(0,1fr))">
            {string.Concat(row.Pictures.Select(AttentionPicture))}
            <figcaption>{Outcome(row.Label, row.Predicted)}</figcaption>
            </figure>
            """;

    private static string AttentionPicture((string Name, string Image) picture) =>
        $"""<div><img alt="{Html.Encode(picture.Name)}" src="{picture.Image}"><small>{Html.Encode(picture.Name)}</small></div>""";

    private static string Outcome(string label, string predicted) =>
        label == predicted
            ? $"""<b class="good">{Html.Encode(label)}</b>"""
            : $"""{Html.Encode(label)}, taken for <b class="bad">{Html.Encode(predicted)}</b>""";

    private static string Mistakes(ClassificationMetrics metrics, IReadOnlyList<string> classes, Func<Mistake, Shown> show) =>
        $"""
            <div class="gallery">
            {Svg.Lines(metrics.Mistakes, mistake => MistakeFigure(mistake, classes, show(mistake)))}
            </div>
            """;

    private static string MistakeFigure(Mistake mistake, IReadOnlyList<string> classes, Shown shown)
    {
        var name = Html.Encode(shown.Name);
        var sample = shown.Image is null ? $"<blockquote>{name}</blockquote>" : $"""<img alt="sample {name}" src="{shown.Image}">""";
        var below = shown.Image is null ? "" : $"<br><small>{name}</small>";
        var predicted = Html.Encode(classes[mistake.Predicted]);
        return $"""
            <figure>{sample}<figcaption><b class="bad">{predicted}</b> {Html.Percent(mistake.Confidence, 1)}<br>
            <span>is {Html.Encode(classes[mistake.Label])}</span>{below}</figcaption></figure>
            """;
    }
}
