namespace Tessera.Data;

/// <summary>Uses of the random numbers of a seed: each draws from a stream of its own.</summary>
internal static class Streams
{
    internal const int Sample = 0;

    /// <summary>Distance between the views of a sample, above the largest number of repeats.</summary>
    internal const int Views = 1 << 10;

    internal const int Order = 1 << 20;
    internal const int Batch = 2 << 20;
    internal const int Replacement = 3 << 20;
    internal const int Subset = 4 << 20;
    internal const int HoldOut = 5 << 20;
    internal const int Limit = 6 << 20;
    internal const int Balance = 8 << 20;
    internal const int Groups = 9 << 20;
    internal const int Classes = 12 << 20;
    internal const int Halves = 13 << 20;
}
