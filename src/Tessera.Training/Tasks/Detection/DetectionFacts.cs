using Tessera.Data;
using Tessera.Models;

namespace Tessera.Training.Tasks.Detection;

/// <summary>Facts about images with boxes. The model is built for its own size of images, not for that of the data.</summary>
/// <param name="Classes">Names of the classes, by number.</param>
/// <param name="Channels">Channels of an image.</param>
/// <param name="Height">Height of the images in pixels; null when they differ.</param>
/// <param name="Width">Width of the images in pixels; null when they differ.</param>
/// <param name="Mean">Mean of each channel, of values in [0, 1].</param>
/// <param name="Deviation">Standard deviation of each channel, of values in [0, 1].</param>
/// <param name="Palette">The colour of each class in pictures, as <c>#rrggbb</c>.</param>
/// <param name="CategoryIds">
/// Number of each class in the source of the data, by which results are written; null where the source has none, also for single classes.
/// </param>
public sealed record DetectionFacts(
    IReadOnlyList<string> Classes,
    int Channels,
    int? Height,
    int? Width,
    IReadOnlyList<float> Mean,
    IReadOnlyList<float> Deviation,
    IReadOnlyList<string> Palette,
    IReadOnlyList<long?>? CategoryIds = null
) : ImageFacts(Classes, Channels, Height, Width, Mean, Deviation)
{
    /// <summary>The colour of each class in pictures, as <c>#rrggbb</c>.</summary>
    /// <exception cref="ArgumentException">There is not one for every class, or one is no colour.</exception>
    public IReadOnlyList<string> Palette
    {
        get;
        init => field = ClassPalette.Check(value, Classes);
    } = ClassPalette.Check(Palette, Classes);

    /// <summary>Number of each class in the source of the data; null where the source has none.</summary>
    /// <exception cref="ArgumentException">There is not one for every class.</exception>
    public IReadOnlyList<long?>? CategoryIds
    {
        get;
        init => field = Check(value, Classes);
    } = Check(CategoryIds, Classes);

    private static IReadOnlyList<long?>? Check(IReadOnlyList<long?>? ids, IReadOnlyList<string>? classes) =>
        ids is null || ids.Count == classes?.Count
            ? ids
            : throw new ArgumentException($"there must be a category id for each of {classes?.Count ?? 0} classes, not {ids.Count}");

    /// <summary>The same as red, green and blue.</summary>
    [System.Text.Json.Serialization.JsonIgnore]
    public IReadOnlyList<(byte R, byte G, byte B)> Colors => ClassPalette.Colors(Palette);

    /// <summary>The number that results name a class by: that of the source, or else the class's own, from 1.</summary>
    /// <param name="label">Number of the class, from 0.</param>
    public long CategoryOf(int label) => HasCategories ? CategoryIds![label]!.Value : label + 1;

    /// <summary>Whether the source of the data has a number for each class.</summary>
    [System.Text.Json.Serialization.JsonIgnore]
    public bool HasCategories => CategoryIds is not null && CategoryIds.All(id => id is not null);

    /// <inheritdoc/>
    [System.Text.Json.Serialization.JsonIgnore]
    public override ModelOptions ModelDefaults => base.ModelDefaults with { ImageSize = null };

    // Black is hard to see on dark images: colours begin behind it.
    private const int FirstColor = 1;

    /// <inheritdoc/>
    public override DataFacts WithFurther(IReadOnlyList<string> classes) =>
        this with
        {
            Classes = [.. Classes, .. classes],
            Palette = [.. Palette, .. ClassPalette.Of(classes.Count, Classes.Count + FirstColor)],
            CategoryIds = CategoryIds is null ? null : [.. CategoryIds, .. classes.Select(_ => (long?)null)],
        };

    /// <summary>The facts of images with boxes.</summary>
    internal static DetectionFacts Of(ImageFacts images, ObjectBoxes boxes) =>
        new(
            images.Classes,
            images.Channels,
            images.Height,
            images.Width,
            images.Mean,
            images.Deviation,
            ClassPalette.Of(images.Classes.Count, FirstColor),
            boxes.CategoryIds
        );
}
