using System.Globalization;
using System.Text;
using YamlDotNet.RepresentationModel;

namespace Tessera.Data.Formats;

/// <summary>What a YOLO data file (<c>data.yaml</c>) says.</summary>
/// <param name="Root">Folder that the paths are relative to, where it is given.</param>
/// <param name="Splits">Folders or lists of images by split, as they are given.</param>
/// <param name="Classes">Numbers and names, by ascending number.</param>
/// <param name="SkipsUnlabelled">Whether images without a file of labels are no part of the data.</param>
internal sealed record YoloConfig(
    string? Root,
    IReadOnlyDictionary<string, IReadOnlyList<string>> Splits,
    IReadOnlyList<(int Number, string Name)> Classes,
    bool SkipsUnlabelled
)
{
    private const int Longest = 1 << 20,
        MostNested = 32;

    private static readonly string[] splits = ["train", "val", "test"];

    /// <summary>Reads a file.</summary>
    /// <exception cref="DataException">The file is no YAML, or lacks what it must say.</exception>
    internal static YoloConfig Read(string path)
    {
        var map = Load(path);
        var found = new Dictionary<string, IReadOnlyList<string>>();
        foreach (var split in splits)
            if (Child(map, split) is { } paths && Paths(paths) is { Count: > 0 } given)
                found[split] = given;
        if (Child(map, "names") is not { } names)
            throw Wrong(path, map, "'names' must list the classes");
        var classes = ReadClasses(path, names);
        if (Child(map, "nc") is { } count && Text(count) != classes.Count.ToString(CultureInfo.InvariantCulture))
            throw Wrong(path, count, $"'nc' is {Text(count)}, and 'names' has {classes.Count}: they must be equal");
        return new(
            Child(map, "path") is { } root ? Text(root) : null,
            found,
            classes,
            Child(map, "skip_if_label_file_missing") is { } skips && Text(skips) is "true" or "True"
        );

        IReadOnlyList<string> Paths(YamlNode node) =>
            node switch
            {
                YamlSequenceNode list => [.. list.Select(one => Text(one) ?? throw Wrong(path, one, "a path must be a text"))],
                YamlScalarNode { Value: null or "" or "null" or "~" } => [],
                YamlScalarNode one => [one.Value!],
                _ => throw Wrong(path, node, "a split must be a path, or a list of paths"),
            };
    }

    /// <summary>Whether a file is one: a map with <c>names</c>.</summary>
    internal static bool Is(string path)
    {
        try
        {
            return Child(Load(path), "names") is not null;
        }
        catch (DataException)
        {
            // Whatever else it is, it is no such file.
            return false;
        }
    }

    private static IReadOnlyList<(int Number, string Name)> ReadClasses(string path, YamlNode names)
    {
        var found = new SortedDictionary<int, string>();
        switch (names)
        {
            case YamlSequenceNode list:
                foreach (var (number, name) in list.Index())
                    found.Add(number, Name(name));
                break;
            case YamlMappingNode map:
                foreach (var (key, name) in map)
                    if (!int.TryParse(Text(key), NumberStyles.None, CultureInfo.InvariantCulture, out var number))
                        throw Wrong(path, key, $"'names' has '{Text(key)}', which must be the number of a class");
                    else if (!found.TryAdd(number, Name(name)))
                        throw Wrong(path, key, $"'names' has class {number} twice");
                break;
            default:
                throw Wrong(path, names, "'names' must be a list of names, or names by number");
        }
        if (found.Values.CountBy(name => name).FirstOrDefault(name => name.Value > 1).Key is { } twice)
            throw Wrong(path, names, $"'names' has '{twice}' twice");
        return found.Count > 0 ? [.. found.Select(one => (one.Key, one.Value))] : throw Wrong(path, names, "'names' lists no class");

        string Name(YamlNode node) =>
            Text(node)?.Trim() is { Length: > 0 } name ? name : throw Wrong(path, node, "a class must have a name");
    }

    private static YamlMappingNode Load(string path)
    {
        if (new FileInfo(path) is { Exists: true, Length: > Longest })
            throw new DataFormatException(path, null, $"the file has more than {Longest} bytes, and says which images there are");
        var stream = YamlText.Load(
            Encoding.UTF8.GetString(DataFiles.ReadAll(path)).TrimStart('\uFEFF'),
            MostNested,
            (line, problem, inner) => new DataFormatException(path, null, line is null ? problem : $"line {line}: {problem}", inner)
        );
        return stream.Documents is [{ RootNode: YamlMappingNode map }, ..]
            ? map
            : throw new DataFormatException(path, null, "the file must hold fields, such as train, val and names");
    }

    private static YamlNode? Child(YamlMappingNode map, string name) => map.Children.FirstOrDefault(child => Text(child.Key) == name).Value;

    private static string? Text(YamlNode node) => (node as YamlScalarNode)?.Value;

    private static DataFormatException Wrong(string path, YamlNode node, string problem) =>
        new(path, null, $"line {node.Start.Line}: {problem}");
}
