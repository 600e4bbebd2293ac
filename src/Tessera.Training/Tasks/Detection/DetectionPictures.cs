using System.Globalization;
using Tessera.Data;
using Tessera.Data.Imaging;
using Tessera.Training.Drawing;

namespace Tessera.Training.Tasks.Detection;

/// <summary>An object as a picture shows it.</summary>
/// <param name="Box">In pixels of the original.</param>
/// <param name="Class">Its class.</param>
/// <param name="Score">Beside the name of the class; null for none.</param>
/// <param name="Mask">Which pixels are tinted; null for none.</param>
internal sealed record ShownObject(ObjectBox Box, int Class, double? Score = null, InstanceMask? Mask = null)
{
    internal static ShownObject Of(DetectedObject one) => new(one.Box, one.Class, one.Score, one.Mask);

    internal static ShownObject Of(ImageObject one) => new(one.Box, one.Class, null, one.Mask);
}

/// <summary>Objects as pictures: boxes and masks in the colours of their classes, with names and scores.</summary>
/// <param name="classes">Names of the classes.</param>
/// <param name="colors">Colour of each class.</param>
internal sealed class DetectionPictures(IReadOnlyList<string> classes, IReadOnlyList<(byte R, byte G, byte B)> colors)
{
    // A score never falls to the length of a name.
    private const int MostLetters = 22;

    /// <summary>An image with objects; the surest lie above the others.</summary>
    /// <param name="image">The image, grey or in colours, of any size.</param>
    /// <param name="original">Size of the original, by whose pixels boxes are given.</param>
    /// <param name="objects">The surest first.</param>
    /// <param name="side">Smaller images are magnified by whole numbers up to about this size.</param>
    internal Raster Draw(Raster image, ImageSize original, IReadOnlyList<ShownObject> objects, int side) =>
        ObjectOverlay.Of(
            image,
            original,
            [.. objects.Reverse().Select(one => new DrawnObject(one.Box, Text(one), colors[one.Class], Mask: one.Mask))],
            Math.Max(1, side / Math.Max(image.Height, image.Width))
        );

    private string Text(ShownObject one)
    {
        var name = Html.Short(classes[one.Class], MostLetters);
        return one.Score is { } score ? string.Create(CultureInfo.InvariantCulture, $"{name} {score:0.00}") : name;
    }
}
