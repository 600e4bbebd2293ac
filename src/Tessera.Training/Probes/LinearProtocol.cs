namespace Tessera.Training.Probes;

/// <summary>How a linear classifier on frozen features is found.</summary>
public enum LinearSolver
{
    /// <summary>Adam, whose decay is added to the gradient.</summary>
    Adam,

    /// <summary>Stochastic gradient descent with momentum 0.9.</summary>
    Sgd,

    /// <summary>L-BFGS on all samples at once, to the minimum of the regularised cross entropy.</summary>
    Lbfgs,
}

/// <summary>How the learning rate of a probe falls.</summary>
public enum LinearDecline
{
    /// <summary>By the same factor each epoch, from the learning rate to <see cref="LinearProtocol.Last"/>.</summary>
    Exponential,

    /// <summary>Along a cosine, step by step, to 0.</summary>
    Cosine,

    /// <summary>To a tenth after three and after four fifths of the epochs.</summary>
    Steps,
}

/// <summary>
/// A published protocol of a linear probe, on cached features without augmentation: one pass of the backbone over the training samples,
/// then a linear classifier that begins with zeros (MoCo's: with small random weights) and learns from shuffled batches, without the last
/// incomplete one.
/// </summary>
/// <param name="Name">By which it is chosen.</param>
/// <param name="Solver">How weights change.</param>
/// <param name="LearningRate">At the beginning, above 0.</param>
/// <param name="Epochs">Passes over the features; for L-BFGS its iterations at most. At least 1.</param>
/// <param name="Batch">Samples of a step at most, at least 1; L-BFGS takes all.</param>
public sealed record LinearProtocol(string Name, LinearSolver Solver, double LearningRate, int Epochs, int Batch)
{
    /// <summary>
    /// Weight decay, at least 0: half its square of the weights' length is added to the loss. Null for L-BFGS stands for 1 over the number
    /// of samples.
    /// </summary>
    public double? Decay { get; init; } = 0;

    /// <summary>How the learning rate falls.</summary>
    public LinearDecline Decline { get; init; } = LinearDecline.Cosine;

    /// <summary>Learning rate at the end of an exponential decline.</summary>
    public double Last { get; init; } = 1e-6;

    /// <summary>Whether momentum looks ahead.</summary>
    public bool Nesterov { get; init; }

    /// <summary>Deviation of the initial weights; 0 for zeros.</summary>
    public double InitialDeviation { get; init; }

    /// <summary>Whether each dimension of the features is brought to mean 0 and deviation 1, by those of the training samples.</summary>
    public bool Standardize { get; init; }

    /// <summary>The default: Adam on cached features, as in htdt/self-supervised.</summary>
    public static LinearProtocol Cached { get; } =
        new("adam", LinearSolver.Adam, 1e-2, 500, 1000) { Decay = 5e-6, Decline = LinearDecline.Exponential };

    /// <summary>All protocols.</summary>
    public static IReadOnlyList<LinearProtocol> All { get; } =
    [
        Cached,
        // 0.1 and 0.2 of 256 samples, as google-research/simclr and deepmind-research/byol have them; MoCo's 30 is for 256 samples.
        new("simclr", LinearSolver.Sgd, 0.1 * 512 / 256, 100, 512) { Nesterov = true },
        new("byol", LinearSolver.Sgd, 0.2 * 1024 / 256, 80, 1024) { Nesterov = true },
        new("moco", LinearSolver.Sgd, 30, 100, 256) { Decline = LinearDecline.Steps, InitialDeviation = 0.01 },
        new("lbfgs", LinearSolver.Lbfgs, 1, 1000, int.MaxValue) { Decay = null },
    ];

    /// <summary>The learning rate of a step.</summary>
    /// <param name="step">From 0, over all epochs.</param>
    /// <param name="stepsPerEpoch">At least 1.</param>
    internal double RateAt(long step, long stepsPerEpoch)
    {
        var epoch = step / stepsPerEpoch;
        return Decline switch
        {
            LinearDecline.Exponential => LearningRate * Math.Pow(Last / LearningRate, epoch / (double)Epochs),
            LinearDecline.Cosine => LearningRate * 0.5 * (1 + Math.Cos(Math.PI * step / (Epochs * (double)stepsPerEpoch))),
            _ => LearningRate
                * (
                    epoch >= 0.8 * Epochs ? 0.01
                    : epoch >= 0.6 * Epochs ? 0.1
                    : 1
                ),
        };
    }
}
