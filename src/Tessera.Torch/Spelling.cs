namespace Tessera;

/// <summary>Suggestions for misspelt words.</summary>
internal static class Spelling
{
    /// <summary>Candidates by their distance to a word, the nearest first.</summary>
    internal static IEnumerable<string> Nearest(string word, IEnumerable<string> candidates) =>
        candidates.OrderBy(other => Distance(word, other));

    /// <summary>The one candidate that is near enough to be a slip of the pen; null when none is.</summary>
    internal static string? Meant(string word, IEnumerable<string> candidates) =>
        Nearest(word, candidates).FirstOrDefault(other => Distance(word, other) <= Math.Max(2, word.Length / 3));

    // Levenshtein's distance by rows.
    private static int Distance(string a, string b)
    {
        var row = Enumerable.Range(0, b.Length + 1).ToArray();
        for (var i = 1; i <= a.Length; i++)
        {
            var diagonal = row[0];
            row[0] = i;
            for (var j = 1; j <= b.Length; j++)
            {
                var change = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.Min(change, Math.Min(row[j], row[j - 1]) + 1);
            }
        }
        return row[b.Length];
    }
}
