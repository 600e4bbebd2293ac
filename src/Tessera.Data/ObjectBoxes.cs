using System.Globalization;

namespace Tessera.Data;

/// <summary>A rectangle in pixels, whose edges lie between them: the first pixel reaches from 0 to 1.</summary>
/// <param name="Left">x of the left edge.</param>
/// <param name="Top">y of the upper edge.</param>
/// <param name="Right">x of the right edge.</param>
/// <param name="Bottom">y of the lower edge.</param>
public readonly record struct ObjectBox(double Left, double Top, double Right, double Bottom)
{
    /// <summary>In pixels.</summary>
    public double Width => Right - Left;

    /// <summary>In pixels.</summary>
    public double Height => Bottom - Top;

    /// <summary>In square pixels.</summary>
    public double Area => Width * Height;

    /// <summary>Common area as a share of that of either box.</summary>
    /// <param name="other">Another box of the image.</param>
    /// <param name="isCrowd">Whether the other box is around a crowd: the share is of this box alone then.</param>
    public double Iou(ObjectBox other, bool isCrowd = false)
    {
        var width = Math.Min(Right, other.Right) - Math.Max(Left, other.Left);
        var height = Math.Min(Bottom, other.Bottom) - Math.Max(Top, other.Top);
        if (width <= 0 || height <= 0)
            return 0;
        var common = width * height;
        return common / (isCrowd ? Area : Area + other.Area - common);
    }

    /// <summary>Where the box lies in a prepared image, clipped to the visible part: of no width or height where none is.</summary>
    /// <param name="image">Where the prepared image comes from.</param>
    /// <param name="size">Its size.</param>
    public ObjectBox Follow(PreparedImage image, ImageSize size)
    {
        var (height, width) = (image.Original.Height, image.Original.Width);
        var seen = new ImageView(Top / height, Left / width, Height / height, Width / width).Intersect(image.Visible);
        var (left, right) = Follow(seen.Left, seen.Left + seen.Width, image.View.Left, image.View.Width, size.Width);
        var (top, bottom) = Follow(seen.Top, seen.Top + seen.Height, image.View.Top, image.View.Height, size.Height);
        return new(left, top, right, bottom);
    }

    private static (double Low, double High) Follow(double low, double high, double start, double length, int size)
    {
        var (a, b) = ((low - start) / length, (high - start) / length);
        // A mirrored view exchanges the edges.
        return (Math.Clamp(Math.Min(a, b) * size, 0, size), Math.Clamp(Math.Max(a, b) * size, 0, size));
    }
}

/// <summary>An object in an image: one row, which is kept or dropped as a whole.</summary>
/// <param name="Box">In pixels of the original.</param>
/// <param name="Class">Its class.</param>
/// <param name="Id">Number of the annotation in its data set.</param>
/// <param name="IsCrowd">Whether the box is around a group, of which nothing is told apart.</param>
/// <param name="IsIgnored">Whether the object counts neither in training nor in measuring.</param>
/// <param name="Area">Of the object in square pixels of the original, which may be less than the box; that of the box when null.</param>
/// <param name="Mask">Which pixels of the original belong to the object; null where that is not known.</param>
public sealed record ImageObject(
    ObjectBox Box,
    int Class,
    long Id = 0,
    bool IsCrowd = false,
    bool IsIgnored = false,
    double? Area = null,
    InstanceMask? Mask = null
)
{
    /// <summary>Whether training learns from the object, as it does not from groups and what is ignored.</summary>
    public bool IsTrained => !IsCrowd && !IsIgnored;
}

/// <summary>Objects with boxes, any number per sample, also none.</summary>
public sealed class ObjectBoxes : Annotations
{
    private readonly IReadOnlyList<IReadOnlyList<ImageObject>> objects;

