namespace Tessera.Search;

/// <summary>What a network costs; null where a figure is not known.</summary>
/// <param name="Macs">Multiply-accumulates of one image.</param>
/// <param name="Parameters">Number of parameters.</param>
/// <param name="Published">Cost by the method's own counter.</param>
/// <param name="LatencyMs">Predicted milliseconds of a batch on this machine.</param>
public sealed record CandidateCost(double? Macs = null, double? Parameters = null, double? Published = null, double? LatencyMs = null);

/// <summary>A network that a stage wants to be scored.</summary>
/// <param name="Genome">Names the network within its search; the same text is the same network.</param>
/// <param name="Cost">What it costs.</param>
public sealed record Proposal(string Genome, CandidateCost Cost)
{
    /// <summary>Genomes that it was made from.</summary>
    public IReadOnlyList<string> Parents { get; init; } = [];

    /// <summary>A score that needs no forward pass, as for a network outside of the budget; null where it has to be computed.</summary>
    public double? Score { get; init; }

    /// <summary>Figures that the stage wants to keep with it, as the prediction of a surrogate.</summary>
    public IReadOnlyDictionary<string, double> Figures { get; init; } = new Dictionary<string, double>();
}

/// <summary>A network's score. Higher is better.</summary>
/// <param name="Value">The score; a share such as top-1 lies in [0, 1]. Not finite counts as a failure.</param>
/// <param name="StandardError">Of the score, by the number of images that it was measured on.</param>
public sealed record CandidateScore(double Value, double StandardError)
{
    /// <summary>Further figures, to be kept with the score.</summary>
    public IReadOnlyDictionary<string, double> Figures { get; init; } = new Dictionary<string, double>();
}

/// <summary>Where the work on a candidate stands.</summary>
public enum CandidateState
{
    /// <summary>Nobody works on it.</summary>
    Waiting,

    /// <summary>A worker holds a lease on it.</summary>
    Leased,

    /// <summary>It has a score.</summary>
    Scored,

    /// <summary>Scoring failed as often as it may.</summary>
    Failed,
}

/// <summary>A candidate as the database has it.</summary>
/// <param name="Id">Its number in the database.</param>
/// <param name="Stage">Name of the stage.</param>
/// <param name="Generation">Number of the generation that it belongs to, from 0.</param>
/// <param name="Position">Its place in the generation, from 0.</param>
/// <param name="Genome">Names the network.</param>
/// <param name="Cost">What it costs.</param>
/// <param name="Seed">Of everything that is drawn while it is scored; it comes from the genome.</param>
/// <param name="State">Where the work stands.</param>
public sealed record Candidate(
    long Id,
    string Stage,
    int Generation,
    int Position,
    string Genome,
    CandidateCost Cost,
    ulong Seed,
    CandidateState State
)
{
    /// <summary>Genomes that it was made from.</summary>
    public IReadOnlyList<string> Parents { get; init; } = [];

    /// <summary>Its score; null until it has one.</summary>
    public double? Score { get; init; }

    /// <summary>Standard error of the score; null where it has none.</summary>
    public double? StandardError { get; init; }

    /// <summary>Whether the score was computed by running the network, and not by the proposal.</summary>
    public bool Evaluated { get; init; }

    /// <summary>Figures of the proposal and of the score.</summary>
    public IReadOnlyDictionary<string, double> Figures { get; init; } = new Dictionary<string, double>();

    /// <summary>The worker that holds or held it.</summary>
    public string? Worker { get; init; }

    /// <summary>How often scoring began.</summary>
    public int Attempts { get; init; }

    /// <summary>What went wrong the last time; null where nothing did.</summary>
    public string? Error { get; init; }

    /// <summary>How long scoring took.</summary>
    public double? Seconds { get; init; }
}
