namespace Tessera.Search.Judging;

/// <summary>Why a network is judged.</summary>
public enum NetworkRole
{
    /// <summary>The search has found it.</summary>
    Winner,

    /// <summary>Chance has drawn it from the space, within the budget.</summary>
    Random,

    /// <summary>People have made it.</summary>
    HandMade,
}

/// <summary>A network that is trained from scratch to judge a search.</summary>
/// <param name="Name">Name of its folder.</param>
/// <param name="Role">Why it is judged.</param>
/// <param name="Network">Its genome; of one made by hand a genome, or the name of a model.</param>
/// <param name="Cost">What it costs.</param>
/// <param name="WithinBudget">Whether the budget of the search allows it.</param>
/// <param name="SupernetScore">Its score by the search's shared weights; null where there is none.</param>
public sealed record JudgedNetwork(
    string Name,
    NetworkRole Role,
    string Network,
    CandidateCost Cost,
    bool WithinBudget,
    double? SupernetScore
)
{
    /// <summary>Scores after training from scratch, one a seed; empty until it is trained.</summary>
    public IReadOnlyList<double> Scores { get; init; } = [];

    /// <summary>Core-hours of its trainings.</summary>
    public double CoreHours { get; init; }

    /// <summary>Mean of its scores.</summary>
    internal double Score => Scores.Average();
}
