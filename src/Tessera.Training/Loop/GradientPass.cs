using Tessera.Data;
using Tessera.Models;
using Tessera.Optim;

namespace Tessera.Training.Loop;

/// <summary>
/// Gathers the gradients of a step. When the memory does not suffice, the samples that pass at a time are halved and the step
/// begins again; the gradients are those of the whole step all the same, since each part counts by its share of the samples.
/// </summary>
/// <param name="setup">Objective, data and options of the training.</param>
/// <param name="phase">The phase whose gradients are gathered.</param>
/// <param name="device">Device of the objective's networks.</param>
/// <param name="smaller">Receives the new number of samples that pass at a time.</param>
/// <param name="workers">The processes that share the batches; null for one.</param>
internal sealed class GradientPass(TrainingSetup setup, PhaseSetup phase, Device device, Action<int> smaller, Workers? workers)
{
    private readonly List<UnreadableImage> unreadable = [];
    private NonFiniteLossException? problem;

    /// <summary>Whether this process was asked to stop: the others learn it with the next step.</summary>
    internal bool Stop { get; set; }

    /// <summary>Images of the last step that could not be read in any of several processes.</summary>
    internal IReadOnlyList<UnreadableImage> Unreadable => unreadable;

    /// <summary>Samples that pass at a time at most; null for whole batches.</summary>
    internal int? Largest { get; set; } = setup.Options.MicroBatch;

    /// <summary>Computes the gradients of the batches; each loss is weighted by the number of its samples.</summary>
    /// <param name="batches">Batches of one step; more than one where gradients are accumulated.</param>
    /// <param name="progress">Step and epoch of the training.</param>
    /// <param name="start">State to which a repeated step returns.</param>
    /// <exception cref="NonFiniteLossException">A loss is infinite or no number.</exception>
    /// <exception cref="StepMemoryException">A single sample, or a batch that cannot be divided, does not fit.</exception>
    internal StepMetrics Gather(IReadOnlyList<Batch> batches, Progress progress, StepSnapshot start)
    {
        if (workers is not null)
            return Together(batches, progress, workers);
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
            phase.Optimizer.ZeroGrad();
            start.Restore();
            MicroBatches.Release(device);
            smaller(Largest.Value);
        }
    }

    private StepMetrics Attempt(IReadOnlyList<Batch> batches, Progress progress)
    {
        setup.Objective.BeforeGradients();
        var metrics = StepMetrics.Empty;
        Batch[] parts = [.. batches.SelectMany(batch => MicroBatches.Split(batch, Largest))];
        double[] weights = [.. parts.Select(WeightOf)];
        var total = weights.Sum();
        foreach (var (part, weight) in parts.Zip(weights))
            metrics = Add(part, Share(weight, total), progress, metrics);
        return metrics;
    }

    private double WeightOf(Batch part) => part.IsPlaceholder ? 0 : setup.Objective.WeightOf(part) ?? part.Count;

    // Where nothing counts, all have the loss 0.
    private static double Share(double weight, double total) => total == 0 ? 0 : weight / total;

    // The same over the samples of all processes. A step cannot begin again in one of them alone, so running out of memory ends it.
    private StepMetrics Together(IReadOnlyList<Batch> batches, Progress progress, Workers all)
    {
        problem = null;
        setup.Objective.BeforeGradients();
        unreadable.Clear();
        unreadable.AddRange(batches.SelectMany(batch => batch.Unreadable));
        var metrics = StepMetrics.Empty;
        Batch[] parts = [.. batches.SelectMany(batch => all.Split(batch, Largest))];
        double[] weights = [.. parts.Select(WeightOf)];
        // How many samples the others have is known; what else a loss is a mean over, only they know.
        var total = setup.Objective.WeightOf(parts[0]) is null ? batches.Sum(batch => (double)batch.GlobalCount) : all.Sum(weights.Sum());
        try
        {
            foreach (var (i, part) in parts.Index())
                all.Guard(() =>
                {
                    var (share, last) = (Share(weights[i], total), i == parts.Length - 1);
                    metrics = all.Pass(part, () => Add(part, share, progress, metrics, last));
                });
        }
        catch (TorchException error) when (MicroBatches.IsOutOfMemory(error))
        {
            throw new StepMemoryException(
                $"{parts.Max(part => part.Count)} samples do not fit into the memory of {device} at step {progress.Step}: "
                    + $"several processes cannot halve them automatically; try train.micro_batch or more processes ({Line(error)})",
                error
            );
        }
        return all.Reduce(metrics, problem, Stop, unreadable, progress);
    }

    private StepMetrics Add(Batch batch, double share, Progress progress, StepMetrics metrics, bool last = true)
    {
        using var scope = new Scope();
        Loss loss;
        using (Autocast())
            loss = setup.Objective.Compute(batch, progress, phase.Phase);
        var value = loss.Total.ToDouble();
        if (!double.IsFinite(value) && !batch.IsPlaceholder)
        {
            var found = Diagnose(batch, progress, value);
            if (workers is null)
                throw found;
            // The others are waiting in the middle of the pass; all learn of it at its end.
            problem ??= found;
        }
        // Processes average their gradients, where the parts of a step add up.
        var factor = share * (phase.Scaler?.Scale ?? 1) * (workers?.Count ?? 1);
        var total = factor == 1 ? loss.Total : loss.Total * factor;
        if (last)
            workers?.Average(phase, total);
        total.Backward();
        if (batch.IsPlaceholder)
            return metrics.AddShare(0, 0, 0, loss.Parts.ToDictionary(part => part.Key, _ => 0.0), loss.Scores);
        return metrics.AddShare(
            share,
            batch.Count,
            value,
            loss.Parts.ToDictionary(part => part.Key, part => part.Value.ToDouble()),
            loss.Scores
        );
    }

    private NonFiniteLossException Diagnose(Batch batch, Progress progress, double value)
    {
        using var cast = Autocast();
        NonFiniteLossException Find() =>
            NonFiniteLossException.Diagnose(setup.Objective, phase.Phase, batch, progress, value, phase.Optimizer.LearningRate);
        return workers is null ? Find() : workers.Alone(Find);
    }

    private Autocast? Autocast() => setup.Options.Precision.Autocast(device);

    private int Smaller(IReadOnlyList<Batch> batches, Progress progress, Exception error)
    {
        var samples = Math.Min(Largest ?? int.MaxValue, batches.Max(batch => batch.Count));
        const string advice = "try a smaller model.image_size, train.grad_checkpointing=true or a shorter train.precision";
        if (samples == 1)
            throw new StepMemoryException(
                $"a single sample does not fit into the memory of {device} at step {progress.Step}: {advice} ({Line(error)})",
                error
            );
        if (!setup.Objective.MeanOverSamples)
            throw new StepMemoryException(
                $"a batch of {samples} does not fit into the memory of {device} at step {progress.Step} and cannot be divided, since this "
                    + "objective compares the samples of a batch, or weights them among each other: try a smaller data.batch, or "
                    + $"{advice} ({Line(error)})",
                error
            );
        return MicroBatches.Half(samples);
    }

    private static string Line(Exception error) => error.Message.ReplaceLineEndings(" ");
}
