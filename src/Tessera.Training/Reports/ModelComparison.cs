namespace Tessera.Training.Reports;

/// <summary>A model under the configuration of a comparison.</summary>
/// <param name="Model">Its name.</param>
/// <param name="Architecture">The class that it is a size of.</param>
/// <param name="Form"><c>plain</c>: one resolution throughout; <c>pyramid</c>: several.</param>
/// <param name="ImageSize">Height and width that it was measured at.</param>
internal sealed record ModelRow(string Model, string Architecture, string Form, IReadOnlyList<int> ImageSize)
{
    /// <summary>Numbers that are learned.</summary>
    public long? Parameters { get; init; }

    /// <summary>Multiply-accumulates of one image, products of attention included, norms and activations not.</summary>
    public long? Macs { get; init; }

    /// <summary>Those of products of activations with each other.</summary>
    public long? AttentionMacs { get; init; }

    /// <summary>Elements that convolutions and products put out for one image.</summary>
    public long? Activations { get; init; }

    /// <summary>Images a second of predictions for one image at a time.</summary>
    public double? ImagesPerSecondSingle { get; init; }

    /// <summary>Images a second at the comparison's batch.</summary>
    public double? ImagesPerSecond { get; init; }

    /// <summary>Bytes that weights and prediction at the comparison's batch add to a process of their own.</summary>
    public long? PeakMemory { get; init; }

    /// <summary>Published accuracy, a fraction.</summary>
    public double? PublishedTop1 { get; init; }

    /// <summary>What the published accuracy was measured on.</summary>
    public string? PublishedOn { get; init; }

    /// <summary>How the published accuracy was trained for, where that is known.</summary>
    public string? PublishedSetting { get; init; }

    /// <summary>Accuracy after the last epoch under the comparison's recipe, a fraction.</summary>
    public double? Score { get; init; }

    /// <summary>Highest accuracy of an epoch under the comparison's recipe.</summary>
    public double? BestScore { get; init; }

    /// <summary>Name of that score: top1, miou.</summary>
    public string? ScoreName { get; init; }

    /// <summary>Figures beside that score, by name: of a detector those by overlap, by size and of masks.</summary>
    public IReadOnlyDictionary<string, double>? Further { get; init; }

    /// <summary>Numbers that the model with the recipe's head learns; null without a head.</summary>
    public long? WholeParameters { get; init; }

    /// <summary>Multiply-accumulates of the model with the recipe's head, of a detector up to its maps; null without a head.</summary>
    public long? WholeMacs { get; init; }

    /// <summary>Seconds of training, without evaluations.</summary>
    public double? TrainSeconds { get; init; }

    /// <summary>Loss of training at its end.</summary>
    public double? TrainLoss { get; init; }

    /// <summary>Where the row is not as the others: what could not be measured and why.</summary>
    public string? Deviation { get; init; }
}

/// <summary>A model at one resolution.</summary>
/// <param name="Model">Its name.</param>
/// <param name="ImageSize">Height and width.</param>
internal sealed record ResolutionRow(string Model, IReadOnlyList<int> ImageSize)
{
    /// <summary>Numbers that are learned.</summary>
    public long? Parameters { get; init; }

    /// <summary>Multiply-accumulates of one image, products of attention included.</summary>
    public long? Macs { get; init; }

    /// <summary>Elements that convolutions and products put out for one image.</summary>
    public long? Activations { get; init; }

    /// <summary>Pixels that reach the middle of the last map, by gradients.</summary>
    public long? ReceptivePixels { get; init; }

    /// <summary>Height and width of the box around them.</summary>
    public IReadOnlyList<int>? ReceptiveBox { get; init; }

    /// <summary>Their share of the image.</summary>
    public double? ReceptiveShare { get; init; }

    /// <summary>Why there are no figures.</summary>
    public string? Deviation { get; init; }
}

/// <summary>Models side by side under one configuration.</summary>
/// <param name="Configuration">What holds for all: name and value.</param>
/// <param name="Rows">A model each; none when resolutions are compared.</param>
/// <param name="Resolutions">A model at a resolution each.</param>
internal sealed record ModelComparison(
    IReadOnlyList<(string Name, string Value)> Configuration,
    IReadOnlyList<ModelRow> Rows,
    IReadOnlyList<ResolutionRow> Resolutions
);

/// <summary>What the rows of a comparison have in common.</summary>
internal static class ModelRows
{
    /// <summary>Names of the figures beside the score that some row has.</summary>
    internal static string[] FurtherNames(this IEnumerable<ModelRow> rows) =>
        [.. rows.SelectMany(row => row.Further?.Keys ?? Enumerable.Empty<string>()).Distinct()];

    /// <summary>A figure beside the score; null where the row has none, or it is undefined.</summary>
    internal static double? FurtherOf(this ModelRow row, string name) =>
        row.Further is { } all && all.TryGetValue(name, out var value) && value >= 0 ? value : null;

    /// <summary>What people call the score of the rows: top-1, mIoU.</summary>
    internal static string ScoreTitle(this IEnumerable<ModelRow> rows) =>
        rows.FirstOrDefault(row => row.ScoreName is not null)?.ScoreName switch
        {
            "top1" or null => "top-1",
            "miou" => "mIoU",
            "map" => "mAP",
            "ap" => "AP",
            var name => name,
        };
}
