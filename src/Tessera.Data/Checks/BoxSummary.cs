namespace Tessera.Data.Checks;

/// <summary>Sums up the objects of a split.</summary>
/// <param name="data">The split.</param>
/// <param name="boxes">Its annotations.</param>
/// <param name="samples">What is known of each sample.</param>
internal sealed class BoxSummary(Dataset data, ObjectBoxes boxes, IReadOnlyList<ScannedSample> samples)
{
    // Coordinates are rounded to whole pixels in many sets.
    private const double Rounding = 0.5;
    private const double ManyLeaving = 0.2;

    // What is as narrow is a slip of the mouse, mostly: formats whose last pixel is inside write such boxes for a point.
    private const double Pixel = 1;

    // The box around a mask may be that much larger or smaller than the box at each edge, in pixels and as a share of the side.
    private const double MaskPixels = 2,
        MaskShare = 0.1;

    private readonly List<NamedObject> outside = [],
        flat = [],
        tiny = [],
        doubled = [],
        blank = [],
        unfit = [];

    private (int Objects, int Images, int Small, int Medium, int Large, int Most, int? Example)[] classes = [];

    // Boxes of images whose size is known; those that leave them; those that would as corners.
    private int seen,
        leaving,
        leavingAsCorners;

    /// <summary>All of it.</summary>
    internal BoxesReport Report()
    {
        classes = new (int, int, int, int, int, int, int?)[data.ClassNames.Count];
        var (perImage, crowds, ignored, masks) = (new List<int> { 0 }, 0, 0, 0);
        var unequal = new List<UnequalImage>();
        for (var i = 0; i < data.Count; i++)
        {
            var objects = boxes[i];
            crowds += objects.Count(one => one.IsCrowd);
            ignored += objects.Count(one => one is { IsIgnored: true, IsCrowd: false });
            masks += objects.Count(one => one.Mask is not null);
            var trained = objects.Count(one => one.IsTrained);
            while (perImage.Count <= trained)
                perImage.Add(0);
            perImage[trained]++;
            Count(i, objects);
            var (stated, found) = (Stated(i, objects), samples[i].Seen);
            if (stated is { } told && found is { } size && told != size)
                unequal.Add(new(i, data.SampleName(i), told, size));
            // Where the two differ, boxes are of the image that their annotations are for.
            Look(i, objects, stated ?? found);
        }
        return new(
            [
                .. data.ClassNames.Select(
                    (name, id) =>
                        new ClassObjects(
                            name,
                            classes[id].Objects,
                            classes[id].Images,
                            classes[id].Small,
                            classes[id].Medium,
                            classes[id].Large,
                            classes[id].Example
                        )
                ),
            ],
            perImage,
            crowds,
            ignored,
            masks,
            leaving,
            leaving > ManyLeaving * seen && leavingAsCorners == 0,
            outside,
            flat,
            tiny,
            doubled,
            blank,
            unfit,
            unequal
        );
    }

    private ImageSize? Stated(int index, IReadOnlyList<ImageObject> objects) =>
        boxes.Sizes?[index] ?? objects.FirstOrDefault(one => one.Mask is not null)?.Mask!.Size;

    private void Count(int index, IReadOnlyList<ImageObject> objects)
    {
        foreach (var group in objects.Where(one => one.IsTrained).GroupBy(one => one.Class))
        {
            ref var own = ref classes[group.Key];
            var count = 0;
            foreach (var area in group.Select(one => one.Area ?? one.Box.Area))
            {
                count++;
                if (area < BoxesReport.MediumArea)
                    own.Small++;
                else if (area < BoxesReport.LargeArea)
                    own.Medium++;
                else
                    own.Large++;
            }
            own.Objects += count;
            own.Images++;
            if (count > own.Most)
                (own.Most, own.Example) = (count, index);
        }
    }

    private void Look(int index, IReadOnlyList<ImageObject> objects, ImageSize? image)
    {
        var known = new HashSet<(int, ObjectBox)>();
        var masks = samples[index].Objects ?? ScannedObjects.Unknown;
        foreach (var (place, one) in objects.Index())
        {
            if (image is { } size)
                Compare(index, one, size);
            if (one.Box.Area <= 0 || one.Area <= 0)
                flat.Add(Named(index, one));
            else if (Math.Min(one.Box.Width, one.Box.Height) <= Pixel)
                tiny.Add(Named(index, one));
            if (one.IsTrained && !known.Add((one.Class, one.Box)))
                doubled.Add(Named(index, one));
            if (!masks.Bounds.TryGetValue(place, out var around))
                continue;
            if (around is not { } bounds)
                blank.Add(Named(index, one));
            else if (!Fits(bounds, image is { } whole ? Clipped(one.Box, whole) : one.Box))
                unfit.Add(Named(index, one) with { Mask = bounds });
        }
    }

    private void Compare(int index, ImageObject one, ImageSize image)
    {
        var (left, top, right, bottom) = one.Box;
        seen++;
        if (!IsInside(one.Box, image))
            leaving++;
        // The same four numbers, were they corners.
        var corners = new ObjectBox(left, top, one.Box.Width, one.Box.Height);
        if (corners.Width < 0 || corners.Height < 0 || !IsInside(corners, image))
            leavingAsCorners++;
        if (right <= 0 || bottom <= 0 || left >= image.Width || top >= image.Height)
            outside.Add(Named(index, one));
    }

    private static bool IsInside(ObjectBox box, ImageSize image) =>
        box.Left >= -Rounding && box.Top >= -Rounding && box.Right <= image.Width + Rounding && box.Bottom <= image.Height + Rounding;

    private static ObjectBox Clipped(ObjectBox box, ImageSize image) =>
        new(
            Math.Clamp(box.Left, 0, image.Width),
            Math.Clamp(box.Top, 0, image.Height),
            Math.Clamp(box.Right, 0, image.Width),
            Math.Clamp(box.Bottom, 0, image.Height)
        );

    private static bool Fits(ObjectBox mask, ObjectBox box)
    {
        var (columns, rows) = (MaskPixels + MaskShare * box.Width, MaskPixels + MaskShare * box.Height);
        return Math.Abs(mask.Left - box.Left) <= columns
            && Math.Abs(mask.Right - box.Right) <= columns
            && Math.Abs(mask.Top - box.Top) <= rows
            && Math.Abs(mask.Bottom - box.Bottom) <= rows;
    }

    private NamedObject Named(int index, ImageObject one) =>
        new(index, data.SampleName(index), one.Id, data.ClassNames[one.Class], one.Box);
}
