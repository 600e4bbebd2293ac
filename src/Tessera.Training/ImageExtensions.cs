using Tessera.Data;
using Tessera.Data.Images;
using Tessera.Data.Imaging;
using Tessera.Data.Transforms;
using Tessera.Models;

namespace Tessera.Training;

/// <summary>Images as models take them.</summary>
public static class ImageExtensions
{
    /// <summary>
    /// Prepares an image as a model's published figures stand for: resize, centre crop and normalisation, bit for bit what evaluation and
    /// prediction give the model.
    /// </summary>
    /// <param name="image">The image.</param>
    /// <param name="preprocessing">The model's own: <see cref="Variant.Preprocessing"/>.</param>
    /// <param name="imageSize">Height and width of the model's images in pixels, at least 1.</param>
    /// <returns>
    /// [1, C, S, S] in float32, with as many channels as <paramref name="preprocessing"/> has; owned by the current scope.
    /// </returns>
    /// <exception cref="UnreadableImageException">A damaged file.</exception>
    public static Tensor ToTensor(this Image image, Preprocessing preprocessing, int imageSize)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(imageSize, 1);
        var normalization = new Normalization(
            [.. preprocessing.Mean.Select(value => (float)value)],
            [.. preprocessing.Std.Select(value => (float)value)]
        );
        return new GivenImage(image, preprocessing.Mean.Count, normalization).Prepare(
            new Pipeline([new EvaluationCrop(imageSize, preprocessing.CropRatio, InterpolationOf(preprocessing))], normalization)
        );
    }

    /// <summary>The filter by which a model's published figures resize images.</summary>
    internal static Interpolation InterpolationOf(Preprocessing preprocessing) =>
        Enum.Parse<Interpolation>(preprocessing.Interpolation, ignoreCase: true);
}
