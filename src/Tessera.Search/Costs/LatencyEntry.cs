namespace Tessera.Search.Costs;

/// <summary>A part of networks that was measured.</summary>
/// <param name="Shape">The part.</param>
/// <param name="Ratio">Its time over that of the reference, which ran in turns with it: the median over the runs.</param>
/// <param name="Error">Standard error of the ratio.</param>
/// <param name="Runs">How often both ran.</param>
public sealed record LatencyEntry(BlockShape Shape, double Ratio, double Error, int Runs);
