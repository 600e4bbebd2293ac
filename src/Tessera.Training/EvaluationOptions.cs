using System.ComponentModel.DataAnnotations;
using Tessera.Data.Transforms;

namespace Tessera.Training;

/// <summary>How a model is measured.</summary>
/// <param name="Every">Epochs between two evaluations; the last epoch is always evaluated. 0: only the last.</param>
/// <param name="Split">Split of the data set; by default test, or validation where there is no test split.</param>
/// <param name="Batch">Batch size; by default no larger than in training, so that evaluation does not set the memory peak.</param>
/// <param name="Transforms">
/// Transforms of the images; by default the resize and centre crop of the model's published figures, unless the images already have the
/// model's size.
/// </param>
/// <param name="Bank">
/// Training samples, spread evenly, whose features a pre-training keeps in memory to look for neighbours among: at most this number, of
/// 4 D bytes each; 0 leaves kNN out.
/// </param>
/// <param name="Neighbors">Neighbours that are asked for a class; at most the whole bank.</param>
/// <param name="Temperature">What similarities to neighbours are divided by: a neighbour counts exp(similarity / temperature).</param>
public sealed record EvaluationOptions(
    [Range(0, 1_000_000)] int Every = 1,
    string? Split = null,
    [Range(1, 1 << 20)] int Batch = 128,
    IReadOnlyList<Transform>? Transforms = null,
    [Range(0, 10_000_000)] int Bank = EvaluationOptions.DefaultBank,
    [Range(1, 1_000_000)] int Neighbors = EvaluationOptions.DefaultNeighbors,
    [Range(0.001, 100)] double Temperature = EvaluationOptions.DefaultTemperature
)
{
    internal const int DefaultBank = 5000;

    // The bank is a part of the training samples: as many neighbours as for a whole one (200) would be most of a class.
    internal const int DefaultNeighbors = 20;

    internal const double DefaultTemperature = 0.07;
}
