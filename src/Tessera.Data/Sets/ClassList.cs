using System.Globalization;
using System.Text.Json;

namespace Tessera.Data.Sets;

/// <summary>Which classes a data set of one's own, or a model from elsewhere, has, in which order.</summary>
internal static class ClassList
{
    /// <summary>The classes of <c>classes.txt</c> in its order; without one, all names by code point.</summary>
    internal static string[] Of(string root, IEnumerable<string> names) =>
        Read(root) ?? [.. names.Distinct().Order(StringComparer.Ordinal)];

    /// <summary>The classes of <c>classes.txt</c>, one a line; null where there is no such file.</summary>
    internal static string[]? Read(string root)
    {
        var path = Path.Combine(root, "classes.txt");
        if (!File.Exists(path))
            return null;
        var names = Lines(path);
        return names.CountBy(name => name).FirstOrDefault(name => name.Value > 1).Key is { } twice
            ? throw new DataFormatException(path, null, $"'{twice}' is there twice")
            : names;
    }

    /// <summary>
    /// The classes that a file lists: one name a line, a JSON list, or a JSON object of names by number, as in
    /// <c>imagenet_class_index.json</c> and in the <c>id2label</c> of a <c>config.json</c>. Where several classes have one name, their
    /// numbers are added to it.
    /// </summary>
    /// <param name="path">The file.</param>
    /// <exception cref="DataException">The file cannot be read, or names no classes, or leaves a number out.</exception>
    public static IReadOnlyList<string> ReadFile(string path)
    {
        var names = path.EndsWith(".json", StringComparison.OrdinalIgnoreCase) ? OfJson(path) : Lines(path);
        var several = names
            .CountBy(name => name, StringComparer.OrdinalIgnoreCase)
            .Where(name => name.Value > 1)
            .Select(name => name.Key)
            .ToHashSet(StringComparer.OrdinalIgnoreCase);
        return [.. names.Select((name, label) => several.Contains(name) ? $"{name} ({label})" : name)];
    }

    private static string[] Lines(string path)
    {
        string[] names = [.. DataFiles.Lines(path).Select(line => line.Trim())];
        return names.Length > 0 ? names : throw new DataFormatException(path, null, "the file must name a class a line");
    }

    private static string[] OfJson(string path)
    {
        try
        {
            using var json = JsonDocument.Parse(DataFiles.ReadAll(path));
            var list = json.RootElement;
            if (list.ValueKind == JsonValueKind.Object && list.TryGetProperty("id2label", out var labels))
                list = labels;
            string[] names = list.ValueKind switch
            {
                JsonValueKind.Array => [.. list.EnumerateArray().Select((entry, label) => Name(entry, label))],
                JsonValueKind.Object => ByNumber(list),
                _ => throw Bad("the file must hold a list of names, or an object of names by number"),
            };
            return names.Length > 0 ? names : throw Bad("the file names no classes");
        }
        catch (JsonException error)
        {
            throw new DataFormatException(path, null, $"the file is not valid JSON: {error.Message}", error);
        }

        string[] ByNumber(JsonElement entries)
        {
            var byNumber = new SortedDictionary<int, string>();
            foreach (var entry in entries.EnumerateObject())
            {
                // Both ways round are in use: { "0": "tench" } and { "tench": 0 }.
                var name = entry.Value.ValueKind == JsonValueKind.Number ? entry.Name : null;
                var number = name is null ? entry.Name : entry.Value.GetRawText();
                if (!int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var label))
                    throw Bad($"'{number}' must be the number of a class");
                if (!byNumber.TryAdd(label, name ?? Name(entry.Value, label)))
                    throw Bad($"class {label} is there twice");
            }
            var last = byNumber.Count - 1;
            return byNumber.Count == 0 || byNumber.Keys.Last() == last
                ? [.. byNumber.Values]
                : throw Bad($"class {Enumerable.Range(0, byNumber.Count).First(label => !byNumber.ContainsKey(label))} is missing");
        }

        // Either the name, or the pair of WordNet id and name.
        string Name(JsonElement entry, int label) =>
            entry.ValueKind switch
            {
                JsonValueKind.String => entry.GetString()!.Trim(),
                JsonValueKind.Array when entry.GetArrayLength() == 2 && entry[1].ValueKind == JsonValueKind.String => entry[1]
                    .GetString()!
                    .Trim(),
                _ => throw Bad($"class {label} must be a name, or a WordNet id with a name"),
            };

        DataFormatException Bad(string problem) => new(path, null, problem);
    }
}
