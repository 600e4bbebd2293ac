using System.Globalization;

namespace Tessera.Data.Text;

/// <summary>Published word vectors in GloVe's text form: a word and its numbers per line (Pennington et al., 2014).</summary>
/// <param name="Dimension">Numbers per word.</param>
/// <param name="Found">Words of the vocabulary that the file has.</param>
/// <param name="Values">
/// A row per id of the vocabulary, [V, D]; padding is zero, words that the file lacks are drawn by their spelling.
/// </param>
public sealed record WordVectors(int Dimension, int Found, float[] Values)
{
    /// <summary>Reads the vectors of a vocabulary's words.</summary>
    /// <param name="path">The file.</param>
    /// <param name="vocabulary">Words that are wanted.</param>
    /// <param name="deviation">Of the normal draws for words that the file lacks.</param>
    /// <param name="stop">Gives up between two lines.</param>
    /// <exception cref="DataFormatException">A line without numbers, or with more or fewer than the first.</exception>
    /// <exception cref="OperationCanceledException">It was stopped.</exception>
    public static WordVectors Read(string path, Vocabulary vocabulary, double deviation = 0.1, CancellationToken stop = default)
    {
        using var reader = new StreamReader(DataFiles.Open(path));
        var (values, known, dimension, number) = (Array.Empty<float>(), new bool[vocabulary.Count], 0, 0);
        while (reader.ReadLine() is { } line)
        {
            stop.ThrowIfCancellationRequested();
            number++;
            if (line.Length == 0)
                continue;
            if (dimension == 0)
            {
                dimension = CountNumbers(line);
                if (dimension == 0)
                    throw new DataFormatException(path, null, $"line {number}: it must be a word and its numbers");
                values = new float[checked(vocabulary.Count * dimension)];
            }
            // A few words hold spaces: the numbers are the last columns.
            var end = line.Length;
            for (var i = 0; i < dimension && end >= 0; i++)
                end = line.LastIndexOf(' ', Math.Max(end - 1, 0), Math.Max(end, 1));
            if (end <= 0)
                throw new DataFormatException(path, null, $"line {number}: fewer than {dimension} numbers");
            var id = vocabulary[line[..end]];
            if (id == Vocabulary.Unknown)
                continue;
            var row = values.AsSpan(id * dimension, dimension);
            var column = 0;
            foreach (var range in line.AsSpan(end + 1).Split(' '))
                if (!float.TryParse(line.AsSpan(end + 1)[range], NumberStyles.Float, CultureInfo.InvariantCulture, out row[column++]))
                    throw new DataFormatException(path, null, $"line {number}: '{line.AsSpan(end + 1)[range]}' is no number");
            known[id] = true;
        }
        if (dimension == 0)
            throw new DataFormatException(path, 0, "an empty file");
        for (var id = 0; id < known.Length; id++)
        {
            if (known[id] || id == Vocabulary.Padding)
                continue;
            var random = new SampleRandom(SpellingHash(vocabulary.Words[id]), 0, 0);
            foreach (ref var value in values.AsSpan(id * dimension, dimension))
                value = (float)(deviation * random.Normal());
        }
        return new(dimension, known.Count(found => found), values);
    }

    // In the first line the word is one without spaces in all published files.
    private static int CountNumbers(string line)
    {
        var columns = line.Split(' ');
        return columns.Skip(1).All(text => float.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out _))
            ? columns.Length - 1
            : 0;
    }

    private static ulong SpellingHash(string word)
    {
        var hash = 0xCBF29CE484222325UL;
        foreach (var unit in word)
            hash = (hash ^ unit) * 0x100000001B3UL;
        return hash;
    }
}
