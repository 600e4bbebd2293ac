using System.Diagnostics;

namespace Tessera.Search.Running;

/// <summary>How a search is run, which changes nothing about its outcome.</summary>
/// <param name="Workers">Processes that score at once; null for as many as the recipe says.</param>
/// <param name="Retrain">Whether the winner is trained from scratch at the end.</param>
/// <param name="Launch">
/// Starts the process of a worker, given the name of the stage and of the worker: it must call <see cref="SearchWorker.Serve"/>, with its
/// standard input and error redirected. Null in a program that cannot: one worker then scores within it.
/// </param>
public sealed record SearchRunOptions(int? Workers = null, bool Retrain = true, Func<string, string, ProcessStartInfo>? Launch = null)
{
    /// <summary>How long a lease holds without being renewed.</summary>
    internal TimeSpan Lease { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>How often the database is asked what workers have done.</summary>
    internal TimeSpan Interval { get; init; } = TimeSpan.FromMilliseconds(250);
}
