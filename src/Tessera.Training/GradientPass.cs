using Tessera.Data;
using Tessera.Models;
using Tessera.Optim;

namespace Tessera.Training;

/// <summary>
/// Gathers the gradients of a step. When the memory does not suffice, the samples that pass at a time are halved and the step
/// begins again; the gradients are those of the whole step all the same, since each part counts by its share of the samples.
/// </summary>
/// <param name="setup">What is trained.</param>
/// <param name="device">Where.</param>
/// <param name="scaler">What losses are multiplied by; null for nothing.</param>
/// <param name="smaller">Told how many samples pass at a time from now on.</param>
internal sealed class GradientPass(TrainingSetup setup, Device device, GradientScaler? scaler, Action<int> smaller)
{
    /// <summary>Samples that pass at a time at most; null for whole batches.</summary>
    internal int? Largest { get; set; } = setup.Options.MicroBatch;

    /// <summary>Adds the gradients of the batches, whose losses count by their samples, to those of the parameters, which are none at first.</summary>
    /// <param name="batches">Of one step.</param>
    /// <param name="progress">Where training stands.</param>
    /// <param name="start">Where a step that is done again begins.</param>
    /// <exception cref="NonFiniteLossException">A loss is infinite or no number.</exception>
    /// <exception cref="StepMemoryException">A single sample, or a batch that cannot be divided, does not fit.</exception>
    internal Tally Gather(IReadOnlyList<Batch> batches, Progress progress, StepStart start)
    {
        while (true)
        {
            try
            {
                return Attempt(batches, progress);
            }
            catch (TorchException error) when (MicroBatches.IsOutOfMemory(error))
            {
                Largest = Smaller(batches, progress, error);
            }
            // Out of the handler: by now nothing holds what the failed attempt has made.
            setup.Optimizer.ZeroGrad();
            start.Restore();
            MicroBatches.Release(device);
            smaller(Largest.Value);
        }
    }

    private Tally Attempt(IReadOnlyList<Batch> batches, Progress progress)
    {
        var total = batches.Sum(batch => (double)batch.Count);
        var tally = Tally.Empty;
        foreach (var part in batches.SelectMany(batch => MicroBatches.Split(batch, Largest)))
            tally = Add(part, part.Count / total, progress, tally);
        return tally;
    }

    private Tally Add(Batch batch, double share, Progress progress, Tally tally)
    {
        using var scope = new Scope();
        Loss loss;
        using (Autocast()) loss = setup.Objective.Compute(setup.Student, batch, progress);
        var value = loss.Total.ToDouble();
        if (!double.IsFinite(value))
            using (Autocast()) throw NonFiniteLossException.Diagnose(setup.Student, batch, progress, value, setup.Optimizer.LearningRate);
        var factor = share * (scaler?.Scale ?? 1);
        (factor == 1 ? loss.Total : loss.Total * factor).Backward();
        var right = batch.Targets is null && loss.Logits is { } logits ? logits.Detach().Argmax(1).Eq(batch.Labels).Sum().ToInt64() : (long?)null;
        return tally.AddShare(share, batch.Count, value, right is null ? 0 : batch.Count, right ?? 0, loss.Parts.ToDictionary(part => part.Key, part => part.Value.ToDouble()));
    }

    private Autocast? Autocast() => setup.Options.Precision.Autocast(device);

    private int Smaller(IReadOnlyList<Batch> batches, Progress progress, Exception error)
    {
        var samples = Math.Min(Largest ?? int.MaxValue, batches.Max(batch => batch.Count));
        const string advice = "try a smaller model.image_size, train.recompute_blocks=true or a shorter train.precision";
        if (samples == 1) throw new StepMemoryException($"a single sample does not fit into the memory of {device} at step {progress.Step}: {advice} ({Line(error)})", error);
        if (!setup.Objective.MeanOverSamples) throw new StepMemoryException($"a batch of {samples} does not fit into the memory of {device} at step {progress.Step}, and this method compares the samples of a batch, so that it cannot be divided: try a smaller data.batch, or {advice} ({Line(error)})", error);
        return MicroBatches.Half(samples);
    }

    private static string Line(Exception error) => error.Message.ReplaceLineEndings(" ");
}
