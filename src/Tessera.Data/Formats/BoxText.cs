using System.Globalization;

namespace Tessera.Data.Formats;

/// <summary>A box in a line of text.</summary>
/// <param name="Line">Where in the file, from 1.</param>
/// <param name="Class">Name or number of its class.</param>
/// <param name="Score">How sure the model is; null in files of objects.</param>
/// <param name="Box">Four numbers.</param>
/// <param name="IsDifficult">Whether the object is marked as one that need not be found.</param>
internal sealed record BoxLine(int Line, string Class, double? Score, double[] Box, bool IsDifficult);

/// <summary>
/// Boxes as text, a file for each image and a line for each box: <c>class score a b c d</c> for detections, <c>class a b c d</c> for
/// objects, where <c>difficult</c> may follow.
/// </summary>
internal static class BoxText
{
    private const string Difficult = "difficult";
    private const int Numbers = 4;

    /// <summary>Reads the file of an image.</summary>
    /// <param name="path">The file; it may be empty.</param>
    /// <param name="scored">Whether lines have scores.</param>
    /// <exception cref="DataException">The file cannot be read, or a line has another form.</exception>
    internal static IReadOnlyList<BoxLine> Read(string path, bool scored)
    {
        var found = new List<BoxLine>();
        using var reader = new StreamReader(DataFiles.Open(path));
        for (var line = 1; reader.ReadLine() is { } text; line++)
        {
            var fields = text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
            if (fields.Length == 0)
                continue;
            var isDifficult = !scored && fields.Length == Numbers + 2 && fields[^1] == Difficult;
            var count = fields.Length - (isDifficult ? 1 : 0);
            if (count != Numbers + (scored ? 2 : 1))
                throw Wrong(
                    line,
                    scored
                        ? $"{fields.Length} fields, and a detection must have 6: class score and four numbers"
                        : $"{fields.Length} fields, and an object must have 5: class and four numbers; '{Difficult}' may follow"
                );
            double[] numbers = [.. fields[1..count].Select((field, i) => Number(line, i + 2, field))];
            found.Add(new(line, fields[0], scored ? numbers[0] : null, scored ? numbers[1..] : numbers, isDifficult));
        }
        return found;

        double Number(int line, int place, string field) =>
            double.TryParse(field, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) && double.IsFinite(number)
                ? number
                : throw Wrong(line, $"field {place} is '{field}', and must be a number");

        DataFormatException Wrong(int line, string problem) => new(path, null, $"line {line}: {problem}");
    }
}
