using System.Runtime.CompilerServices;
using Tessera.Data.Imaging;

namespace Tessera.Data.Transforms;

/// <summary>One step of a pipeline. Recipes name it; its fields are the record's constructor parameters.</summary>
public abstract record Transform
{
    /// <summary>
    /// Why label maps and boxes cannot follow an image through this step, which moves pixels without <see cref="ImageView"/> knowing.
    /// Null where they can.
    /// </summary>
    public virtual string? TrackingObstacle() => null;

    /// <summary>
    /// Why this step cannot be taken with samples of such annotations, as the end of a sentence that begins with its name; null where it
    /// can.
    /// </summary>
    /// <param name="annotations">Of the data set.</param>
    public virtual string? Obstacle(Annotations annotations) => null;

    /// <summary>Refuses a field that is 0 or negative.</summary>
    private protected static int AtLeastOne(int value, string transform, string field) =>
        value >= 1 ? value : throw new DataException($"{transform}: {field} of {value}: it must be at least 1");

    /// <summary>Refuses a value of pixels that is none.</summary>
    private protected static int? Byte(int? value, string transform) =>
        value is null or (>= 0 and <= 255)
            ? value
            : throw new DataException($"{transform}: a fill of {value}: it must be from 0 to 255, or left out for the mean of the data");

    /// <summary>That a step needs a class per pixel, as <see cref="Obstacle"/> says it.</summary>
    /// <param name="annotations">Of the data set.</param>
    /// <param name="purpose">What the label maps are for, in a few words.</param>
    protected static string? NeedLabelMaps(Annotations annotations, string purpose) =>
        annotations is LabelMaps ? null : $"needs label maps {purpose}, and the samples have none";
}

/// <summary>A step on one 8-bit image.</summary>
public abstract record ImageTransform : Transform
{
    /// <summary>Changes the image; every choice is drawn from <paramref name="random"/>.</summary>
    public abstract void Apply(Canvas canvas, ref SampleRandom random);

    /// <summary>Reads an image out of a file and changes it, with the same draws: steps that need a part decode less.</summary>
    /// <param name="canvas">Takes on the result.</param>
    /// <param name="file">The file.</param>
    /// <param name="channels">1 or 3.</param>
    /// <param name="shrink">Whether a JPEG may be shrunk as it is decoded, which is not exact.</param>
    /// <param name="random">Every choice is drawn from it.</param>
    /// <exception cref="UnreadableImageException">A damaged file.</exception>
    internal virtual void Apply(Canvas canvas, ImageFile file, int channels, bool shrink, ref SampleRandom random)
    {
        file.Decode(canvas.Image, channels);
        Apply(canvas, ref random);
    }
}

/// <summary>A step on one normalised image.</summary>
public abstract record FloatTransform : Transform
{
    /// <summary>Changes the image [C, H, W] in place.</summary>
    public abstract void Apply(Span<float> image, int channels, int height, int width, ref SampleRandom random);
}

/// <summary>A step on a whole batch: it may mix images and their targets.</summary>
public abstract record BatchTransform : Transform;

/// <summary>What happens to the images of a training: the transforms of each view that a batch has of them.</summary>
/// <param name="Views">A list of transforms for each view; most methods take one view.</param>
[CollectionBuilder(typeof(Augmentation), nameof(Create))]
public sealed record Augmentation(IReadOnlyList<IReadOnlyList<Transform>> Views)
{
    /// <summary>One view of every image: <c>[new RandomCrop(Pad: 4), new RandomHorizontalFlip()]</c>.</summary>
    /// <param name="transforms">In their order.</param>
    public static Augmentation Create(ReadOnlySpan<Transform> transforms) =>
        new([
            [.. transforms],
        ]);

    /// <summary>The transforms of the first view, one after the other.</summary>
    public IEnumerator<Transform> GetEnumerator() => First.GetEnumerator();

    /// <summary>The transforms of the first view.</summary>
    public IReadOnlyList<Transform> First => Views[0];
}
