using Tessera.Data;

namespace Tessera.Training.Probes;

/// <summary>A few samples of every class, drawn by a seed: a smaller draw is part of a larger one of the same number.</summary>
internal static class FewShotDraws
{
    // Apart from the streams of Tessera.Data and of the linear classifier.
    private const int Stream = 11 << 20;

    /// <summary>Positions of the drawn samples, those of a class together.</summary>
    /// <param name="labels">Class of every sample.</param>
    /// <param name="classes">Names of the classes; one without any sample is left out.</param>
    /// <param name="shots">Samples per class.</param>
    /// <param name="seed">Of all draws.</param>
    /// <param name="draw">Number of the draw, from 0.</param>
    /// <exception cref="DataException">A class has fewer samples.</exception>
    internal static long[] Of(ReadOnlySpan<long> labels, IReadOnlyList<string> classes, int shots, ulong seed, int draw)
    {
        var members = new List<long>[classes.Count];
        for (var c = 0; c < members.Length; c++)
            members[c] = [];
        for (var i = 0; i < labels.Length; i++)
            members[(int)labels[i]].Add(i);
        List<long> drawn = [];
        foreach (var (c, own) in members.Index())
        {
            if (own.Count == 0)
                continue;
            if (own.Count < shots)
                throw new DataException($"class {classes[c]} has {own.Count} training samples, and {shots} are to be drawn of each class");
            var order = own.ToArray();
            new SampleRandom(seed, draw, c, Stream).Shuffle<long>(order);
            drawn.AddRange(order[..shots]);
        }
        return [.. drawn];
    }
}
