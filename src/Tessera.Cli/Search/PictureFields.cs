using System.Globalization;
using Tessera.Cli.Shell;
using Tessera.Data.Formats;
using Tessera.Retrieval;

namespace Tessera.Cli.Search;

/// <summary>Fields that an index keeps of a picture: folder and state, and what a table or the command line says of it.</summary>
internal sealed class PictureFields
{
    /// <summary>Name of the folder that a picture lies in.</summary>
    internal const string Folder = "folder";

    private const string Bytes = "bytes",
        Modified = "modified";

    private readonly IReadOnlyList<(string Name, string Value)> given;
    private readonly string[] columns;
    private readonly Dictionary<string, string[]> rows; // by full path
    private readonly string? table;

    private PictureFields(IReadOnlyList<(string, string)> given, string? table, string[] columns, Dictionary<string, string[]> rows) =>
        (this.given, this.table, this.columns, this.rows) = (given, table, columns, rows);

    /// <summary>Reads what a user says of the pictures.</summary>
    /// <param name="given">NAME=VALUE each, for all pictures.</param>
    /// <param name="table">A CSV file: a row of names, then a row per picture whose first column is its file; null for none.</param>
    /// <exception cref="UserException">A field without a name, or one that is there already.</exception>
    /// <exception cref="Data.DataException">The file is no such table.</exception>
    internal static PictureFields Read(IReadOnlyList<string> given, string? table)
    {
        List<(string, string)> fields = [];
        foreach (var text in given)
        {
            var parts = text.Split('=', 2);
            if (parts.Length != 2 || parts[0].Trim().Length == 0)
                throw new UserException($"--field must be NAME=VALUE, as in place=Rome, not '{text}'");
            fields.Add((Named(parts[0].Trim(), "--field"), parts[1]));
        }
        if (table is null)
            return new(fields, null, [], []);
        var records = DelimitedText.Read(table, ',', null, quoted: true);
        if (records is not [var head, ..] || head.Fields.Length < 2)
            throw new UserException(
                $"{table}: its first row must name the columns: the file of a picture, then fields, as in file,place,year"
            );
        string[] columns = [.. head.Fields[1..].Select(name => Named(name.Trim(), table))];
        if (
            columns.Concat(fields.Select(field => field.Item1)).GroupBy(name => name).FirstOrDefault(group => group.Count() > 1) is
            { } twice
        )
            throw new UserException($"{table}: field '{twice.Key}' is there twice");
        var folder = Path.GetDirectoryName(Path.GetFullPath(table))!;
        var rows = new Dictionary<string, string[]>(StringComparer.Ordinal);
        foreach (var (line, values) in records.Skip(1))
            if (!rows.TryAdd(Path.GetFullPath(values[0], folder), values[1..]))
                throw new UserException($"{table}: line {line}: {values[0]} was there already");
        return new(fields, table, columns, rows);
    }

    private static string Named(string name, string where) =>
        name is Folder or Bytes or Modified
            ? throw new UserException($"{where}: field '{name}' is taken: it is what an index keeps of each file by itself")
        : name.Length == 0 ? throw new UserException($"{where}: a field has no name")
        : name;

    /// <summary>Whether a field is the state of a file, which is of no interest to people.</summary>
    internal static bool IsState(string name) => name is Bytes or Modified;

    /// <summary>What a user should know of the table; null for nothing.</summary>
    /// <param name="files">The pictures that were given.</param>
    internal string? Remark(IReadOnlyList<string> files)
    {
        if (table is null)
            return null;
        var found = files.Count(rows.ContainsKey);
        var others = rows.Count - found;
        var more =
            others == 0 ? ""
            : others == 1 ? "; 1 row names no picture that was given"
            : $"; {others} rows name no picture that was given";
        return string.Create(CultureInfo.InvariantCulture, $"{table}: {found:N0} of {files.Count:N0} pictures have a row{more}");
    }

    /// <summary>The fields of a picture.</summary>
    internal IReadOnlyDictionary<string, string> Of(string file)
    {
        var info = new FileInfo(file);
        var fields = new Dictionary<string, string>
        {
            [Folder] = Path.GetFileName(Path.GetDirectoryName(file)) ?? "",
            [Bytes] = info.Length.ToString(CultureInfo.InvariantCulture),
            [Modified] = Time(info),
        };
        foreach (var (name, value) in given)
            fields[name] = value;
        if (rows.TryGetValue(file, out var values))
            foreach (var (name, value) in columns.Zip(values))
                if (value.Length > 0)
                    fields[name] = value;
        return fields;
    }

    /// <summary>Whether an index has a picture as it is now: the file has not changed, and all that is said of it is there.</summary>
    internal bool IsCurrent(IndexItem item) =>
        File.Exists(item.Name) && Of(item.Name).All(field => item.Metadata.GetValueOrDefault(field.Key) == field.Value);

    private static string Time(FileInfo info) => info.LastWriteTimeUtc.ToString("yyyy-MM-ddTHH:mm:ssZ", CultureInfo.InvariantCulture);
}
