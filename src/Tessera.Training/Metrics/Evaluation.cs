using Tessera.Data;

namespace Tessera.Training;

/// <summary>What a model did on labelled samples. Shares are fractions, not percents.</summary>
/// <param name="Count">Number of samples.</param>
/// <param name="Loss">Mean cross-entropy (negative log-likelihood).</param>
/// <param name="Top1">Share of samples of which the label has the largest logit.</param>
/// <param name="Top5">Share of samples of which the label is among the five largest.</param>
/// <param name="PerClass">Recall of each class; null for a class without samples.</param>
/// <param name="MeanPerClass">Mean recall of the classes that occur.</param>
/// <param name="Ece">Expected calibration error (Guo et al., 2017, arXiv:1706.04599).</param>
/// <param name="Mce">Largest gap of a calibration bin.</param>
/// <param name="Brier">Mean squared distance of the probabilities to the one-hot label.</param>
public sealed record Evaluation(
    int Count,
    double Loss,
    double Top1,
    double Top5,
    IReadOnlyList<double?> PerClass,
    double MeanPerClass,
    double Ece,
    double Mce,
    double Brier
)
{
    /// <summary>Number of samples by true (rows) and predicted class.</summary>
    public required IReadOnlyList<IReadOnlyList<int>> Confusion { get; init; }

    /// <summary>The bins of the calibration error, from low to high confidence.</summary>
    public required IReadOnlyList<CalibrationBin> Calibration { get; init; }

    /// <summary>The samples that the model was wrong about with the most confidence, the surest first.</summary>
    public required IReadOnlyList<Mistake> Mistakes { get; init; }

    /// <summary>Images that could not be read; they are left out of all figures.</summary>
    public IReadOnlyList<UnreadableImage> Unreadable { get; init; } = [];
}

/// <summary>Samples of which the confidence lies in (Low, High].</summary>
/// <param name="Low">Lower edge, excluded.</param>
/// <param name="High">Upper edge, included.</param>
/// <param name="Count">Number of samples.</param>
/// <param name="Confidence">Their mean confidence.</param>
/// <param name="Accuracy">Share of them that was right.</param>
public sealed record CalibrationBin(double Low, double High, int Count, double Confidence, double Accuracy);

/// <summary>A sample that was classified wrongly.</summary>
/// <param name="Index">Its position in the data set.</param>
/// <param name="Label">Its class.</param>
/// <param name="Predicted">The class it was taken for.</param>
/// <param name="Confidence">Probability of that class.</param>
public sealed record Mistake(int Index, int Label, int Predicted, double Confidence);
