using System.Globalization;
using Tessera.Data;

namespace Tessera.Training.Tasks.Detection.Scoring;

/// <summary>What the four numbers of a box are.</summary>
internal enum BoxLayout
{
    /// <summary>Left, top, right, bottom.</summary>
    Xyxy,

    /// <summary>Left, top, width, height.</summary>
    Xywh,

    /// <summary>Middle from the left and from the top, width, height.</summary>
    Cxcywh,
}

/// <summary>How the four numbers of boxes are read.</summary>
/// <param name="Layout">What they are.</param>
/// <param name="IsRelative">Whether they are shares of width and height of the image, and not pixels.</param>
internal sealed record BoxReading(BoxLayout Layout, bool IsRelative)
{
    // Shares above this are no shares: detections may leave their image by a little.
    private const double LargestShare = 1.5;

    // Where more of all boxes leave their images than this, the reading is not the right one.
    private const double MostOutside = 0.2;

    // In pixels, or in shares: by this much a box leaves an image without being counted.
    private const double Slack = 1.5,
        RelativeSlack = 0.02;

    /// <summary>The names of the layouts, as options have them.</summary>
    internal static IReadOnlyList<string> LayoutNames { get; } = ["xyxy", "xywh", "cxcywh"];

    /// <summary>The reading that is asked for, or the only one that the boxes allow.</summary>
    /// <param name="boxes">Four numbers and the size of the image, where it is known, of all boxes.</param>
    /// <param name="layout">The layout, where it is asked for.</param>
    /// <param name="isRelative">Whether numbers are shares, where it is said.</param>
    /// <param name="source">Where the boxes come from, for messages.</param>
    /// <param name="option">Option that says the layout.</param>
    /// <param name="why">What the boxes were taken for, in a line, where nobody has said it; null where somebody has.</param>
    /// <exception cref="DataException">The boxes allow several readings.</exception>
    internal static BoxReading Of(
        IReadOnlyList<(IReadOnlyList<double> Box, ImageSize? Size)> boxes,
        BoxLayout? layout,
        bool? isRelative,
        string source,
        string option,
        out string? why
    )
    {
        why = null;
        if (boxes.Count == 0)
            return new(layout ?? BoxLayout.Xyxy, isRelative ?? false);
        var relative = isRelative ?? AreShares(boxes, source);
        if (layout is { } asked)
        {
            if (isRelative is null && relative)
                why = $"{source}: boxes are read as shares of the image; --absolute says that they are pixels";
            return new(asked, relative);
        }
        BoxLayout[] possible = [.. Possible(boxes, relative)];
        if (possible is not [var only])
        {
            var named = possible.Length > 0 ? possible : Enum.GetValues<BoxLayout>();
            throw new DataException(
                $"{source}: its boxes could be {string.Join(" or ", named.Select(Describe))}: {option} must say which, as in {option} "
                    + LayoutNames[(int)named[0]]
            );
        }
        why =
            $"{source}: boxes are read as {Describe(only)}{(relative ? ", in shares of the image" : "")}, which they alone can be; "
            + $"{option} says another";
        return new(only, relative);
    }

    // All numbers of all boxes are at most about 1, and some have a fraction: boxes of a pixel or two are of no use.
    private static bool AreShares(IReadOnlyList<(IReadOnlyList<double> Box, ImageSize? Size)> boxes, string source)
    {
        if (boxes.Any(one => one.Box.Any(number => Math.Abs(number) > LargestShare)))
            return false;
        return boxes.Any(one => one.Box.Any(number => Math.Truncate(number) != number))
            ? true
            : throw new DataException(
                $"{source}: no number of its boxes is above 1: --relative or --absolute must say whether they are shares or pixels"
            );
    }

