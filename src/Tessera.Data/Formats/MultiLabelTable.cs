using System.Text.Json;

namespace Tessera.Data.Formats;

/// <summary>An image and its labels, as a table names them.</summary>
/// <param name="Line">Where in the file, from 1.</param>
/// <param name="File">Path of the image, relative to a folder.</param>
/// <param name="Split">Part of the data set that the image belongs to; null where the table does not say.</param>
/// <param name="Labels">Names of the classes that are present; empty while <paramref name="List"/> is not taken apart.</param>
/// <param name="List">The labels as one text, where the table has them in one column.</param>
internal sealed record MultiLabelRow(int Line, string File, string? Split, IReadOnlyList<string> Labels, string? List = null);

/// <summary>A table of images with any number of labels each.</summary>
/// <remarks>
/// As CSV, the first line names the columns: the path of the image first, then either <c>labels</c> (a list in one column) or one column
/// per class that holds 0 or 1; a column <c>split</c> may name the part of the data set. As JSON: an array of <c>{ "file": ..., "labels":
/// [...] }</c> with or without <c>"split"</c>, or one object from file to labels; as JSON lines, one such object a line. Where every image
/// has one class, the CSV has one column with it, whatever its name, and JSON has <c>"label"</c> or a text in the place of the array.
/// </remarks>
/// <param name="Path">The file.</param>
/// <param name="Classes">Every class that the table decides upon; null where absent labels need not be named.</param>
/// <param name="Rows">The images, in the order of the file; at least one.</param>
internal sealed record MultiLabelTable(string Path, IReadOnlyList<string>? Classes, IReadOnlyList<MultiLabelRow> Rows)
{
    private const string LabelColumn = "labels";
    private const string SplitColumn = "split";

    /// <summary>Endings of the files that are read.</summary>
    public static IReadOnlyList<string> Extensions { get; } = [".csv", ".json", ".jsonl"];

    /// <summary>Reads a table, in the form that its ending names.</summary>
    /// <param name="path">The file, in UTF-8.</param>
    /// <param name="single">Whether every image has one class.</param>
    /// <exception cref="DataFormatException">A table that is empty or of another form, with the line.</exception>
    public static MultiLabelTable Read(string path, bool single = false)
    {
        var table = System.IO.Path.GetExtension(path) switch
        {
            ".csv" => ReadCsv(path, single),
            ".json" => new(path, null, new LabelJson(path).ReadDocument()),
            ".jsonl" => new(path, null, new LabelJson(path).ReadLines()),
            var other => throw new DataException($"{path}: '{other}' must be one of {string.Join(", ", Extensions)}"),
        };
        if (table.Rows.Count == 0)
            throw new DataFormatException(path, null, "the table names no image");
        if (table.Rows.FirstOrDefault(row => string.IsNullOrWhiteSpace(row.File)) is { } nameless)
            throw table.Wrong(nameless, "the path of the image is empty");
        return table;
    }

    /// <summary>An error in a row.</summary>
    internal DataFormatException Wrong(MultiLabelRow row, string problem) => new(Path, null, $"line {row.Line}: {problem}");

    private static MultiLabelTable ReadCsv(string path, bool single)
    {
        var records = DelimitedText.Read(path, ',', null, quoted: true);
        if (records.Count == 0)
            throw new DataFormatException(path, null, "the table is empty; its first line must name the columns");
        string[] names = [.. records[0].Fields.Select(name => name.Trim())];
        var split = Array.IndexOf(names, SplitColumn, 1);
        int[] labels = [.. Enumerable.Range(1, names.Length - 1).Where(column => column != split)];
        if (labels.Length == 0)
            throw Header($"the path of the image must be followed by a column '{LabelColumn}' or by one column per class");
        if (labels.FirstOrDefault(column => names[column].Length == 0) is var empty and > 0)
            throw Header($"column {empty + 1} has no name");
        if (names.CountBy(name => name).FirstOrDefault(name => name.Value > 1).Key is { } twice)
            throw Header($"column '{twice}' is there twice");
        if (single && labels.Length > 1)
            throw Header(
                $"one column must hold the class of the image, beside the first with its path and '{SplitColumn}', and there are "
                    + string.Join(", ", labels.Select(column => $"'{names[column]}'"))
            );
        var list = single ? labels[0] : Array.IndexOf(names, LabelColumn, 1);
        if (list > 0 && labels.Length > 1)
            throw Header(
                $"beside '{LabelColumn}' there must be no column but '{SplitColumn}', and there is '{names[labels.First(c => c != list)]}'"
            );
        var rows = records
            .Skip(1)
            .Select(record => new MultiLabelRow(
                record.Line,
                record.Fields[0].Trim(),
                split > 0 ? record.Fields[split].Trim() : null,
                list > 0 ? [] : [.. labels.Where(column => IsPresent(record, column)).Select(column => names[column])],
                list > 0 ? record.Fields[list].Trim() : null
            ));
        return new(path, list > 0 ? null : [.. labels.Select(column => names[column])], [.. rows]);

        DataFormatException Header(string problem) => new(path, null, $"line {records[0].Line}: {problem}");

        bool IsPresent((int Line, string[] Fields) record, int column) =>
            record.Fields[column].Trim() switch
            {
                "0" => false,
                "1" => true,
                var other => throw new DataFormatException(
                    path,
                    null,
                    $"line {record.Line}, column '{names[column]}': '{other}' must be 0 or 1"
                ),
            };
    }
}

