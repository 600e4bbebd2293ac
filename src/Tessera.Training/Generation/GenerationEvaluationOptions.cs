namespace Tessera.Training.Generation;

/// <summary>How generated images are compared with real ones.</summary>
public sealed record GenerationEvaluationOptions
{
    private readonly int perImage = 1,
        splits = 10,
        held = 5000,
        subsets = 100,
        subsetSize = 1000,
        neighbors = 3,
        coverageNeighbors = 5;

    /// <summary>Generated images for every real one, at least 1.</summary>
    public int PerImage
    {
        get => perImage;
        init => perImage = AtLeast(value, 1, nameof(PerImage));
    }

    /// <summary>Parts of the generated images whose scores of predictions are averaged, at least 1; papers have 10 of 50,000.</summary>
    public int Splits
    {
        get => splits;
        init => splits = AtLeast(value, 1, nameof(Splits));
    }

    /// <summary>
    /// Features of real and of generated images, each, that are held in memory at most, at least 2: the kernel distance and precision,
    /// recall, density and coverage are of these, drawn evenly from all. Mean and covariance are of all images and hold none.
    /// </summary>
    public int Held
    {
        get => held;
        init => held = AtLeast(value, 2, nameof(Held));
    }

    /// <summary>Subsets that the kernel distance is averaged over, at least 1.</summary>
    public int Subsets
    {
        get => subsets;
        init => subsets = AtLeast(value, 1, nameof(Subsets));
    }

    /// <summary>Features of a subset, at least 2; at most all that are held.</summary>
    public int SubsetSize
    {
        get => subsetSize;
        init => subsetSize = AtLeast(value, 2, nameof(SubsetSize));
    }

    /// <summary>Neighbours whose distance is the radius of a feature for precision and recall, at least 1; the paper has 3.</summary>
    public int Neighbors
    {
        get => neighbors;
        init => neighbors = AtLeast(value, 1, nameof(Neighbors));
    }

    /// <summary>The same for density and coverage; the paper has 5.</summary>
    public int CoverageNeighbors
    {
        get => coverageNeighbors;
        init => coverageNeighbors = AtLeast(value, 1, nameof(CoverageNeighbors));
    }

    /// <summary>
    /// Whether fewer images than the features have dimensions are measured all the same. Their covariance is singular, and the distance
    /// is larger than that of more images. Otherwise a measurement of so few fails.
    /// </summary>
    public bool AllowFew { get; init; }

    /// <summary>
    /// Whether images are rounded to 8 bits, as they are in files: published figures are of files.
    /// </summary>
    public bool Quantize { get; init; } = true;

    /// <summary>Seed of what a measurement draws: which features are held, subsets.</summary>
    public ulong Seed { get; init; }

    /// <summary>Features of real images that are known from earlier measurements; null for none.</summary>
    public FeatureCache? Cache { get; init; }

    private static int AtLeast(int value, int least, string name) =>
        value >= least ? value : throw new ArgumentOutOfRangeException(name, $"{name} must be at least {least}, not {value}");
}
