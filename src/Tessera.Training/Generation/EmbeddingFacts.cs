using System.Globalization;

namespace Tessera.Training.Generation;

/// <summary>What is said of an embedding beside every figure that was measured by it: figures of two embeddings cannot be compared.</summary>
/// <param name="Id">Kind and name: <c>inception-fid</c>, <c>classifier:cct</c>, <c>random-conv:0</c>.</param>
/// <param name="Hash">SHA-256 of its weights, in lower-case hexadecimal.</param>
/// <param name="Dimension">Numbers of a feature.</param>
public sealed record EmbeddingFacts(string Id, string Hash, int Dimension)
{
    // Digits of the hash beside a figure; all of them stand in tables and JSON.
    private const int Shown = 12;

    /// <summary>The name of the network of the published figures, which alone are called FID, IS and KID.</summary>
    internal const string Inception = "inception-fid";

    /// <summary>The kind of classifiers of our own.</summary>
    internal const string Classifier = "classifier";

    /// <summary>Share of test samples that a classifier has right; null where there is none, or where that is not known.</summary>
    public double? Accuracy { get; init; }

    /// <summary>Whether figures may be called FID, IS and KID.</summary>
    public bool IsInception => Id == Inception;

    private string Tail => Id.StartsWith($"{Classifier}:", StringComparison.Ordinal) ? Id[(Classifier.Length + 1)..] : Id;

    /// <summary>How the distance of two Gaussian fits is called: <c>FID</c>, or <c>FD-cct</c>.</summary>
    public string DistanceName => IsInception ? "FID" : $"FD-{Tail}";

    /// <summary>How the score of predictions is called: <c>IS</c>, or <c>CS-cct</c>.</summary>
    public string ScoreName => IsInception ? "IS" : $"CS-{Tail}";

    /// <summary>How the kernel distance is called: <c>KID</c>, or <c>KD-cct</c>.</summary>
    public string KernelName => IsInception ? "KID" : $"KD-{Tail}";

    /// <summary>The beginning of the hash, which stands beside figures.</summary>
    public string ShortHash => Hash[..Math.Min(Shown, Hash.Length)];

    /// <summary>All of it in a line.</summary>
    public string Describe() =>
        string.Create(
            CultureInfo.InvariantCulture,
            $"{Id}, {Dimension} dimensions, sha256 {ShortHash}{(Accuracy is { } share ? $", {100 * share:0.00} % right" : "")}"
        );
}