    private static IEnumerable<BoxLayout> Possible(IReadOnlyList<(IReadOnlyList<double> Box, ImageSize? Size)> boxes, bool relative)
    {
        var ordered = boxes.All(one => one.Box[2] >= one.Box[0] && one.Box[3] >= one.Box[1]);
        if (relative)
        {
            foreach (var layout in Enum.GetValues<BoxLayout>())
                if ((layout != BoxLayout.Xyxy || ordered) && Outside(boxes, layout, inPixels: false) == 0)
                    yield return layout;
            yield break;
        }
        // Middles in pixels are rare: they must be asked for.
        if (!ordered)
        {
            yield return BoxLayout.Xywh;
            yield break;
        }
        var known = boxes.Where(one => one.Size is not null).ToArray();
        yield return BoxLayout.Xyxy;
        if (
            known.Length == 0
            || Outside(known, BoxLayout.Xywh, inPixels: true) <= MostOutside * known.Length
            || Outside(known, BoxLayout.Xyxy, inPixels: true) > 0
        )
            yield return BoxLayout.Xywh;
    }

    // Number of boxes that leave their images; in pixels, sizes must be known.
    private static int Outside(IReadOnlyList<(IReadOnlyList<double> Box, ImageSize? Size)> boxes, BoxLayout layout, bool inPixels) =>
        boxes.Count(one =>
        {
            var (left, top, right, bottom) = Edges(one.Box, layout);
            var (height, width, slack) = inPixels ? (one.Size!.Value.Height, one.Size.Value.Width, Slack) : (1, 1, RelativeSlack);
            return left < -slack || top < -slack || right > width + slack || bottom > height + slack;
        });

    /// <summary>Whether boxes look as if they were corners although they are said to be corner, width and height.</summary>
    /// <param name="boxes">Four numbers and the size of the image, where it is known, of all boxes.</param>
    internal static bool LooksLikeCorners(IReadOnlyList<(IReadOnlyList<double> Box, ImageSize? Size)> boxes) =>
        boxes.Count > 0 && Possible(boxes, relative: false).SequenceEqual([BoxLayout.Xyxy]);

    /// <summary>A box.</summary>
    /// <param name="numbers">Its four numbers.</param>
    /// <param name="size">Size of the image; needed for shares.</param>
    /// <param name="area">The product of width and height where the numbers have them.</param>
    /// <exception cref="DataException">The box ends before it begins, or the size is not known.</exception>
    internal ObjectBox Box(IReadOnlyList<double> numbers, ImageSize? size, out double? area)
    {
        if (IsRelative)
        {
            if (size is not var (height, width))
                throw new DataException(
                    "the box is in shares of an image whose size is not known: --images must name the folder of the images"
                );
            numbers = [numbers[0] * width, numbers[1] * height, numbers[2] * width, numbers[3] * height];
        }
        var (left, top, right, bottom) = Edges(numbers, Layout);
        if (left > right || top > bottom)
            throw new DataException(
                Layout == BoxLayout.Xyxy
                    ? $"the box ends at ({Text(right)}, {Text(bottom)}) before it begins at ({Text(left)}, {Text(top)})"
                    : $"the box has a size of {Text(numbers[2])} x {Text(numbers[3])}: neither may be negative"
            );
        area = Layout == BoxLayout.Xyxy ? null : numbers[2] * numbers[3];
        return new(left, top, right, bottom);
    }

    private static (double Left, double Top, double Right, double Bottom) Edges(IReadOnlyList<double> numbers, BoxLayout layout) =>
        layout switch
        {
            BoxLayout.Xyxy => (numbers[0], numbers[1], numbers[2], numbers[3]),
            BoxLayout.Xywh => (numbers[0], numbers[1], numbers[0] + numbers[2], numbers[1] + numbers[3]),
            _ => (numbers[0] - numbers[2] / 2, numbers[1] - numbers[3] / 2, numbers[0] + numbers[2] / 2, numbers[1] + numbers[3] / 2),
        };

    private static string Describe(BoxLayout layout) =>
        layout switch
        {
            BoxLayout.Xyxy => "x1 y1 x2 y2",
            BoxLayout.Xywh => "x y width height",
            _ => "the middle's x and y, width and height",
        };

    private static string Text(double number) => number.ToString(CultureInfo.InvariantCulture);
}
