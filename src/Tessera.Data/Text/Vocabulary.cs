using System.Text;

namespace Tessera.Data.Text;

/// <summary>Words and their ids: 0 for unknown words, 1 for padding, then words by frequency and, among equals, by spelling.</summary>
public sealed class Vocabulary
{
    /// <summary>Id of words that are not known.</summary>
    public const int Unknown = 0;

    /// <summary>Id of padding.</summary>
    public const int Padding = 1;

    private readonly Dictionary<string, int> ids = [];

    /// <summary>A vocabulary of given words, as saved with a model.</summary>
    /// <param name="words">By id; the first two stand for unknown words and padding.</param>
    /// <exception cref="DataException">A word that is there twice, or fewer than two.</exception>
    public Vocabulary(IReadOnlyList<string> words)
    {
        if (words.Count < 2)
            throw new DataException("a vocabulary starts with entries for unknown words and padding");
        for (var id = 2; id < words.Count; id++)
            if (!ids.TryAdd(words[id], id))
                throw new DataException($"a vocabulary has the word '{words[id]}' twice");
        Words = words;
    }

    /// <summary>Words by id.</summary>
    public IReadOnlyList<string> Words { get; }

    /// <summary>Number of ids.</summary>
    public int Count => Words.Count;

    /// <summary>Gathers the words of texts.</summary>
    /// <param name="texts">Training texts.</param>
    /// <param name="minCount">Occurrences that a word needs.</param>
    /// <param name="maxSize">Most ids; the rarest words are left out.</param>
    public static Vocabulary Build(IEnumerable<string> texts, int minCount = 1, int maxSize = int.MaxValue)
    {
        var counts = new Dictionary<string, int>();
        foreach (var text in texts)
        foreach (var word in Split(text))
            counts[word] = counts.GetValueOrDefault(word) + 1;
        var words = counts
            .Where(entry => entry.Value >= minCount)
            .OrderByDescending(entry => entry.Value)
            .ThenBy(entry => entry.Key, StringComparer.Ordinal)
            .Select(entry => entry.Key);
        return new(["<unk>", "<pad>", .. words.Take(Math.Max(0, maxSize - 2))]);
    }

    /// <summary>The id of a word in lower case.</summary>
    public int this[string word] => ids.GetValueOrDefault(word, Unknown);

    /// <summary>Ids of the first words of a text; an empty text is one unknown word.</summary>
    public int[] Encode(string text, int length) => [.. Split(text).Select(word => this[word]).Take(length).DefaultIfEmpty(Unknown)];

    /// <summary>Words of a text in lower case; punctuation marks are words of their own, apostrophes stay inside of words.</summary>
    public static IEnumerable<string> Split(string text)
    {
        var word = new StringBuilder();
        foreach (var character in text)
        {
            if (char.IsLetterOrDigit(character) || (character == '\'' && word.Length > 0))
            {
                word.Append(char.ToLowerInvariant(character));
                continue;
            }
            if (word.Length > 0)
                yield return word.ToString();
            word.Clear();
            if (!char.IsWhiteSpace(character) && !char.IsControl(character))
                yield return character.ToString();
        }
        if (word.Length > 0)
            yield return word.ToString();
    }
}
