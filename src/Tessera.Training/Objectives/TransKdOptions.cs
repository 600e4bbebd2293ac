using System.ComponentModel.DataAnnotations;
using Tessera.Training.Losses;

namespace Tessera.Training.Objectives;

/// <summary>What the student's patch embeddings go through before they are compared with the teacher's.</summary>
public enum TransKdKind
{
    /// <summary>A linear map each.</summary>
    Base,

    /// <summary>Those of the last stage also through a mixer of global and local parts (GL-Mixer).</summary>
    Gl,

    /// <summary>Embeddings of the teacher's widths are computed beside the student's and added to them (embedding assistant).</summary>
    Ea,
}

/// <summary>Settings of TransKD.</summary>
/// <param name="Kind">base, gl or ea.</param>
/// <param name="Middle">Channels inside of the fusion of features.</param>
/// <param name="Reduced">Channels that its shares are computed from; null for a sixteenth of the middle, at least 32.</param>
/// <param name="Feature">How the fused features are compared with the teacher's.</param>
/// <param name="FeatureWeight">Weight of that loss, at least 0.</param>
/// <param name="EmbeddingWeights">Weight of the loss of each stage's embeddings; null for 0.1, 0.1, 0.5, 1.</param>
/// <param name="Temperature">Of feature losses between distributions, above 0.</param>
/// <param name="MixerHeads">Heads of the global part of the mixer; they divide the width of the student's last stage.</param>
public sealed record TransKdOptions(
    TransKdKind Kind = TransKdKind.Base,
    [Range(1, 4096)] int Middle = 64,
    int? Reduced = null,
    FeatureLoss Feature = FeatureLoss.Pyramid,
    [Range(0, 1e6)] double FeatureWeight = 1,
    IReadOnlyList<double>? EmbeddingWeights = null,
    [Range(1e-6, 1e6)] double Temperature = 1,
    [Range(1, 1024)] int MixerHeads = 8
)
{
    private const int Stages = 4;

    private static readonly double[] embeddingWeights = [0.1, 0.1, 0.5, 1];

    /// <summary>Weight of the loss of each stage's embeddings; null for 0.1, 0.1, 0.5, 1.</summary>
    public IReadOnlyList<double>? EmbeddingWeights
    {
        get;
        init => field = Checked(value);
    } = Checked(EmbeddingWeights);

    private static IReadOnlyList<double>? Checked(IReadOnlyList<double>? weights) =>
        weights switch
        {
            null or [] => null,
            { Count: not Stages } => throw new ArgumentException(
                $"{weights.Count} weights of embeddings were given: there must be {Stages}, one for each stage"
            ),
            _ when weights.Any(weight => weight < 0) => throw new ArgumentException("weights of embeddings must be at least 0"),
            _ => weights,
        };

    internal IReadOnlyList<double> Weights => EmbeddingWeights ?? embeddingWeights;

    internal int ReducedWidth => Reduced ?? Math.Max(Middle / 16, 32);
}
