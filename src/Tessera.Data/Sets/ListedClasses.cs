using System.Globalization;
using System.Text.RegularExpressions;

namespace Tessera.Data.Sets;

/// <summary>What <c>classes.txt</c> says of label maps: names, and values or colours of the masks where it gives them.</summary>
/// <param name="Path">The file.</param>
/// <param name="Names">Name per class.</param>
/// <param name="Values">What each value is that a line gives or its place: a class, or ignored.</param>
/// <param name="HasValues">Whether lines give values; else a line's place, from 0, is its value.</param>
/// <param name="Colors">What each colour is; empty where lines give none.</param>
internal sealed partial record ListedClasses(
    string Path,
    IReadOnlyList<string> Names,
    IReadOnlyDictionary<int, int> Values,
    bool HasValues,
    IReadOnlyList<((byte R, byte G, byte B) Color, int Class)> Colors
)
{
    /// <summary>Names of lines whose pixels do not count.</summary>
    private static readonly string[] ignored = ["ignored", "ignore"];

    private readonly record struct Line(int Number, string Name, int? Value, (byte R, byte G, byte B)? Color);

    [GeneratedRegex(@"^(\d+)\s*:\s*(.*)$")]
    private static partial Regex Value { get; }

    // As in many lists: it counts where every line has it.
    [GeneratedRegex(@"^(\d+)[\s=,;:]+(.*[^\d\s].*)$")]
    private static partial Regex AnyValue { get; }

    [GeneratedRegex(@"^(?:(?<name>.*?)[\s,;:]+)?#(?<hex>[0-9a-fA-F]{6})(?:[\s,;:]+(?<name>.*))?$")]
    private static partial Regex HexColor { get; }

    [GeneratedRegex(@"^(?<name>.*?)[\s,;:]+(?<r>\d{1,3})[\s,;]+(?<g>\d{1,3})[\s,;]+(?<b>\d{1,3})$")]
    private static partial Regex ColorLast { get; }

    [GeneratedRegex(@"^(?<r>\d{1,3})[\s,;]+(?<g>\d{1,3})[\s,;]+(?<b>\d{1,3})[\s,;:]+(?<name>.*)$")]
    private static partial Regex ColorFirst { get; }

    /// <summary>Whether all colours are levels of grey.</summary>
    internal bool IsGray => Colors.Count > 0 && Colors.All(entry => entry.Color.R == entry.Color.G && entry.Color.G == entry.Color.B);

    /// <summary>The colour of each class; null where lines give none.</summary>
    internal IReadOnlyList<(byte R, byte G, byte B)>? Palette =>
        Colors.Count == 0 ? null : [.. Names.Select((_, id) => Colors.First(entry => entry.Class == id).Color)];

    /// <summary>The rule for masks that hold numbers.</summary>
    internal LabelRule Rule
    {
        get
        {
            var table = new int[Math.Max(LabelMap.Ignored, Values.Keys.Max()) + 1];
            table.AsSpan().Fill(LabelRule.Unknown);
            table[LabelMap.Ignored] = LabelMap.Ignored;
            foreach (var (value, id) in Values)
                table[value] = id;
            return LabelRule.OfTable(table);
        }
    }

    /// <summary>Reads the file; null where there is none.</summary>
    /// <param name="root">Its folder.</param>
    /// <exception cref="DataException">A line that cannot be understood, or lines that contradict each other.</exception>
    internal static ListedClasses? Read(string root)
    {
        var path = System.IO.Path.Combine(root, "classes.txt");
        if (!File.Exists(path))
            return null;
        string[] texts = [.. DataFiles.Lines(path).Select(line => line.Trim())];
        var numbered = texts.All(text => AnyValue.IsMatch(text) && !ColorFirst.IsMatch(text));
        Line[] lines = [.. texts.Select((text, i) => Parse(path, i + 1, text, numbered ? AnyValue : Value))];
        if (lines.Length == 0)
            throw new DataFormatException(path, null, "the file must name a class a line");
        Same(lines, line => line.Value is not null, "a value in front, as in 3: tree");
        Same(lines, line => line.Color is not null, "a colour, as in tree #00ff00 or tree 0 255 0");
        var (byValue, byColor) = (lines[0].Value is not null, lines[0].Color is not null);
        var (names, values) = (new List<string>(), new Dictionary<int, int>());
        var colors = new List<((byte, byte, byte) Color, int Class)>();
        foreach (var line in lines)
        {
            var isIgnored = ignored.Contains(line.Name, StringComparer.OrdinalIgnoreCase);
            var known = names.IndexOf(line.Name);
            // Several values or colours may be one class; without them, a name that comes twice is a mistake.
            if (known >= 0 && !byValue && !byColor)
                throw Wrong(line, $"'{line.Name}' is there twice");
            var id =
                isIgnored ? LabelMap.Ignored
                : known >= 0 ? known
                : names.Count;
            if (id == names.Count && !isIgnored)
                names.Add(line.Name);
            var value = line.Value ?? line.Number - 1;
            if (!values.TryAdd(value, id))
                throw Wrong(line, $"the value {value} is there twice");
            if (line.Color is not { } color)
                continue;
            if (colors.Exists(entry => entry.Color == color))
                throw Wrong(line, $"the colour {LabelRule.Hex(LabelRule.Pack(color))} is there twice");
            colors.Add((color, id));
        }
        if (names.Count < 2)
            throw new DataFormatException(
                path,
                null,
                $"there must be at least 2 classes, and the background is one: here is {names.Count}"
            );
        if (names.Count > LabelMap.Ignored)
            throw new DataFormatException(path, null, $"{names.Count} classes: there must be at most {LabelMap.Ignored}");
        return new(path, names, values, byValue, colors);

        void Same(Line[] all, Func<Line, bool> has, string what)
        {
            if (Array.Find(all, line => has(line) != has(all[0])) is { Number: > 0 } other)
                throw Wrong(other, $"{(has(all[0]) ? "it lacks" : "it has")} {what}, and line 1 {(has(all[0]) ? "has one" : "has none")}");
        }

        DataFormatException Wrong(Line line, string problem) => new(path, null, $"line {line.Number}: {problem}");
    }

    private static Line Parse(string path, int number, string text, Regex valueForm)
    {
        int? value = null;
        if (valueForm.Match(text) is { Success: true } valued)
        {
            value = Number(valued.Groups[1].Value, ushort.MaxValue);
            text = valued.Groups[2].Value.Trim();
        }
        (byte, byte, byte)? color = null;
        if (HexColor.Match(text) is { Success: true } hex)
        {
            var packed = int.Parse(hex.Groups["hex"].Value, NumberStyles.HexNumber, CultureInfo.InvariantCulture);
            color = ((byte)(packed >> 16), (byte)(packed >> 8), (byte)packed);
            text = hex.Groups["name"].Value.Trim();
        }
        else if (Array.Find([ColorLast.Match(text), ColorFirst.Match(text)], match => match.Success) is { } parts)
        {
            byte Part(string name) => (byte)Number(parts.Groups[name].Value, byte.MaxValue);
            color = (Part("r"), Part("g"), Part("b"));
            text = parts.Groups["name"].Value.Trim();
        }
        else if (text.StartsWith('#'))
            throw new DataFormatException(path, null, $"line {number} begins with # and is no colour of six digits, as in #00ff00 tree");
        return text.Length > 0
            ? new(number, text, value, color)
            : throw new DataFormatException(path, null, $"line {number} has no name of a class");

        int Number(string digits, int largest) =>
            int.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out var parsed) && parsed <= largest
                ? parsed
                : throw new DataFormatException(path, null, $"line {number}: {digits} must be at most {largest}");
    }
}
