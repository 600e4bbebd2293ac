using System.Globalization;
using Tessera.Data;
using Tessera.Models;

namespace Tessera.Training.Loop;

/// <summary>The loss or a gradient is not finite; the message is one line that names the first cause and a remedy.</summary>
public sealed class NonFiniteLossException : Exception
{
    private NonFiniteLossException(string message, Exception? inner = null)
        : base(message, inner) { }

    /// <summary>Step at which it happened, over all epochs, from 0.</summary>
    public long Step { get; private init; }

    /// <summary>Positions of the batch's samples in their data set.</summary>
    public IReadOnlyList<int> Samples { get; private init; } = [];

    /// <summary>First module (or parameter, or "the batch") that is not finite; null when all of the model is.</summary>
    public string? Where { get; private init; }

    /// <summary>Looks for the cause by running the batch once more.</summary>
    internal static NonFiniteLossException Diagnose(
        Objective objective,
        Phase phase,
        Batch batch,
        Progress progress,
        double loss,
        double learningRate
    )
    {
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        var (where, what) = Find(objective, phase, batch, progress);
        string[] advice =
            where == "the batch"
                ? ["check these samples and the transforms"]
                :
                [
                    string.Create(CultureInfo.InvariantCulture, $"try a lower optimizer.lr (now {learningRate:G3})"),
                    "train.clip_grad=1",
                    "a longer schedule.warmup",
                    "train.precision=fp32",
                ];
        return new(
            string.Create(
                CultureInfo.InvariantCulture,
                $"the loss is {loss} at step {progress.Step} (epoch {progress.Epoch + 1}), samples {Join(batch.Indices)}: "
                    + $"{what}; {string.Join(", ", advice)}"
            )
        )
        {
            Step = progress.Step,
            Samples = batch.Indices,
            Where = where,
        };
    }

    /// <summary>The loss was finite, its gradients were not.</summary>
    /// <param name="parameter">The first parameter whose gradient is not; null where only the norm of all overflowed.</param>
    /// <param name="samples">Positions of the step's samples in their data set.</param>
    /// <param name="progress">Step and epoch of the training.</param>
    /// <param name="loss">Loss of the step, which is finite.</param>
    /// <param name="learningRate">Learning rate of the step.</param>
    internal static NonFiniteLossException OfGradients(
        string? parameter,
        IReadOnlyList<int> samples,
        Progress progress,
        double loss,
        double learningRate
    )
    {
        var what = parameter is null ? "the norm of the gradients is not finite" : $"the gradient of {parameter} is not finite";
        return new(
            string.Create(
                CultureInfo.InvariantCulture,
                $"{what} at step {progress.Step} (epoch {progress.Epoch + 1}), samples {Join(samples)}, although the loss is {loss:G4}; "
                    + $"try a lower optimizer.lr (now {learningRate:G3}), a longer schedule.warmup, train.precision=fp32"
            )
        )
        {
            Step = progress.Step,
            Samples = samples,
            Where = parameter,
        };
    }

    /// <summary>The error of another process that trains together with this one.</summary>
    internal static NonFiniteLossException OfRank(int rank, IReadOnlyList<int> samples, string message, Progress progress) =>
        new($"rank {rank}: {message}") { Step = progress.Step, Samples = samples };

    /// <summary>The same error with what was tried before it ended the run.</summary>
    internal NonFiniteLossException After(string tried) =>
        new($"{Message}; {tried}", this)
        {
            Step = Step,
            Samples = Samples,
            Where = Where,
        };

    private static string Join(IReadOnlyList<int> samples) =>
        string.Join(", ", samples.Take(8)) + (samples.Count > 8 ? $", ... ({samples.Count} in all)" : "");

    private static (string? Where, string What) Find(Objective objective, Phase phase, Batch batch, Progress progress)
    {
        if (batch.Views.Any(view => !IsFinite(view.Inputs)))
            return ("the batch", "the inputs themselves are not finite");
        foreach (var (name, parameter) in objective.Model.NamedParameters())
            if (!IsFinite(parameter))
                return (name, $"parameter {name} is not finite since an earlier step");
        using var taps = new Taps(objective.Model, "**");
        if (objective.Model is Model model)
            model.Run(new(batch.Inputs, batch.Mask));
        else
            objective.Compute(batch, progress, phase);
        // Records come in the order in which modules finish, so the innermost one is the first.
        foreach (var (name, value) in taps.Records)
            if (!IsFinite(value))
                return (name, $"the first module whose output is not finite is {(name.Length == 0 ? "the model" : name)}");
        return (null, "all outputs of the model are finite, so it is the loss itself");
    }

    internal static bool IsFinite(Tensor tensor) => !tensor.DType.IsFloat() || Torch.Scope(() => tensor.Isfinite().All()).ToInt64() != 0;
}
