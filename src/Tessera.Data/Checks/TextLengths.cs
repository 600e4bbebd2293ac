using Tessera.Data.Text;

namespace Tessera.Data.Checks;

/// <summary>Lengths of the texts of a split, in words.</summary>
/// <param name="Shortest">The fewest words.</param>
/// <param name="Median">The median.</param>
/// <param name="Longest">The most words.</param>
/// <param name="Words">Words of all texts together.</param>
/// <param name="Empty">Positions of texts without a word.</param>
public sealed record TextLengths(int Shortest, int Median, int Longest, long Words, IReadOnlyList<int> Empty)
{
    /// <summary>Counts the words of texts.</summary>
    /// <param name="texts">At least one.</param>
    internal static TextLengths Of(IReadOnlyList<string> texts)
    {
        int[] lengths = [.. texts.Select(text => Vocabulary.Split(text).Count())];
        int[] sorted = [.. lengths.Order()];
        return new(
            sorted[0],
            sorted[sorted.Length / 2],
            sorted[^1],
            sorted.Sum(length => (long)length),
            [.. lengths.Index().Where(entry => entry.Item == 0).Select(entry => entry.Index)]
        );
    }
}
