using System.ComponentModel.DataAnnotations;
using Tessera.Data.Transforms;

namespace Tessera.Training;

/// <summary>How a model is measured.</summary>
/// <param name="Every">Epochs between two evaluations; the last epoch is always evaluated. 0: only the last.</param>
/// <param name="Split">Part that is measured on.</param>
/// <param name="Batch">Samples at a time: no more than training takes, so that measuring does not set the peak of memory.</param>
/// <param name="Transforms">What happens to images; by default the resize and centre crop that the model's published figures stand for, where images are not of the model's size already.</param>
public sealed record EvaluationOptions(
    [Range(0, 1_000_000)] int Every = 1,
    string Split = "test",
    [Range(1, 1 << 20)] int Batch = 128,
    IReadOnlyList<Transform>? Transforms = null
);
