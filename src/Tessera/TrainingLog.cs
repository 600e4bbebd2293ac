using Microsoft.Extensions.Logging;
using Tessera.Training;

namespace Tessera.Hosting;

/// <summary>A training's events in a log.</summary>
public static class TrainingLog
{
    /// <summary>
    /// Writes what happens in a training to a log, each event at its own level and in one line:
    /// <c>Experiment.Begin(recipe, folder, logger.LogTraining)</c>.
    /// </summary>
    /// <param name="logger">The log.</param>
    /// <param name="happened">The event.</param>
    public static void LogTraining(this ILogger logger, TrainingEvent happened)
    {
        // The levels have the same numbers. A step is described only where somebody reads it.
        var level = (LogLevel)happened.Level;
        if (logger.IsEnabled(level))
            logger.Log(level, new EventId(0, happened.GetType().Name), happened, null, static (one, _) => one.Describe());
    }
}
