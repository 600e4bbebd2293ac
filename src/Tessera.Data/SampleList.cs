using System.Globalization;
using System.Text;

namespace Tessera.Data;

/// <summary>
/// Samples named in a file, one a line: images of files by their path below the folder that all have in common, or by their bare
/// name; samples of sets in one file by their number. Empty lines and lines that begin with <c>#</c> are left out. Where the file says so
/// (<see cref="SampleNameEscapes.Notice"/>), names are escaped; else they stand as they are.
/// </summary>
internal static class SampleList
{
    /// <summary>The text of a list.</summary>
    /// <param name="data">Samples to name.</param>
    /// <param name="head">A comment in the first line.</param>
    public static string Write(Dataset data, string head)
    {
        var common = Common(data);
        string[] names = [.. Enumerable.Range(0, data.Count).Select(i => data.SampleName(i)[common..])];
        var escaped = names.Any(SampleNameEscapes.Needed);
        var text = new StringBuilder($"# {SampleNameEscapes.Escape(head)}\n");
        if (escaped)
            text.Append(SampleNameEscapes.Notice).Append('\n');
        foreach (var name in names)
            text.Append(escaped ? SampleNameEscapes.Escape(name) : name).Append('\n');
        return text.ToString();
    }

    /// <summary>Positions of the named samples, ascending.</summary>
    /// <exception cref="DataException">
    /// The file cannot be read, a name is unknown, stands for several samples or comes twice, an escape is none, or there is no name.
    /// </exception>
    public static int[] Read(string path, Dataset data)
    {
        string[] lines;
        try
        {
            lines = File.ReadAllLines(path);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new DataException($"{path}: {error.Message}", error);
        }
        var common = Common(data);
        var below = new Dictionary<string, int>();
        var full = new Dictionary<string, int>();
        var bare = new Dictionary<string, int>();
        for (var i = 0; i < data.Count; i++)
        {
            // A name that several samples have stands for none of them.
            var name = data.SampleName(i);
            AddTo(full, name, i);
            AddTo(below, name[common..], i);
            AddTo(bare, Path.GetFileName(name), i);
        }
        var escaped = lines.Contains(SampleNameEscapes.Notice);
        var found = new SortedSet<int>();
        foreach (var (number, line) in lines.Index())
        {
            var name = line.Trim();
            if (name.Length == 0 || name[0] == '#')
                continue;
            var place = string.Create(CultureInfo.InvariantCulture, $"{path}:{number + 1}");
            if (escaped)
                name = SampleNameEscapes.Read(name)
                    ?? throw new DataException(
                        $"{place}: '{name}' has a backslash that begins no escape: a backslash in a name is written \\\\"
                    );
            // What is written is looked for first.
            if (!below.TryGetValue(name, out var index) && !full.TryGetValue(name, out index) && !bare.TryGetValue(name, out index))
                throw new DataException($"{place}: '{name}' is no sample of {data.Name} ({data.Split})");
            if (index < 0)
                throw new DataException(
                    $"{place}: '{name}' is the name of several samples of {data.Name} ({data.Split}): put their folder in front"
                );
            if (!found.Add(index))
                throw new DataException($"{place}: '{name}' comes a second time");
        }
        return found.Count > 0 ? [.. found] : throw new DataException($"{path}: the list names no sample");

        static void AddTo(Dictionary<string, int> names, string name, int index)
        {
            if (!names.TryAdd(name, index) && names[name] != index)
                names[name] = -1;
        }
    }

    // Length of the folder that the names of all samples begin with. A name that ends with a slash is no folder of itself: something is
    // left of every name.
    private static int Common(Dataset data)
    {
        if (data.Count == 0)
            return 0;
        var folder = Folder(data.SampleName(0));
        for (var i = 1; i < data.Count && folder.Length > 0; i++)
        {
            folder = folder[..folder.CommonPrefixLength(Folder(data.SampleName(i)))];
            folder = folder[..(folder.LastIndexOf('/') + 1)];
        }
        return folder.Length;

        static ReadOnlySpan<char> Folder(ReadOnlySpan<char> name) => name[..(name.TrimEnd('/').LastIndexOf('/') + 1)];
    }
}
