using Tessera.Training;

namespace Tessera.Search.Judging;

/// <summary>Something that happened while a search is judged.</summary>
/// <param name="Network">The network at hand.</param>
/// <param name="Number">Number of the training, from 1.</param>
/// <param name="All">Trainings in all.</param>
/// <param name="Left">Time left, as the trainings so far have it; null before one is done.</param>
/// <param name="Training">What its training says; null where it begins.</param>
public sealed record JudgeProgress(string Network, int Number, int All, TimeSpan? Left, TrainingEvent? Training);
