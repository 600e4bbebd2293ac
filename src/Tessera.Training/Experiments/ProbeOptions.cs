using Tessera.Training.Probes;

namespace Tessera.Training.Experiments;

/// <summary>A way to measure frozen features, or what they are worth as a beginning.</summary>
public enum ProbeKind
{
    /// <summary>Nearest neighbours among the training samples, weighted and plain.</summary>
    Knn,

    /// <summary>A linear classifier.</summary>
    Linear,

    /// <summary>A linear classifier on a few samples of every class.</summary>
    FewShot,

    /// <summary>A short training of the whole network with a new classifier.</summary>
    FineTune,
}

/// <summary>How features are probed.</summary>
public sealed record ProbeOptions
{
    private readonly int neighbors = 200,
        plainNeighbors = 5,
        draws = 3,
        epochs = 5;
    private readonly double temperature = 0.1;
    private readonly IReadOnlyList<int> shots = [1, 5, 10];

    /// <summary>What is measured.</summary>
    public IReadOnlyList<ProbeKind> Kinds { get; init; } = [ProbeKind.Knn, ProbeKind.Linear];

    /// <summary>Neighbours of weighted kNN, at least 1; at most all training samples count.</summary>
    public int Neighbors
    {
        get => neighbors;
        init => neighbors = AtLeast(value, 1, nameof(Neighbors));
    }

    /// <summary>What similarities are divided by in weighted kNN, above 0.</summary>
    public double Temperature
    {
        get => temperature;
        init =>
            temperature =
                value > 0 && double.IsFinite(value)
                    ? value
                    : throw new ArgumentOutOfRangeException(nameof(Temperature), "the temperature must be above 0");
    }

    /// <summary>Neighbours of plain kNN, at least 1.</summary>
    public int PlainNeighbors
    {
        get => plainNeighbors;
        init => plainNeighbors = AtLeast(value, 1, nameof(PlainNeighbors));
    }

    /// <summary>How linear classifiers are found, also those on a few samples.</summary>
    public LinearProtocol Linear { get; init; } = LinearProtocol.Cached;

    /// <summary>Samples of every class, each at least 1.</summary>
    public IReadOnlyList<int> Shots
    {
        get => shots;
        init
        {
            foreach (var count in value)
                AtLeast(count, 1, nameof(Shots));
            shots = value;
        }
    }

    /// <summary>How often samples are drawn, at least 3.</summary>
    public int Draws
    {
        get => draws;
        init => draws = AtLeast(value, 3, nameof(Draws));
    }

    /// <summary>Epochs of fine-tuning, at least 1.</summary>
    public int FineTuningEpochs
    {
        get => epochs;
        init => epochs = AtLeast(value, 1, nameof(FineTuningEpochs));
    }

    /// <summary>Seed of orders, draws, initial weights and fine-tuning.</summary>
    public ulong Seed { get; init; }

    private static int AtLeast(int value, int least, string name) =>
        value >= least ? value : throw new ArgumentOutOfRangeException(name, $"{name} must be at least {least}, not {value}");
}
