using Tessera.Data.Imaging;

namespace Tessera.Data.Transforms;

/// <summary>
/// Padded below and to the right, up to a size and then to multiples; label maps are ignored there. A side that is larger already stays as
/// it is but for the multiple.
/// </summary>
/// <param name="Size">Least pixels of both sides; of the height where <paramref name="Width"/> is given.</param>
/// <param name="Width">Least pixels of the width; <paramref name="Size"/> when null.</param>
/// <param name="Multiple">Sides become multiples of it.</param>
/// <param name="Fill">Value of the padding, 0 to 255; the mean of the data when null, which is 0 after normalization.</param>
public sealed record Pad(int Size = 1, int? Width = null, int Multiple = 1, int? Fill = null) : ImageTransform
{
    /// <summary>Least pixels of both sides, or of the height.</summary>
    public int Size { get; init; } = AtLeastOne(Size, "pad", "size");

    /// <summary>Least pixels of the width; <see cref="Size"/> when null.</summary>
    public int? Width { get; init; } = Width is null ? null : AtLeastOne(Width.Value, "pad", "width");

    /// <summary>Sides become multiples of it.</summary>
    public int Multiple { get; init; } = AtLeastOne(Multiple, "pad", "multiple");

    /// <summary>Value of the padding; the mean of the data when null.</summary>
    public int? Fill { get; init; } = Byte(Fill, "pad");

    /// <inheritdoc/>
    public override void Apply(Canvas canvas, ref SampleRandom random)
    {
        var image = canvas.Image;
        var size = new ImageSize(Math.Max(image.Height, Size), Math.Max(image.Width, Width ?? Size)).Up(Multiple);
        Window.CutFilled(canvas, 0, 0, size.Height, size.Width, Fill);
    }
}