    /// <summary>The objects of samples.</summary>
    /// <param name="classNames">Name per class; the position is the class.</param>
    /// <param name="objects">Objects per sample.</param>
    /// <param name="minSize">
    /// Width and height that an object needs to be kept, in pixels of the original and of the prepared image; one without an area never
    /// is.
    /// </param>
    /// <param name="source">Name of the data set in messages.</param>
    /// <exception cref="DataException">A class that does not exist, or a box whose edges are exchanged or no numbers.</exception>
    public ObjectBoxes(
        IReadOnlyList<string> classNames,
        IReadOnlyList<IReadOnlyList<ImageObject>> objects,
        double minSize = 1,
        string source = "data set"
    )
        : base(classNames)
    {
        if (minSize is not (>= 0 and < double.PositiveInfinity))
            throw new DataException($"{source}: smallest boxes of {minSize} pixels: the size must be at least 0");
        for (var i = 0; i < objects.Count; i++)
            foreach (var one in objects[i])
            {
                if (one.Class < 0 || one.Class >= classNames.Count)
                    throw new DataException($"{source}: sample {i} has class {one.Class}, but there are {classNames.Count} classes");
                var (left, top, right, bottom) = one.Box;
                if (!(double.IsFinite(one.Box.Area) && left <= right && top <= bottom))
                    throw new DataException(
                        $"{source}: sample {i} has a box of ({left}, {top}) to ({right}, {bottom}): the upper left corner must come first"
                    );
            }
        (this.objects, MinSize) = (objects, minSize);
        var trained = objects.SelectMany(own => own).Where(one => one.IsTrained);
        HasMasks = trained.Any() && trained.All(one => one.Mask is not null);
    }

    /// <summary>Width and height that an object needs to be kept, in pixels of the original and of the prepared image.</summary>
    public double MinSize { get; }

    /// <summary>Whether every object that training learns from has a mask.</summary>
    public bool HasMasks { get; private init; }

    /// <summary>Number of each image in the source of the data set; null where the source has none.</summary>
    /// <exception cref="ArgumentException">Not one number per sample.</exception>
    public IReadOnlyList<long>? ImageIds
    {
        get;
        init => field = Checked(value, Count, "samples");
    }

    /// <summary>
    /// Number of each class in the source of the data set; null where the source has none, and for a class that the source lacks.
    /// </summary>
    /// <exception cref="ArgumentException">Not one number per class.</exception>
    public IReadOnlyList<long?>? CategoryIds
    {
        get;
        init => field = Checked(value, ClassNames.Count, "classes");
    }

    /// <summary>Size of each image as the source states it; null where it states none.</summary>
    /// <exception cref="ArgumentException">Not one size per sample.</exception>
    public IReadOnlyList<ImageSize?>? Sizes
    {
        get;
        init => field = Checked(value, Count, "samples");
    }

    /// <summary>What was found out of the ordinary in the annotations as they were read.</summary>
    public IReadOnlyList<AnnotationFinding> Findings { get; init; } = [];

    /// <inheritdoc/>
    public override int Count => objects.Count;

    /// <inheritdoc/>
    public override bool FollowsView => true;

    /// <inheritdoc/>
    public override string MixingObstacle => "boxes cannot be mixed or smoothed";

    /// <summary>The objects of a sample, in pixels of the original.</summary>
    public IReadOnlyList<ImageObject> this[int index] => objects[index];

    /// <inheritdoc/>
    public override ObjectBoxes Part(IReadOnlyList<int> indices) =>
        new(ClassNames, [.. indices.Select(index => objects[index])], MinSize)
        {
            HasMasks = HasMasks,
            ImageIds = ImageIds is null ? null : [.. indices.Select(index => ImageIds[index])],
            CategoryIds = CategoryIds,
            Sizes = Sizes is null ? null : [.. indices.Select(index => Sizes[index])],
            Findings = Findings,
        };

    /// <inheritdoc/>
    public override ObjectBoxes Renumbered(ClassMapping mapping) =>
        new(
            mapping.Onto,
            [.. objects.Select(own => (IReadOnlyList<ImageObject>)[.. own.Select(one => one with { Class = mapping.Numbers[one.Class] })])],
            MinSize
        )
        {
            HasMasks = HasMasks,
            ImageIds = ImageIds,
            CategoryIds = CategoryIds is null ? null : Renumbered(CategoryIds, mapping),
            Sizes = Sizes,
            Findings = Findings,
        };

    private static long?[] Renumbered(IReadOnlyList<long?> ids, ClassMapping mapping)
    {
        var renumbered = new long?[mapping.Onto.Count];
        foreach (var (from, number) in mapping.Numbers.Index())
            if (number >= 0)
                renumbered[number] = ids[from];
        return renumbered;
    }

