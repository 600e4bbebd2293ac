using System.Globalization;
using System.Text.Json.Serialization;

namespace Tessera.Training.Tasks.Detection;

/// <summary>Results of a detector over a whole set, as Pascal VOC measures. Shares are fractions; what is not defined is -1.</summary>
/// <param name="Count">Number of images, those without any object included.</param>
/// <param name="Scores">Precision of the classes.</param>
public sealed record VocMetrics(int Count, [property: JsonIgnore] VocScores Scores) : Metrics(Count)
{
    /// <inheritdoc/>
    public override string Primary => "map";

    /// <inheritdoc/>
    public override IReadOnlyDictionary<string, double> Scalars => new OrderedDictionary<string, double> { ["map"] = Scores.Map };

    /// <inheritdoc/>
    public override IReadOnlyList<MetricRow> Rows => Scores.Map < 0 ? [] : [new("mAP", Scores.Map, MetricFormat.Share)];

    /// <inheritdoc/>
    public override IReadOnlyList<MetricRow> Headline => Rows;

    /// <inheritdoc/>
    public override IReadOnlyList<MetricTable> Tables(IReadOnlyList<string> classes) =>
        [
            new(
                "per class",
                [("class", false), ("objects", true), ("found", true), ("false alarms", true), ("AP", true)],
                [
                    .. classes.Zip(Scores.PerClass, (name, own) =>
                        (IReadOnlyList<string>)[name, Number(own.Objects), Number(own.Found), Number(own.Wrong), Percent(own.Ap)]
                    ),
                ]
            ),
        ];

    /// <inheritdoc/>
    public override object ToJson(IReadOnlyList<string> classes) =>
        new
        {
            Count,
            Scores.Map,
            Overlap = Scores.Threshold,
            PerClass = classes
                .Zip(Scores.PerClass)
                .ToDictionary(
                    pair => pair.First,
                    pair => new
                    {
                        pair.Second.Objects,
                        pair.Second.Found,
                        pair.Second.Wrong,
                        pair.Second.Ap,
                    }
                ),
        };

    private static string Number(long value) => value.ToString("N0", CultureInfo.InvariantCulture);

    private static string Percent(double share) => share < 0 ? "-" : string.Create(CultureInfo.InvariantCulture, $"{100 * share:0.00} %");
}
