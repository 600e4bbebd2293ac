namespace Tessera.Data.Checks;

/// <summary>The label maps of a split.</summary>
/// <param name="Read">How many were read; 0 where only what their files say of themselves is known.</param>
/// <param name="Pixels">Pixels of those that were read.</param>
/// <param name="Ignored">Pixels of them that count neither in training nor in measuring.</param>
/// <param name="Classes">Pixels and images of each class, in the order of the classes; empty where none was read.</param>
/// <param name="Foreign">Maps with values that are no class, by position.</param>
/// <param name="Unequal">Maps that are not as large as their images, by position.</param>
/// <param name="Unreadable">Maps that cannot be read, by position.</param>
/// <param name="Lossy">Maps in files of a format that changes values at the borders of classes: JPEG, WebP.</param>
/// <param name="Single">Maps whose pixels that count are all of one class.</param>
/// <param name="Blank">Maps without a pixel that counts.</param>
/// <param name="Kinds">Number of files by what they hold.</param>
/// <param name="Palettes">Palettes that give a value other colours than others do; one where all agree, none without palettes.</param>
/// <param name="CountsFromOne">
/// Whether no value is 0, and the only one that is no class is the number of classes: then the maps count classes from 1.
/// </param>
public sealed record LabelMapsReport(
    int Read,
    long Pixels,
    long Ignored,
    IReadOnlyList<ClassPixels> Classes,
    IReadOnlyList<ForeignValues> Foreign,
    IReadOnlyList<UnequalMap> Unequal,
    IReadOnlyList<UnreadableMap> Unreadable,
    IReadOnlyList<UnreadableMap> Lossy,
    IReadOnlyList<MapOfClass> Single,
    IReadOnlyList<NamedMap> Blank,
    IReadOnlyDictionary<string, int> Kinds,
    IReadOnlyList<PaletteUse> Palettes,
    bool CountsFromOne
)
{
    /// <summary>Share of the pixels that are ignored; 0 where none was read.</summary>
    public double IgnoredShare => Pixels == 0 ? 0 : (double)Ignored / Pixels;
}

/// <summary>How much of a split a class is.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Pixels">Pixels of it.</param>
/// <param name="Images">Images with at least one.</param>
/// <param name="Example">Position of the image with the most of them; null where there is none.</param>
public sealed record ClassPixels(string Name, long Pixels, int Images, int? Example);

/// <summary>A label map.</summary>
/// <param name="Index">Position of its sample in the split.</param>
/// <param name="Name">Its file, or the name of the sample.</param>
public record NamedMap(int Index, string Name);

/// <summary>A map of one class alone.</summary>
/// <param name="Index">Position of its sample in the split.</param>
/// <param name="Name">Its file, or the name of the sample.</param>
/// <param name="Class">The class.</param>
public sealed record MapOfClass(int Index, string Name, string Class) : NamedMap(Index, Name);

/// <summary>A map that cannot be read.</summary>
/// <param name="Index">Position of its sample in the split.</param>
/// <param name="Name">Its file, or the name of the sample.</param>
/// <param name="Problem">The reason.</param>
public sealed record UnreadableMap(int Index, string Name, string Problem) : NamedMap(Index, Name);

/// <summary>A map that is not as large as its image.</summary>
/// <param name="Index">Position of its sample in the split.</param>
/// <param name="Name">Its file, or the name of the sample.</param>
/// <param name="Map">Its size.</param>
/// <param name="Image">The size of the image, as a person sees it.</param>
public sealed record UnequalMap(int Index, string Name, ImageSize Map, ImageSize Image) : NamedMap(Index, Name);

/// <summary>A map with values that are no class.</summary>
/// <param name="Index">Position of its sample in the split.</param>
/// <param name="Name">Its file, or the name of the sample.</param>
/// <param name="Values">The most frequent of them.</param>
/// <param name="Different">How many different ones there are.</param>
/// <param name="Pixels">Pixels of all of them together.</param>
public sealed record ForeignValues(int Index, string Name, IReadOnlyList<ValueCount> Values, int Different, long Pixels)
    : NamedMap(Index, Name);

/// <summary>A value of a label map.</summary>
/// <param name="Value">A number, or a colour as <c>#rrggbb</c>.</param>
/// <param name="Pixels">Pixels that hold it.</param>
public sealed record ValueCount(string Value, long Pixels);

/// <summary>A palette of label maps.</summary>
/// <param name="Maps">How many files have it.</param>
/// <param name="First">The first of them.</param>
/// <param name="Conflict">A value to which the first palette gives another colour; null for the first.</param>
public sealed record PaletteUse(int Maps, string First, int? Conflict);