    private static IReadOnlyList<T>? Checked<T>(IReadOnlyList<T>? values, int count, string of) =>
        values is null || values.Count == count
            ? values
            : throw new ArgumentException($"{values.Count} values for {count} {of}", nameof(values));

    /// <inheritdoc/>
    public override IReadOnlyList<int> SamplesPerClass
    {
        get
        {
            var counts = new int[ClassNames.Count];
            foreach (var label in objects.SelectMany(own => own.Select(one => one.Class).Distinct()))
                counts[label]++;
            return counts;
        }
    }

    /// <summary>All samples are of one stratum: balanced draws know nothing of the objects in an image.</summary>
    /// <inheritdoc/>
    public override int StratumOf(int index) => 0;

    /// <inheritdoc/>
    public override string StratumName(int stratum) => "the data set";

    /// <inheritdoc/>
    public override string Describe(int index) =>
        string.Join(
            ' ',
            objects[index]
                .Select(one =>
                    string.Create(
                        CultureInfo.InvariantCulture,
                        $"{one.Id} {one.Class} {one.Box.Left} {one.Box.Top} {one.Box.Right} {one.Box.Bottom} "
                            + $"{one.IsCrowd} {one.IsIgnored} {one.Area} {one.Mask?.ToText()}"
                    )
                )
        );

    /// <inheritdoc/>
    public override Func<BoxTargets> Gather(TargetRequest request)
    {
        var images = request.ImagesOf("boxes");
        var kept = new List<ImageObject>();
        var offsets = new int[images.Count + 1];
        for (var i = 0; i < images.Count; i++)
        {
            var own = objects[request.Indices[i]];
            CheckSizes(request.Indices[i], own, images[i].Original);
            kept.AddRange(own.Select(one => Follow(one, images[i], request.Size)).OfType<ImageObject>());
            offsets[i + 1] = kept.Count;
        }
        float[] boxes =
        [
            .. kept.SelectMany(one => (float[])[(float)one.Box.Left, (float)one.Box.Top, (float)one.Box.Right, (float)one.Box.Bottom]),
        ];
        return () =>
            new(
                Tensor.From(boxes, kept.Count, 4),
                Tensor.From([.. kept.Select(one => (long)one.Class)], kept.Count),
                Tensor.From([.. kept.Select(one => one.Id)], kept.Count),
                Tensor.From([.. kept.Select(one => one.IsCrowd)], kept.Count),
                Tensor.From([.. kept.Select(one => one.IsIgnored)], kept.Count),
                Tensor.From([.. kept.Select(one => (float)one.Area!.Value)], kept.Count),
                offsets,
                images
            )
            {
                Originals = [.. request.Indices.Select(index => objects[index])],
                Size = request.Size,
                Masks = HasMasks ? [.. kept.Select(one => one.Mask)] : null,
            };
    }

    // Boxes of an image of another size lie elsewhere, and nothing would show it.
    private void CheckSizes(int index, IReadOnlyList<ImageObject> own, ImageSize image)
    {
        if ((own.FirstOrDefault(one => one.Mask is not null)?.Mask?.Size ?? Sizes?[index]) is { } stated && stated != image)
            throw new DataException(
                $"sample {index}{(ImageIds is null ? "" : $" (image {ImageIds[index]})")}: its annotations are of an image of {stated}, "
                    + $"and the image is {image}; they must be equal"
            );
    }

    private ImageObject? Follow(ImageObject one, PreparedImage image, ImageSize size)
    {
        var box = one.Box.Follow(image, size);
        // Fractions are rounded: neither is a box of the smallest size dropped for that, nor a box that only touches the image kept.
        const double Rounding = 1e-6;
        var least = Math.Max(MinSize - Rounding, Rounding);
        // The area of the object shrinks and grows as its box does.
        return Math.Min(box.Width, box.Height) >= least && Math.Min(one.Box.Width, one.Box.Height) >= least && one.Area is not <= 0
            ? one with
            {
                Box = box,
                Area = one.Area is { } area ? area * box.Area / one.Box.Area : box.Area,
            }
            : null;
    }
}

