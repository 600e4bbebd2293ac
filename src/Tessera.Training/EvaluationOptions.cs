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
public sealed record EvaluationOptions(
    [Range(0, 1_000_000)] int Every = 1,
    string? Split = null,
    [Range(1, 1 << 20)] int Batch = 128,
    IReadOnlyList<Transform>? Transforms = null
);
