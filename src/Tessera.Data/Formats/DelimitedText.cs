using System.Text;

namespace Tessera.Data.Formats;

/// <summary>Comma- or tab-separated text. Fields with commas may be quoted, quotes inside of them doubled.</summary>
internal static class DelimitedText
{
    private const int LongestField = 1 << 20;

    /// <summary>Reads all records.</summary>
    /// <param name="path">The file, in UTF-8.</param>
    /// <param name="separator">Between fields.</param>
    /// <param name="columns">Fields that every record must have; as many as the first when null.</param>
    /// <param name="quoted">Whether quotes have a meaning: they do in CSV, not in TSV.</param>
    /// <returns>The fields of each record with the line that it starts in.</returns>
    /// <exception cref="DataFormatException">A record of another number of fields, or a quote that does not end.</exception>
    public static IReadOnlyList<(int Line, string[] Fields)> Read(string path, char separator, int? columns, bool quoted)
    {
        var text = Encoding.UTF8.GetString(DataFiles.ReadAll(path));
        var position = text.StartsWith('\uFEFF') ? 1 : 0;
        var (result, line) = (new List<(int, string[])>(), 1);
        var field = new StringBuilder();
        while (position < text.Length)
        {
            var (start, fields, ended) = (line, new List<string>(), false);
            while (!ended)
            {
                field.Clear();
                if (quoted && position < text.Length && text[position] == '"')
                    Quoted();
                while (position < text.Length && text[position] != separator && text[position] is not ('\n' or '\r'))
                    Append(text[position++]);
                fields.Add(field.ToString());
                ended = position >= text.Length || text[position] != separator;
                if (!ended)
                    position++;
            }
            if (position < text.Length && text[position] == '\r')
                position++;
            if (position < text.Length && text[position] == '\n')
                position++;
            line++;
            if (fields is [""])
                continue;
            columns ??= fields.Count;
            if (fields.Count != columns)
                throw new DataFormatException(path, null, $"line {start}: {fields.Count} fields, and there must be {columns}");
            result.Add((start, [.. fields]));
        }
        return result;

        void Quoted()
        {
            var start = line;
            for (position++; ; position++)
            {
                if (position >= text.Length)
                    throw new DataFormatException(path, null, $"line {start}: a quote that does not end");
                if (text[position] == '"')
                {
                    position++;
                    if (position >= text.Length || text[position] != '"')
                        return;
                }
                if (text[position] == '\n')
                    line++;
                Append(text[position]);
            }
        }

        void Append(char character)
        {
            if (field.Length >= LongestField)
                throw new DataFormatException(path, null, $"line {line}: a field of more than {LongestField} characters");
            field.Append(character);
        }
    }
}
