using Tessera.Data.Imaging;

namespace Tessera.Data.Transforms;

/// <summary>
/// A window of random height and width at a random position, as detectors are trained (<c>absolute_range</c> in mmdetection, DETR). Where
/// an image is smaller than a limit, its own side takes the place of it.
/// </summary>
/// <remarks>
/// With <paramref name="AllowEmpty"/> off, windows are drawn until one shows a pixel's width and height of an object that counts. Ten are
/// tried; the one that is drawn then is moved to one of the objects. Of an image without any, each window is taken.
/// </remarks>
/// <param name="MinSize">Least pixels of height and width, which are drawn apart from each other.</param>
/// <param name="MaxSize">Most pixels of height and width.</param>
/// <param name="AllowEmpty">Whether a window may be without an object though the image has some.</param>
public sealed record RandomSizeCrop(int MinSize = 384, int MaxSize = 600, bool AllowEmpty = true) : ImageTransform
{
    private const int Attempts = 10;

    /// <summary>Least pixels of height and width.</summary>
    public int MinSize { get; init; } = AtLeastOne(MinSize, "random_size_crop", "min_size");

    /// <summary>Most pixels of height and width.</summary>
    public int MaxSize { get; init; } =
        MaxSize >= MinSize
            ? MaxSize
            : throw new DataException($"random_size_crop: max_size of {MaxSize}: it must be at least min_size, {MinSize}");

    /// <inheritdoc/>
    public override string? Obstacle(Annotations annotations) =>
        AllowEmpty || annotations is ObjectBoxes
            ? null
            : "needs boxes to keep an object in every window (allow_empty: false), and the samples have none";

    /// <inheritdoc/>
    public override void Apply(Canvas canvas, ref SampleRandom random)
    {
        var image = new ImageSize(canvas.Image.Height, canvas.Image.Width);
        var boxes = AllowEmpty ? [] : canvas.Boxes ?? [];
        var window = Draw(image, ref random);
        for (var i = 0; boxes.Count > 0 && !boxes.Any(box => IsSeen(box, window)); i++)
            window = i < Attempts ? Draw(image, ref random) : Around(boxes[random.Below(boxes.Count)], window, image, ref random);
        Window.Cut(canvas, window.Top, window.Left, window.Height, window.Width);
    }

    private Part Draw(ImageSize image, ref SampleRandom random)
    {
        var height = Side(image.Height, ref random);
        var width = Side(image.Width, ref random);
        var top = random.Below(image.Height - height + 1);
        return new(top, random.Below(image.Width - width + 1), height, width);
    }

    private int Side(int image, ref SampleRandom random) => random.Between(Math.Min(image, MinSize), Math.Min(image, MaxSize));

    // Small objects count as far as they go.
    private static bool IsSeen(ObjectBox box, Part window) =>
        Shared(box.Left, box.Right, window.Left, window.Width) >= Math.Min(1, box.Width)
        && Shared(box.Top, box.Bottom, window.Top, window.Height) >= Math.Min(1, box.Height);

    private static double Shared(double low, double high, int start, int length) => Math.Min(high, start + length) - Math.Max(low, start);

    private static Part Around(ObjectBox box, Part window, ImageSize image, ref SampleRandom random) =>
        window with
        {
            Top = Place(box.Top, box.Bottom, window.Height, image.Height, ref random),
            Left = Place(box.Left, box.Right, window.Width, image.Width, ref random),
        };

    // Anywhere where as much of the box is seen as can be: it is inside of the window, or the window inside of it.
    private static int Place(double low, double high, int length, int image, ref SampleRandom random)
    {
        var (first, last) = ((int)Math.Ceiling(Math.Min(low, high - length)), (int)Math.Floor(Math.Max(low, high - length)));
        (first, last) = (Math.Clamp(first, 0, image - length), Math.Clamp(last, 0, image - length));
        return first < last ? random.Between(first, last) : last;
    }
}
