using Tessera.Data;
using Tessera.Distributed;
using Tessera.Training.Runs;

namespace Tessera.Training.Loop;

/// <summary>What became of a step.</summary>
/// <param name="Metrics">Of all phases; null where the step is not done: stopped between two phases, or left out.</param>
/// <param name="Changed">Whether a phase has changed weights.</param>
/// <param name="LeftOut">Why the step was left out; null where it was not.</param>
internal sealed record StepResult(StepMetrics? Metrics, bool Changed = false, NonFiniteLossException? LeftOut = null);

/// <summary>The phases of a step in their order. A step may be stopped between two of them, and goes on behind the first then.</summary>
internal sealed class StepPhases(TrainingSetup setup, IReadOnlyList<StepUpdate> updates, Workers? workers, Device device)
{
    /// <summary>How far the step at hand has come; null at its beginning.</summary>
    internal PartialStep? Partial { get; set; }

    /// <summary>Sets the learning rates of a step.</summary>
    internal void Schedule(long step, long stepsPerEpoch)
    {
        foreach (var update in updates)
            update.Schedule(step, stepsPerEpoch);
    }

    /// <summary>Forgets all gradients.</summary>
    internal void ZeroGrad()
    {
        foreach (var update in updates)
            update.ZeroGrad();
    }

    /// <summary>Runs the phases that are left of a step.</summary>
    /// <param name="batches">Of the step.</param>
    /// <param name="progress">Where training stands.</param>
    /// <param name="skips">Whether a step whose loss is not finite is left out, with everything as it was before.</param>
    /// <param name="stop">Stops it behind the phase at hand.</param>
    /// <exception cref="NonFiniteLossException">A loss is not finite, and the step is not left out for it.</exception>
    /// <exception cref="DistributedException">A process is lost; the phase at hand has changed nothing.</exception>
    internal StepResult Run(Batch[] batches, Progress progress, bool skips, CancellationToken stop)
    {
        var (total, changed) = (Partial?.Metrics, Partial?.Applied ?? false);
        for (var phase = Partial?.Phase ?? 0; phase < updates.Count; phase++)
        {
            var update = updates[phase];
            workers?.Begin(setup.Options.Seed, progress.Step, phase);
            // A phase goes back to its own beginning where its gradients are computed again.
            var start = new StepSnapshot(setup.Objective, device);
            if (phase == 0)
                setup.Objective.BeforeStep(progress);
            if (!update.IsDue(progress.Step))
                continue;
            StepMetrics metrics;
            bool applied;
            try
            {
                (metrics, applied) = update.Run(batches, progress, start);
            }
            catch (NonFiniteLossException error) when (skips)
            {
                ZeroGrad();
                start.Restore();
                return new(null, LeftOut: error);
            }
            catch (DistributedException)
            {
                start.Restore();
                throw;
            }
            var name = update.Phase.Phase.Name;
            total =
                total is not null ? total.AddPhase(name, metrics)
                : updates.Count == 1 ? metrics
                : (StepMetrics.Empty with { Steps = 1, Samples = metrics.Samples }).AddPhase(name, metrics);
            changed |= applied;
            if (updates.Count > 1)
                update.ZeroGrad();
            if (phase + 1 == updates.Count)
                break;
            Partial = new(phase + 1, changed, total);
            // Of several processes, all stop after the same phase.
            if (workers?.Stopping ?? stop.IsCancellationRequested)
                return new(null);
        }
        Partial = null;
        return new(total ?? StepMetrics.Empty with { Steps = 1, Samples = batches.Sum(batch => batch.Count) }, changed);
    }
}
