using Tessera.Data.Loading;

namespace Tessera.Data.Checks;

/// <summary>How a data set is checked.</summary>
/// <param name="Quick">Whether nothing is decoded and hashed: then images that cannot be read and equal content stay unknown.</param>
/// <param name="FewSamples">A class of the training split with fewer samples is named.</param>
/// <param name="Imbalance">From this ratio of the largest class to the smallest on, it is named.</param>
/// <param name="UnreadableLimit">Most unreadable images that a training bears; that of recipes when null.</param>
/// <param name="Threads">Threads that decode; null for one per core.</param>
public sealed record CheckOptions(
    bool Quick = false,
    int FewSamples = 10,
    double Imbalance = 10,
    UnreadableLimit? UnreadableLimit = null,
    int? Threads = null
);

/// <summary>How far a check is.</summary>
/// <param name="Done">Samples that were looked at.</param>
/// <param name="Total">All of them; a file of several splits counts once.</param>
public readonly record struct CheckProgress(int Done, int Total);
