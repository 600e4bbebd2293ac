namespace Tessera.Training;

/// <summary>Something that happened while training, for whoever watches.</summary>
public abstract record TrainingEvent;

/// <summary>A step was done.</summary>
/// <param name="Epoch">From 0.</param>
/// <param name="Epochs">In all.</param>
/// <param name="Step">Steps done so far, over all epochs.</param>
/// <param name="Steps">In all.</param>
/// <param name="Loss">Of this step.</param>
/// <param name="LearningRate">Of this step.</param>
/// <param name="ImagesPerSecond">Over the last steps.</param>
/// <param name="Remaining">Time left, evaluations included.</param>
public sealed record StepDone(int Epoch, int Epochs, long Step, long Steps, double Loss, double LearningRate, double ImagesPerSecond, TimeSpan Remaining) : TrainingEvent;

/// <summary>An evaluation is under way.</summary>
/// <param name="Samples">Done so far.</param>
public sealed record Evaluating(int Samples) : TrainingEvent;

/// <summary>The model was evaluated.</summary>
/// <param name="Epoch">The epoch that has ended, from 0.</param>
/// <param name="Evaluation">Of the weights.</param>
/// <param name="Ema">Of their moving average, where there is one.</param>
public sealed record Evaluated(int Epoch, Evaluation Evaluation, Evaluation? Ema) : TrainingEvent;

/// <summary>A checkpoint was written.</summary>
/// <param name="Path">Its folder.</param>
public sealed record CheckpointWritten(string Path) : TrainingEvent;

/// <summary>Training goes on from a checkpoint.</summary>
/// <param name="Path">Its folder.</param>
/// <param name="Step">Steps done so far.</param>
/// <param name="Skipped">Newer checkpoints that could not be used, and why.</param>
public sealed record Resumed(string Path, long Step, IReadOnlyList<string> Skipped) : TrainingEvent;
