using Tessera.Search.Costs;

namespace Tessera.Search.Measuring;

/// <summary>How the parts of a space are measured.</summary>
/// <param name="Settings">In which way networks run.</param>
/// <param name="Shapes">Most parts that are measured.</param>
/// <param name="Runs">Most runs of a part, of which the median counts.</param>
/// <param name="Budget">Time for the runs of a part; five runs are made in any case.</param>
public sealed record MeasuringOptions(LatencySettings Settings, int Shapes = 300, int Runs = 200, TimeSpan? Budget = null)
{
    /// <summary>Most parts that are ever measured.</summary>
    public const int MostShapes = 300;

    /// <summary>Time for the runs of a part.</summary>
    internal TimeSpan Each => Budget ?? TimeSpan.FromSeconds(0.7);
}
