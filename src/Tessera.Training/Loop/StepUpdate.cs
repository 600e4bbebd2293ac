using Tessera.Data;
using Tessera.Models;
using Tessera.Optim;

namespace Tessera.Training.Loop;

/// <summary>One phase of a step: gradients, the way uphill, unscaling, clipping, the step of the optimiser.</summary>
/// <param name="setup">Objective, data and options of the training.</param>
/// <param name="phase">The phase with its optimiser.</param>
/// <param name="gradients">Computes the gradients of a step's batches.</param>
/// <param name="device">Device of the objective's networks.</param>
/// <param name="scaleLowered">Receives the new loss scale after an overflow in float16.</param>
internal sealed class StepUpdate(TrainingSetup setup, PhaseSetup phase, GradientPass gradients, Device device, Action<double> scaleLowered)
{
    private readonly (string Name, Parameter Parameter)[] learned = [.. phase.Learned];

    // Those of other phases get no gradients meanwhile; a method with one phase has none.
    private readonly Parameter[] others =
    [
        .. setup
            .Phases.Where(other => other != phase)
            .SelectMany(other => other.Learned)
            .Select(entry => entry.Parameter)
            .Except(phase.Learned.Select(entry => entry.Parameter)),
    ];

    private readonly Parameter[] classifier = setup.Objective.Model is Model model
        ? [.. model.NamedParameters().Where(entry => model.ClassifierNames.Contains(entry.Name)).Select(entry => entry.Parameter)]
        : [];

    private readonly Parameter[] clipped = phase.Phase.Clipped is { } modules
        ? [.. modules.SelectMany(module => module.Parameters())]
        : [.. phase.Learned.Select(entry => entry.Parameter)];

    /// <summary>Computes gradients and steps.</summary>
    /// <param name="batches">Batches of one step; more than one where gradients are accumulated.</param>
    /// <param name="progress">Step and epoch of the training.</param>
    /// <param name="start">State to which a repeated step returns.</param>
    /// <returns>Figures of the step, and whether the weights changed: not where gradients overflowed in float16.</returns>
    /// <exception cref="NonFiniteLossException">The loss, or a gradient that was looked at, is infinite or not a number.</exception>
    internal (StepMetrics Metrics, bool Applied) Run(IReadOnlyList<Batch> batches, Progress progress, StepSnapshot start)
    {
        Parameter[] frozen = [.. others.Where(parameter => parameter.RequiresGrad)];
        foreach (var parameter in frozen)
            parameter.RequiresGrad = false;
        try
        {
            return Update(batches, progress, start);
        }
        finally
        {
            foreach (var parameter in frozen)
                parameter.RequiresGrad = true;
        }
    }

    private (StepMetrics Metrics, bool Applied) Update(IReadOnlyList<Batch> batches, Progress progress, StepSnapshot start)
    {
        var metrics = gradients.Gather(batches, progress, start);
        // Along gradients that are not finite there is no way uphill: what follows deals with them.
        if (setup.Options.Sam is { } sam && GradientClipping.FirstNotFinite(Learned) is null)
        {
            using var uphill = new SharpnessAware(Learned, sam.Rho, sam.Adaptive);
            phase.Optimizer.ZeroGrad();
            gradients.Gather(batches, progress, new(setup.Objective, device));
        }
        var fits = phase.Scaler?.Unscale(Learned) ?? true;
        phase.Scaler?.Update(fits);
        // Below 1 the scale is not to blame any more.
        if (fits || phase.Scaler!.Scale < 1)
            CheckGradients(batches, progress, metrics.Loss);
        if (fits)
            phase.Optimizer.Step();
        else
            scaleLowered(phase.Scaler!.Scale);
        return (metrics, fits);
    }

    private IEnumerable<Parameter> Learned => learned.Select(entry => entry.Parameter);

    // Clips gradients. Checks them if clipping measures them anyway, or if something depends on them: a step that may be skipped, a
    // sharpness-aware step, or a scale that fell too far.
    private void CheckGradients(IReadOnlyList<Batch> batches, Progress progress, double loss)
    {
        var norm =
            phase.ClipGrad is { } limit ? GradientClipping.ByNorm(clipped, limit)
            : phase.ClipGradTensor is { } each ? GradientClipping.EachByNorm(clipped, each)
            : 0;
        if (phase.ClipGradAdaptive is { } factor)
            GradientClipping.Adaptive(clipped.Except(classifier), factor);
        var looked =
            phase is { Scaler.Scale: < 1 } or { ClipGradAdaptive: not null }
            || setup.Options is not { NonFinite: NonFiniteAction.Stop, Sam: null };
        var first = looked || !double.IsFinite(norm) ? GradientClipping.FirstNotFinite(Learned) : null;
        if (first is null && double.IsFinite(norm))
            return;
        throw NonFiniteLossException.OfGradients(
            learned.FirstOrDefault(entry => entry.Parameter == first).Name,
            [.. batches.SelectMany(batch => batch.Indices)],
            progress,
            loss,
            phase.Optimizer.LearningRate
        );
    }

    /// <summary>Sets the learning rate and the weight decay of a step.</summary>
    internal void Schedule(long step, long stepsPerEpoch)
    {
        phase.Optimizer.LearningRate = phase.ConstantLearningRate
            ? phase.TopLearningRate
            : setup.Schedule.LearningRate(phase.TopLearningRate, step, stepsPerEpoch);
        if (phase.DecayScale is { } scale)
            phase.Optimizer.DecayScale = scale(step, setup.Schedule.TotalSteps(stepsPerEpoch));
    }

    /// <summary>Clears the gradients of the phase's parameters.</summary>
    internal void ZeroGrad() => phase.Optimizer.ZeroGrad();

    /// <summary>Whether the phase is part of a step.</summary>
    internal bool IsDue(long step) => step % phase.Phase.Every == 0;

    /// <summary>The phase with its optimiser.</summary>
    internal PhaseSetup Phase => phase;
}
