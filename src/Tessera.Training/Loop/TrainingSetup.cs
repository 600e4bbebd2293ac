using Tessera.Data.Loading;
using Tessera.Distributed;
using Tessera.Optim;
using Tessera.Training.Optimization;

namespace Tessera.Training.Loop;

/// <summary>Everything that a <see cref="Trainer"/> works with.</summary>
/// <param name="Objective">The method, with the networks that it owns.</param>
/// <param name="Phases">Optimiser and clipping of each of the objective's phases, in the objective's order.</param>
/// <param name="Schedule">Number of epochs, and the learning rate of each step.</param>
/// <param name="Data">Training batches; this process's share of them where several processes train.</param>
/// <param name="Options">Precision, seed, intervals.</param>
public sealed record TrainingSetup(
    Objective Objective,
    IReadOnlyList<PhaseSetup> Phases,
    ScheduleOptions Schedule,
    BatchSource Data,
    TrainOptions Options
)
{
    /// <summary>Batches to measure on; null for no evaluations.</summary>
    public BatchSource? Test { get; init; }

    /// <summary>Makes an evaluator for each measurement; needed where there is <see cref="Test"/>.</summary>
    public Func<Evaluator>? Evaluator { get; init; }

    /// <summary>Epochs between two evaluations; the last epoch is always evaluated. 0: only the last.</summary>
    public int EvaluateEvery { get; init; } = 1;

    /// <summary>What a user should know before the first step, a line each: told and logged.</summary>
    public IReadOnlyList<string> Remarks { get; init; } = [];

    /// <summary>Processes that train together: batches and tests are the share of this one. Null for one process.</summary>
    public ProcessGroup? Group { get; init; }
}

/// <summary>How a phase is optimised.</summary>
/// <param name="Phase">The phase, one of those of the objective.</param>
/// <param name="Optimizer">Optimiser of the parameters that the phase learns.</param>
/// <param name="TopLearningRate">Learning rate at the top of the schedule, scaled for the batch.</param>
public sealed record PhaseSetup(Phase Phase, Optimizer Optimizer, double TopLearningRate)
{
    /// <summary>Scales the loss, for float16; null for no scaling.</summary>
    public GradientScaler? Scaler { get; init; }

    /// <summary>Largest joint norm of the gradients; null for no clipping by norm.</summary>
    public double? ClipGrad { get; init; }

    /// <summary>Largest norm of a unit's gradient over that of its weights, the classifier left out; null for no such clipping.</summary>
    public double? ClipGradAdaptive { get; init; }

    /// <summary>Named parameters that the phase learns.</summary>
    internal IEnumerable<(string Name, Parameter Parameter)> Learned => Optimizer.Groups.SelectMany(group => group.Parameters);
}
