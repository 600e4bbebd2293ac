namespace Tessera.Retrieval;

/// <summary>How the graph of approximate search is built (hierarchical navigable small worlds, arXiv:1603.09320).</summary>
public sealed record ApproximateOptions
{
    /// <summary>Neighbors that a vector is connected with in the graph, from 2 to 256.</summary>
    public int Connectivity { get; init; } = 16;

    /// <summary>Candidates that are kept while a vector finds its place in the graph, from 1 to 10,000.</summary>
    public int BuildEffort { get; init; } = 128;

    /// <summary>Candidates that a search keeps where <see cref="SearchOptions.Effort"/> does not say, from 1 to 10,000.</summary>
    public int Effort { get; init; } = 64;

    /// <summary>Threads that build; 0 for <see cref="Torch.Threads"/>.</summary>
    public int Threads { get; init; }

    internal void Check()
    {
        Check("connectivity", Connectivity, 2, 256);
        Check("build effort", BuildEffort, 1, 10_000);
        Check("effort", Effort, 1, 10_000);
        Check("threads", Threads, 0, 1024);
    }

    private static void Check(string what, int value, int least, int most)
    {
        if (value < least || value > most)
            throw new IndexException($"{what} must be from {least} to {most}, it is {value}");
    }
}
