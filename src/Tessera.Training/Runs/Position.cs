namespace Tessera.Training.Runs;

/// <summary>Progress of a training at a checkpoint, saved beside the tensors.</summary>
/// <param name="Step">Steps of the optimiser done, over all epochs.</param>
/// <param name="StepsPerEpoch">Steps per epoch; a resumed run with another number would continue elsewhere in the data.</param>
/// <param name="Evaluated">Whether the evaluation that is due at this step is done.</param>
/// <param name="LogBytes">Length of the log in bytes.</param>
/// <param name="Seed">Seed of order and augmentation.</param>
/// <param name="Interval">Figures gathered since the last line of the log.</param>
/// <param name="Score">Primary score of the evaluation at this step; null where none was due.</param>
/// <param name="MicroBatch">Samples that pass at a time at most; null for whole batches.</param>
/// <param name="Ahead">Steps by which the data is ahead: it was moved past bad batches.</param>
/// <param name="Skipped">Steps in a row that were left out up to here.</param>
/// <param name="Rollbacks">How often training has gone back to a checkpoint.</param>
/// <param name="Stopped">
/// Whether it was written because training was stopped: a run that is not stopped has none here, so that none goes back to it.
/// </param>
/// <param name="Processes">Number of processes that wrote it together.</param>
/// <param name="Samples">Samples of the steps done, over all processes.</param>
/// <param name="Partial">What is done of the step after those; null between two steps.</param>
internal sealed record Position(
    long Step,
    long StepsPerEpoch,
    bool Evaluated,
    long LogBytes,
    ulong Seed,
    StepMetrics Interval,
    PrimaryScore? Score,
    int? MicroBatch = null,
    long Ahead = 0,
    int Skipped = 0,
    int Rollbacks = 0,
    bool Stopped = false,
    int Processes = 1,
    long Samples = 0,
    PartialStep? Partial = null
);

/// <summary>What is done of a step of several phases.</summary>
/// <param name="Phase">Number of the phase that comes next.</param>
/// <param name="Applied">Whether a phase has changed the weights.</param>
/// <param name="Metrics">Figures of the phases that are done.</param>
internal sealed record PartialStep(int Phase, bool Applied, StepMetrics Metrics);
