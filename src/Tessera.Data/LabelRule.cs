using System.Globalization;

namespace Tessera.Data;

/// <summary>
/// What the values of stored label maps mean: a class, or pixels that count neither in training nor in measuring. Every other value is an
/// error. Maps hold numbers, or colours of a table, or the one in some files and the other in others.
/// </summary>
public sealed class LabelRule
{
    /// <summary>What a value or a colour is that means nothing.</summary>
    public const int Unknown = -1;

    private const int Values = 1 << 16;
    private readonly short[] classes; // by value, up to the largest with a meaning
    private readonly Dictionary<int, short> colors; // by 0xRRGGBB

    private LabelRule(short[] classes, Dictionary<int, short> colors, bool byColor) =>
        (this.classes, this.colors, IsByColor) = (classes, colors, byColor);

    /// <summary>
    /// Whether the colours decide in files that hold numbers too: those of a palette, or levels of grey. Without, only files of colours are
    /// looked up in the table of colours.
    /// </summary>
    public bool IsByColor { get; }

    /// <summary>Whether there is a table of colours.</summary>
    public bool HasColors => colors.Count > 0;

    /// <summary>Each value is its class, and <see cref="LabelMap.Ignored"/> is ignored.</summary>
    /// <param name="count">Number of classes.</param>
    public static LabelRule Plain(int count) =>
        Of(value =>
            value < count ? value
            : value == LabelMap.Ignored ? value
            : Unknown
        );

    /// <summary>Classes count from 1; 0 and <see cref="LabelMap.Ignored"/> are ignored (ADE20K, NYUv2).</summary>
    /// <param name="count">Number of classes.</param>
    public static LabelRule FromOne(int count) =>
        Of(value =>
            value is 0 or LabelMap.Ignored ? LabelMap.Ignored
            : value <= count ? value - 1
            : Unknown
        );

    /// <summary>Any rule.</summary>
    /// <param name="classOf">The class of each value from 0 to 255, <see cref="LabelMap.Ignored"/> or <see cref="Unknown"/>.</param>
    public static LabelRule Of(Func<int, int> classOf) => OfTable([.. Enumerable.Range(0, 256).Select(classOf)]);

    /// <summary>A table from value to class.</summary>
    /// <param name="classes">
    /// By value, from 0 to at most 65535: a class, <see cref="LabelMap.Ignored"/> or <see cref="Unknown"/>. Values behind it are unknown.
    /// </param>
    /// <exception cref="ArgumentException">Too many values, or something that is no class.</exception>
    public static LabelRule OfTable(IReadOnlyList<int> classes)
    {
        if (classes.Count > Values)
            throw new ArgumentException($"{classes.Count} values: there must be at most {Values}", nameof(classes));
        return new([.. classes.Select(Checked)], [], byColor: false);
    }

    /// <summary>The same rule with a table of colours beside it.</summary>
    /// <param name="table">Class of each colour, or <see cref="LabelMap.Ignored"/>.</param>
    /// <param name="byColor">Whether the colours decide in files that hold numbers too.</param>
    /// <exception cref="ArgumentException">Something that is no class, or a colour that is there twice.</exception>
    public LabelRule WithColors(IEnumerable<((byte R, byte G, byte B) Color, int Class)> table, bool byColor) =>
        new(classes, table.ToDictionary(entry => Pack(entry.Color), entry => Checked(entry.Class)), byColor);

    /// <summary>The class of a number.</summary>
    /// <param name="value">What a mask holds.</param>
    /// <returns>The class, <see cref="LabelMap.Ignored"/> or <see cref="Unknown"/>.</returns>
    public int ClassOf(int value) => (uint)value < (uint)classes.Length ? classes[value] : Unknown;

    /// <summary>The class of a colour.</summary>
    /// <param name="color">What a mask holds.</param>
    /// <returns>The class, <see cref="LabelMap.Ignored"/> or <see cref="Unknown"/>.</returns>
    public int ClassOf((byte R, byte G, byte B) color) => OfPacked(Pack(color));

    /// <summary>The same values with a model's numbers of classes; a class that the model does not have is unknown.</summary>
    /// <param name="mapping">From the classes here.</param>
    public LabelRule Renumbered(ClassMapping mapping)
    {
        return new([.. classes.Select(Number)], colors.ToDictionary(entry => entry.Key, entry => Number(entry.Value)), IsByColor);

        short Number(short id) => id >= 0 && id < mapping.Numbers.Count ? (short)mapping.Numbers[id] : id;
    }

    /// <summary>The values that mean something, as in <c>0 to 18 and 255</c>.</summary>
    public override string ToString()
    {
        var parts = new List<string>();
        for (var value = 0; value < classes.Length; value++)
        {
            if (classes[value] == Unknown)
                continue;
            var first = value;
            while (value + 1 < classes.Length && classes[value + 1] != Unknown)
                value++;
            parts.Add(
                first == value
                    ? value.ToString(CultureInfo.InvariantCulture)
                    : string.Create(CultureInfo.InvariantCulture, $"{first}{(value == first + 1 ? ", " : " to ")}{value}")
            );
        }
        return parts.Count switch
        {
            0 => "none",
            1 => parts[0],
            _ => $"{string.Join(", ", parts[..^1])} and {parts[^1]}",
        };
    }

    /// <summary>Colours of the table, packed.</summary>
    internal IEnumerable<int> Colors => colors.Keys;

    internal int OfPacked(int color) => colors.TryGetValue(color, out var found) ? found : Unknown;

    internal static int Pack((byte R, byte G, byte B) color) => color.R << 16 | color.G << 8 | color.B;

    /// <summary>A packed colour as people write it.</summary>
    internal static string Hex(int color) => string.Create(CultureInfo.InvariantCulture, $"#{color:x6}");

    private static short Checked(int id) =>
        id is >= Unknown and <= LabelMap.Ignored
            ? (short)id
            : throw new ArgumentException($"{id} must be a class, {LabelMap.Ignored} where pixels are ignored, or {Unknown}", nameof(id));
}
