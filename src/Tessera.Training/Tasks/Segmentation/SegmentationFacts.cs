using Tessera.Data;
using Tessera.Models;

namespace Tessera.Training.Tasks.Segmentation;

/// <summary>Facts about images with label maps. The model is built for its own size of images, not for that of the data.</summary>
/// <param name="Classes">Names of the classes, by number.</param>
/// <param name="Channels">Channels of an image.</param>
/// <param name="Height">Height of the images in pixels; null when they differ.</param>
/// <param name="Width">Width of the images in pixels; null when they differ.</param>
/// <param name="Mean">Mean of each channel, of values in [0, 1].</param>
/// <param name="Deviation">Standard deviation of each channel, of values in [0, 1].</param>
/// <param name="Palette">The colour of each class in pictures, as <c>#rrggbb</c>.</param>
/// <param name="Labelled">Classes that the data has; further ones are the model's alone. Null for all.</param>
public sealed record SegmentationFacts(
    IReadOnlyList<string> Classes,
    int Channels,
    int? Height,
    int? Width,
    IReadOnlyList<float> Mean,
    IReadOnlyList<float> Deviation,
    IReadOnlyList<string> Palette,
    int? Labelled = null
) : ImageFacts(Classes, Channels, Height, Width, Mean, Deviation)
{
    /// <summary>The colour of each class in pictures, as <c>#rrggbb</c>.</summary>
    /// <exception cref="ArgumentException">There is not one for every class, or one is no colour.</exception>
    public IReadOnlyList<string> Palette
    {
        get;
        init => field = ClassPalette.Check(value, Classes);
    } = ClassPalette.Check(Palette, Classes);

    /// <summary>The same as red, green and blue.</summary>
    [System.Text.Json.Serialization.JsonIgnore]
    public IReadOnlyList<(byte R, byte G, byte B)> Colors => ClassPalette.Colors(Palette);

    /// <inheritdoc/>
    [System.Text.Json.Serialization.JsonIgnore]
    public override ModelOptions ModelDefaults => base.ModelDefaults with { ImageSize = null };

    /// <inheritdoc/>
    public override DataFacts WithFurther(IReadOnlyList<string> classes) =>
        this with
        {
            Classes = [.. Classes, .. classes],
            Palette = [.. Palette, .. ClassPalette.Of(classes.Count, Classes.Count)],
        };

    /// <summary>The colours of a data set as text; those of Pascal VOC where it has none of its own.</summary>
    /// <param name="maps">Its label maps.</param>
    internal static IReadOnlyList<string> PaletteOf(LabelMaps maps) =>
        [.. (maps.Palette ?? LabelPalette.Of(maps.ClassNames.Count)).Select(ClassPalette.Text)];
}
