using Tessera.Data.Loading;
using Tessera.Distributed;
using Tessera.Training.Optimization;

namespace Tessera.Training.Loop;

/// <summary>Everything that a <see cref="Trainer"/> works with.</summary>
public sealed record TrainingSetup
{
    /// <summary>The method, with the networks that it owns.</summary>
    public required Objective Objective { get; init; }

    /// <summary>Optimiser and clipping of each of the objective's phases, in the objective's order.</summary>
    public required IReadOnlyList<PhaseSetup> Phases { get; init; }

    /// <summary>Number of epochs, and the learning rate of each step.</summary>
    public required ScheduleOptions Schedule { get; init; }

    /// <summary>Training batches; this process's share of them where several processes train.</summary>
    public required BatchSource Data { get; init; }

    /// <summary>Precision, seed, intervals.</summary>
    public TrainOptions Options { get; init; } = new();

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