/// <summary>Reads labels from JSON, with the line of each image.</summary>
internal sealed class LabelJson(string path)
{
    private readonly List<MultiLabelRow> rows = [];
    private byte[] bytes = [];
    private int first = 1; // line that `bytes` begin with
    private int line = 1;
    private int counted; // bytes that `line` takes into account

    /// <summary>An array of objects, or an object from file to labels.</summary>
    internal List<MultiLabelRow> ReadDocument()
    {
        bytes = Read();
        return Checked(() =>
        {
            var reader = new Utf8JsonReader(bytes);
            reader.Read();
            if (reader.TokenType == JsonTokenType.StartArray)
                while (Next(ref reader).TokenType != JsonTokenType.EndArray)
                    rows.Add(Entry(ref reader));
            else if (reader.TokenType == JsonTokenType.StartObject)
                while (Next(ref reader).TokenType != JsonTokenType.EndObject)
                {
                    var (place, file) = (Line(ref reader), reader.GetString()!);
                    rows.Add(new(place, file, null, Labels(ref Next(ref reader))));
                }
            else
                throw Wrong(
                    ref reader,
                    "the file must hold an array of { \"file\": ..., \"labels\": [...] } or an object from file to labels"
                );
            // The reader has an exception of its own for text behind the end.
            reader.Read();
        });
    }

    /// <summary>An object a line.</summary>
    internal List<MultiLabelRow> ReadLines()
    {
        var all = Read();
        return Checked(() =>
        {
            for (var start = 0; start < all.Length; first++)
            {
                var length = all.AsSpan(start).IndexOf((byte)'\n') is var end and >= 0 ? end : all.Length - start;
                (bytes, line, counted) = (all[start..(start + length)], first, 0);
                start += length + 1;
                if (bytes.AsSpan().Trim(" \t\r"u8).Length == 0)
                    continue;
                var reader = new Utf8JsonReader(bytes);
                reader.Read();
                rows.Add(Entry(ref reader));
                reader.Read();
            }
        });
    }

    private byte[] Read()
    {
        var all = DataFiles.ReadAll(path);
        return all is [0xEF, 0xBB, 0xBF, ..] ? all[3..] : all;
    }

    private List<MultiLabelRow> Checked(Action read)
    {
        try
        {
            read();
            return rows;
        }
        // The second comes from strings that are no UTF-8.
        catch (Exception error) when (error is JsonException or InvalidOperationException)
        {
            var place = error is JsonException { LineNumber: { } number } ? first + (int)number : line;
            throw new DataFormatException(path, null, $"line {place}: not valid JSON: {error.Message}", error);
        }
    }

    private MultiLabelRow Entry(ref Utf8JsonReader reader)
    {
        var place = Line(ref reader);
        if (reader.TokenType != JsonTokenType.StartObject)
            throw Wrong(ref reader, "an image must be { \"file\": ..., \"labels\": [...] }");
        string? file = null,
            split = null;
        IReadOnlyList<string>? labels = null;
        while (Next(ref reader).TokenType != JsonTokenType.EndObject)
        {
            var name = reader.GetString();
            Next(ref reader);
            switch (name)
            {
                case "file" when file is null:
                    file = Text(ref reader, name);
                    break;
                case "split" when split is null:
                    split = Text(ref reader, name);
                    break;
                case "labels" or "label" when labels is null:
                    labels = Labels(ref reader);
                    break;
                case "file" or "split" or "labels" or "label":
                    throw Wrong(ref reader, $"'{name}' is there twice");
                default:
                    throw Wrong(ref reader, $"'{name}' is unknown; an image has 'file', 'labels' and, where wanted, 'split'");
            }
        }
        return new(
            place,
            file ?? throw Wrong(ref reader, "an image without 'file'"),
            split,
            labels ?? throw Wrong(ref reader, "an image without 'labels'")
        );
    }

    private string Text(ref Utf8JsonReader reader, string name) =>
        reader.TokenType == JsonTokenType.String ? reader.GetString()! : throw Wrong(ref reader, $"'{name}' must be a string");

    private List<string> Labels(ref Utf8JsonReader reader)
    {
        if (reader.TokenType == JsonTokenType.String)
            return [reader.GetString()!.Trim()];
        if (reader.TokenType != JsonTokenType.StartArray)
            throw Wrong(ref reader, "labels must be an array of names, or one name");
        var labels = new List<string>();
        while (Next(ref reader).TokenType != JsonTokenType.EndArray)
            labels.Add(
                reader.TokenType == JsonTokenType.String ? reader.GetString()!.Trim() : throw Wrong(ref reader, "a label must be a string")
            );
        return labels;
    }

    private static ref Utf8JsonReader Next(ref Utf8JsonReader reader)
    {
        // An end that is missing is an exception of the reader's own.
        reader.Read();
        return ref reader;
    }

    private int Line(ref Utf8JsonReader reader)
    {
        var until = (int)reader.TokenStartIndex;
        line += bytes.AsSpan(counted..until).Count((byte)'\n');
        counted = until;
        return line;
    }

    private DataFormatException Wrong(ref Utf8JsonReader reader, string problem) => new(path, null, $"line {Line(ref reader)}: {problem}");
}