/// <summary>Objects with boxes; the objects of a sample are the rows from its offset up to the next.</summary>
/// <param name="Boxes">Left, top, right and bottom in pixels of the prepared image: [n, 4], float32.</param>
/// <param name="Classes">Class of each object, [n], int64.</param>
/// <param name="Ids">Number of each annotation in its data set, [n], int64.</param>
/// <param name="Crowd">Whether the box is around a group, [n], bool.</param>
/// <param name="Ignored">Whether the object counts neither in training nor in measuring, [n], bool.</param>
/// <param name="Areas">Area of each object in square pixels of the prepared image, [n], float32.</param>
/// <param name="Offsets">First row of each sample, and behind the last: B + 1 numbers.</param>
/// <param name="Images">Where each prepared image comes from, by which boxes are brought back to the original.</param>
public sealed record BoxTargets(
    Tensor Boxes,
    Tensor Classes,
    Tensor Ids,
    Tensor Crowd,
    Tensor Ignored,
    Tensor Areas,
    IReadOnlyList<int> Offsets,
    IReadOnlyList<PreparedImage> Images
) : Targets
{
    /// <summary>
    /// All objects of each sample in pixels of the original, also those that were dropped: what predictions are measured by.
    /// </summary>
    public IReadOnlyList<IReadOnlyList<ImageObject>> Originals { get; init; } = [];

    /// <summary>Size of the prepared images, the padding of the batch included.</summary>
    public ImageSize Size { get; init; }

    /// <summary>The mask of each row, of the original, where there is one; null where the data has no masks.</summary>
    internal IReadOnlyList<InstanceMask?>? Masks { get; init; }

    /// <inheritdoc/>
    public override int Count => Images.Count;

    /// <inheritdoc/>
    public override IEnumerable<Tensor> Tensors => [Boxes, Classes, Ids, Crowd, Ignored, Areas];

    /// <inheritdoc/>
    public override BoxTargets Slice(int start, int count)
    {
        var (first, end) = (Offsets[start], Offsets[start + count]);
        return With(tensor => tensor.Slice(0, first, end)) with
        {
            Offsets = [.. Offsets.Skip(start).Take(count + 1).Select(offset => offset - first)],
            Images = [.. Images.Skip(start).Take(count)],
            Originals = [.. Originals.Skip(start).Take(count)],
            Masks = Masks is null ? null : [.. Masks.Skip(first).Take(end - first)],
        };
    }

    /// <summary>
    /// The masks of the rows as they lie in the prepared images, made anew: [n, H, W], uint8, on the device of the boxes. A group, or what
    /// is ignored, may have no mask, and its row is 0 then.
    /// </summary>
    /// <returns>Null where the data has no masks.</returns>
    public Tensor? Bitmaps()
    {
        if (Masks is null)
            return null;
        var area = Size.Height * Size.Width;
        var bitmaps = new byte[checked(Masks.Count * area)];
        for (var sample = 0; sample < Images.Count; sample++)
        {
            ViewPlaces? places = null;
            for (var row = Offsets[sample]; row < Offsets[sample + 1]; row++)
                if (Masks[row] is { } mask)
                    mask.Follow(places ??= ViewPlaces.Of(Images[sample], Size, mask.Size), bitmaps.AsSpan(row * area, area));
        }
        return Tensor.From(bitmaps, Masks.Count, Size.Height, Size.Width).To(Boxes.Device);
    }

    /// <inheritdoc/>
    public override BoxTargets To(Device device) => With(tensor => tensor.To(device));

    /// <summary>The box targets of a batch.</summary>
    /// <exception cref="DataException">The batch has targets of another kind.</exception>
    public static BoxTargets Of(Batch batch) =>
        batch.Targets as BoxTargets ?? throw new DataException($"boxes are needed, and the batch has {batch.Targets.GetType().Name}");

    private BoxTargets With(Func<Tensor, Tensor> change) =>
        this with
        {
            Boxes = change(Boxes),
            Classes = change(Classes),
            Ids = change(Ids),
            Crowd = change(Crowd),
            Ignored = change(Ignored),
            Areas = change(Areas),
        };
}
