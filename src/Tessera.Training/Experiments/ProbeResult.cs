namespace Tessera.Training.Experiments;

/// <summary>How good frozen features are; shares are of the samples that they were measured on.</summary>
/// <param name="Count">Samples that were measured.</param>
/// <param name="TrainingCount">Training samples.</param>
/// <param name="Width">Channels of a feature.</param>
/// <param name="EffectiveRank">Dimensions that the features of the training samples use.</param>
public sealed record ProbeResult(int Count, int TrainingCount, int Width, double EffectiveRank) : Metrics(Count)
{
    private const string Rank = "effective_rank";

    /// <summary>Weighted nearest neighbours; null where they were not measured.</summary>
    public KnnResult? WeightedKnn { get; init; }

    /// <summary>Plain nearest neighbours.</summary>
    public KnnResult? PlainKnn { get; init; }

    /// <summary>A linear classifier.</summary>
    public LinearResult? Linear { get; init; }

    /// <summary>Linear classifiers on a few samples of every class.</summary>
    public IReadOnlyList<FewShotResult> FewShot { get; init; } = [];

    /// <summary>The whole network with a new classifier.</summary>
    public FineTuningResult? FineTuning { get; init; }

    private IEnumerable<(string Title, string Name, double Value)> Shares
    {
        get
        {
            if (WeightedKnn is { } weighted)
                yield return ($"kNN top-1 ({weighted.Neighbors} weighted)", "knn_top1", weighted.Top1);
            if (PlainKnn is { } plain)
                yield return ($"kNN top-1 ({plain.Neighbors} plain)", "knn_plain_top1", plain.Top1);
            if (Linear is { } linear)
                yield return ($"linear top-1 ({linear.Protocol})", "linear_top1", linear.Top1);
            foreach (var few in FewShot)
            {
                yield return ($"{few.Shots} per class, linear top-1", $"few_{few.Shots}_top1", few.Mean);
                yield return ($"{few.Shots} per class, deviation over {few.Top1.Count} draws", $"few_{few.Shots}_deviation", few.Deviation);
            }
            if (FineTuning is { } tuned)
                yield return ($"fine-tuned top-1 ({tuned.Epochs} epochs)", "fine_tuned_top1", tuned.Top1);
        }
    }

    /// <inheritdoc/>
    public override string Primary => Shares.Select(figure => figure.Name).FirstOrDefault() ?? Rank;

    /// <inheritdoc/>
    public override MetricFormat PrimaryFormat => Primary == Rank ? MetricFormat.Number : MetricFormat.Share;

    /// <inheritdoc/>
    public override IReadOnlyDictionary<string, double> Scalars =>
        new OrderedDictionary<string, double>([
            .. Shares.Select(figure => KeyValuePair.Create(figure.Name, figure.Value)),
            KeyValuePair.Create(Rank, EffectiveRank),
        ]);

    /// <inheritdoc/>
    public override IReadOnlyList<MetricRow> Rows =>
        [
            .. Shares.Select(figure => new MetricRow(figure.Title, figure.Value, MetricFormat.Share)),
            new($"effective rank, of {Width} dimensions", EffectiveRank, MetricFormat.Number),
            new("training samples", TrainingCount, MetricFormat.Count),
        ];

    /// <inheritdoc/>
    public override IReadOnlyList<MetricRow> Headline => Rows;

    /// <inheritdoc/>
    public override object ToJson(IReadOnlyList<string> classes) =>
        new
        {
            WeightedKnn,
            PlainKnn,
            Linear,
            FewShot,
            FineTuning,
            EffectiveRank,
            Width,
            TrainingCount,
            Count,
        };
}

/// <summary>Nearest neighbours.</summary>
/// <param name="Neighbors">How many were asked.</param>
/// <param name="Temperature">What similarities were divided by; null where each neighbour has one vote.</param>
/// <param name="Top1">Share of right answers.</param>
public sealed record KnnResult(int Neighbors, double? Temperature, double Top1);

/// <summary>A linear classifier.</summary>
/// <param name="Protocol">How it was found.</param>
/// <param name="Standardized">Whether features were brought to mean 0 and deviation 1.</param>
/// <param name="Top1">Share of right answers.</param>
/// <param name="TrainTop1">Share of right answers to the training samples.</param>
public sealed record LinearResult(string Protocol, bool Standardized, double Top1, double TrainTop1);

/// <summary>Linear classifiers on a few samples of every class.</summary>
/// <param name="Shots">Samples of every class.</param>
/// <param name="Top1">Share of right answers of each draw.</param>
public sealed record FewShotResult(int Shots, IReadOnlyList<double> Top1)
{
    /// <summary>Mean over the draws.</summary>
    public double Mean => Top1.Average();

    /// <summary>Standard deviation over the draws, by one less than their number.</summary>
    public double Deviation => Math.Sqrt(Top1.Sum(one => (one - Mean) * (one - Mean)) / (Top1.Count - 1));
}

/// <summary>The whole network with a new classifier.</summary>
/// <param name="Epochs">Of its training.</param>
/// <param name="Top1">Share of right answers at the end.</param>
public sealed record FineTuningResult(int Epochs, double Top1);
