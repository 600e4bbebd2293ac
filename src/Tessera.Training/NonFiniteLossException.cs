using System.Globalization;
using Tessera.Data;
using Tessera.Models;

namespace Tessera.Training;

/// <summary>The loss became infinite or no number; the message is one line that says where it began and what to try.</summary>
public sealed class NonFiniteLossException : Exception
{
    private NonFiniteLossException(string message) : base(message) { }

    /// <summary>Step at which it happened, over all epochs, from 0.</summary>
    public long Step { get; private init; }

    /// <summary>Positions of the batch's samples in their data set.</summary>
    public IReadOnlyList<int> Samples { get; private init; } = [];

    /// <summary>First module (or parameter, or "the batch") that is not finite; null when all of the model is.</summary>
    public string? Where { get; private init; }

    /// <summary>Looks for the cause by running the batch once more.</summary>
    internal static NonFiniteLossException Diagnose(Backbone student, Batch batch, Progress progress, double loss, double learningRate)
    {
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        var (where, what) = Find(student, batch);
        string[] advice = where == "the batch"
            ? ["look at these samples and at the transforms"]
            : [string.Create(CultureInfo.InvariantCulture, $"try a lower optimizer.lr (now {learningRate:G3})"), "train.clip=1", "a longer schedule.warmup", "train.precision=fp32"];
        var samples = string.Join(", ", batch.Indices.Take(8)) + (batch.Count > 8 ? $", ... ({batch.Count} in all)" : "");
        return new(string.Create(CultureInfo.InvariantCulture, $"the loss is {loss} at step {progress.Step} (epoch {progress.Epoch + 1}), samples {samples}: {what}; {string.Join(", ", advice)}"))
        {
            Step = progress.Step,
            Samples = batch.Indices,
            Where = where,
        };
    }

    private static (string? Where, string What) Find(Backbone student, Batch batch)
    {
        if (!IsFinite(batch.Inputs)) return ("the batch", "the inputs themselves are not finite");
        foreach (var (name, parameter) in student.NamedParameters())
            if (!IsFinite(parameter)) return (name, $"parameter {name} is not finite since an earlier step");
        using var taps = new Taps(student, "**");
        student.Run(new(batch.Inputs, batch.Mask));
        // Records come in the order in which modules finish, so the innermost one is the first.
        foreach (var (name, value) in taps.Records)
            if (!IsFinite(value)) return (name, $"the first module whose output is not finite is {(name.Length == 0 ? "the model" : name)}");
        return (null, "all outputs of the model are finite, so it is the loss itself");
    }

    internal static bool IsFinite(Tensor tensor) => !tensor.DType.IsFloat() || Torch.Scope(() => tensor.Isfinite().All()).ToInt64() != 0;
}
