using System.Globalization;

namespace Tessera.Training.Generation;

/// <summary>How generated images compare with real ones. All figures are NaN where generated images are not finite.</summary>
/// <param name="Count">Generated images.</param>
/// <param name="Real">Real images.</param>
/// <param name="Embedding">What they are compared by.</param>
/// <param name="Distance">Distance of the Gaussian fits (<see cref="FrechetDistance"/>); the primary score.</param>
/// <param name="Kernel">Kernel distance (<see cref="KernelDistance"/>) over subsets of the features that were held.</param>
/// <param name="Overlap">Precision, recall, density and coverage of the features that were held.</param>
/// <param name="HeldReal">Features of real images that were held.</param>
/// <param name="HeldGenerated">Features of generated images that were held.</param>
public sealed record GenerationMetrics(
    int Count,
    int Real,
    EmbeddingFacts Embedding,
    double Distance,
    ScoreWithDeviation Kernel,
    ManifoldOverlap Overlap,
    int HeldReal,
    int HeldGenerated
) : Metrics(Count)
{
    private const string DistanceField = "distance",
        PredictionsField = "class_score",
        KernelField = "kernel_distance";

    private static readonly ManifoldOverlap unknown = new(double.NaN, double.NaN, double.NaN, double.NaN);

    /// <summary>Score of the predictions for generated images (<see cref="ClassScore"/>); null where the embedding has none.</summary>
    public ScoreWithDeviation? Predictions { get; init; }

    /// <summary>Whether there are fewer images than dimensions: the distance is larger than that of more images.</summary>
    public bool IsOfFew => Math.Min(Count, Real) < Embedding.Dimension;

    /// <summary>The figures of two sets of images.</summary>
    /// <exception cref="InvalidOperationException">There are no images.</exception>
    /// <exception cref="RunException">There are fewer images than dimensions, and that is not allowed; or fewer than 2.</exception>
    internal static GenerationMetrics Of(ImageSet real, ImageSet generated, EmbeddingFacts embedding, GenerationEvaluationOptions options)
    {
        var (reals, count) = ((int)real.Statistics.Count, (int)generated.Statistics.Count);
        if (reals == 0)
            throw new InvalidOperationException("there are no samples to measure");
        if (Math.Min(reals, count) < 2)
            throw new RunException($"{reals} real and {count} generated images cannot be compared: there must be at least 2 of each");
        if (Math.Min(reals, count) < embedding.Dimension && !options.AllowFew)
            throw new RunException(
                $"{reals} real and {count} generated images are fewer than the {embedding.Dimension} dimensions of {embedding.Id}, and "
                    + $"{embedding.DistanceName} of so few is too large: measure at least {embedding.Dimension} of each, or allow fewer "
                    + "(allow_few: true, --allow-few)"
            );
        using var scope = new Scope();
        var isFinite = generated.Statistics.IsFinite && real.Statistics.IsFinite;
        var (one, two) = (real.HeldFeatures(), generated.HeldFeatures());
        return new(
            count,
            reals,
            embedding,
            isFinite ? FrechetDistance.Between(real.Statistics, generated.Statistics) : double.NaN,
            isFinite
                ? KernelDistance.OverSubsets(one, two, options.Subsets, options.SubsetSize, options.Seed)
                : new(double.NaN, double.NaN),
            isFinite ? Manifolds.Overlap(one, two, options.Neighbors, options.CoverageNeighbors) : unknown,
            real.Held,
            generated.Held
        )
        {
            Predictions = generated.Predictions?.Measure(),
        };
    }

    private sealed record Figure(string Title, string Field, double Value, MetricFormat Format, string Images);

    private IEnumerable<Figure> All
    {
        get
        {
            var (all, held) = (Counts(Count, Real), Counts(HeldGenerated, HeldReal));
            yield return new(Embedding.DistanceName, DistanceField, Distance, MetricFormat.Number, all);
            if (Predictions is { } score)
            {
                var own = Number(Count);
                yield return new(Embedding.ScoreName, PredictionsField, score.Mean, MetricFormat.Number, own);
                yield return new(
                    $"{Embedding.ScoreName} deviation",
                    $"{PredictionsField}_deviation",
                    score.Deviation,
                    MetricFormat.Number,
                    own
                );
            }
            yield return new(Embedding.KernelName, KernelField, Kernel.Mean, MetricFormat.Number, held);
            // Of whole sets, which were compared once, there is none.
            if (Kernel.Deviation is not 0)
                yield return new(
                    $"{Embedding.KernelName} deviation",
                    $"{KernelField}_deviation",
                    Kernel.Deviation,
                    MetricFormat.Number,
                    held
                );
            yield return new("precision", "precision", Overlap.Precision, MetricFormat.Share, held);
            yield return new("recall", "recall", Overlap.Recall, MetricFormat.Share, held);
            yield return new("density", "density", Overlap.Density, MetricFormat.Number, held);
            yield return new("coverage", "coverage", Overlap.Coverage, MetricFormat.Share, held);
        }
    }

    private static string Counts(int generated, int real) =>
        generated == real ? Number(generated) : $"{Number(generated)} to {Number(real)}";

    private static string Number(int count) => count.ToString(CultureInfo.InvariantCulture);

    /// <inheritdoc/>
    public override string Primary => DistanceField;

    /// <inheritdoc/>
    public override MetricFormat PrimaryFormat => MetricFormat.Number;

    /// <inheritdoc/>
    public override bool HigherIsBetter => false;

    /// <inheritdoc/>
    public override IReadOnlyDictionary<string, double> Scalars =>
        new OrderedDictionary<string, double>(All.Select(figure => KeyValuePair.Create(figure.Field, figure.Value)));

    /// <inheritdoc/>
    public override IReadOnlyList<MetricRow> Rows => [.. All.Select(Row)];

    /// <inheritdoc/>
    public override IReadOnlyList<MetricRow> Headline =>
        [.. All.Where(figure => figure.Field is DistanceField or PredictionsField).Select(Row)];

    /// <inheritdoc/>
    public override IReadOnlyList<MetricCurve> Curves =>
        [
            .. All.Where(figure => !figure.Field.EndsWith("_deviation", StringComparison.Ordinal))
                .Select(figure => new MetricCurve(
                    char.IsLower(figure.Title[0]) ? $"{char.ToUpperInvariant(figure.Title[0])}{figure.Title[1..]}" : figure.Title,
                    figure.Field,
                    figure.Format
                )),
        ];

    /// <inheritdoc/>
    public override IReadOnlyList<MetricTable> Tables(IReadOnlyList<string> classes) =>
        [
            new(
                "Embedding",
                [("", false), ("", false)],
                [
                    ["name", Embedding.Id],
                    ["sha256", Embedding.Hash],
                    ["dimensions", Number(Embedding.Dimension)],
                    .. Embedding.Accuracy is { } share
                        ?
                        [
                            ["right on its test images", string.Create(CultureInfo.InvariantCulture, $"{100 * share:0.00} %")],
                        ]
                        : (IReadOnlyList<string>[])[],
                    ["real images", Number(Real)],
                    ["generated images", Number(Count)],
                    ["of them held", Counts(HeldGenerated, HeldReal)],
                    .. IsOfFew
                        ?
                        [
                            ["note", "fewer images than dimensions: the distance is too large"],
                        ]
                        : (IReadOnlyList<string>[])[],
                ]
            ),
        ];

    /// <inheritdoc/>
    public override object ToJson(IReadOnlyList<string> classes) =>
        new
        {
            Embedding.DistanceName,
            Distance,
            Embedding.ScoreName,
            Predictions,
            Embedding.KernelName,
            Kernel,
            Overlap,
            Embedding = new
            {
                Embedding.Id,
                Sha256 = Embedding.Hash,
                Embedding.Dimension,
                Embedding.Accuracy,
            },
            Generated = Count,
            Real,
            HeldGenerated,
            HeldReal,
            FewerThanDimensions = IsOfFew,
        };

    // Figures are nothing without the number of images and the embedding.
    private MetricRow Row(Figure figure) => new($"{figure.Title} (n {figure.Images}, {Embedding.ShortHash})", figure.Value, figure.Format);
}
