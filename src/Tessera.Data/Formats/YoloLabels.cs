using System.Globalization;

namespace Tessera.Data.Formats;

/// <summary>An object of YOLO's text: its class, and a box or an outline in fractions of the image.</summary>
/// <param name="Line">Where in the file, from 1.</param>
/// <param name="Class">Number of its class.</param>
/// <param name="Values">Four for a box: x and y of the middle, width, height. More for an outline: x1, y1, x2, y2, ...</param>
internal sealed record YoloObject(int Line, int Class, IReadOnlyList<double> Values)
{
    /// <summary>Whether it is an outline.</summary>
    internal bool IsOutline => Values.Count > 4;

    /// <summary>The box in pixels; around the outline where it is one.</summary>
    /// <param name="image">Size of the image.</param>
    internal ObjectBox BoxIn(ImageSize image)
    {
        if (!IsOutline)
            return new(
                (Values[0] - Values[2] / 2) * image.Width,
                (Values[1] - Values[3] / 2) * image.Height,
                (Values[0] + Values[2] / 2) * image.Width,
                (Values[1] + Values[3] / 2) * image.Height
            );
        double[] x = [.. Values.Where((_, i) => i % 2 == 0)],
            y = [.. Values.Where((_, i) => i % 2 == 1)];
        return new(x.Min() * image.Width, y.Min() * image.Height, x.Max() * image.Width, y.Max() * image.Height);
    }

    /// <summary>The mask; null for a box.</summary>
    /// <param name="image">Size of the image.</param>
    internal InstanceMask? MaskIn(ImageSize image) =>
        IsOutline
            ? InstanceMask.FromPolygons(
                image,
                [
                    [.. Values.Select((value, i) => value * (i % 2 == 0 ? image.Width : image.Height))],
                ]
            )
            : null;
}

/// <summary>Reads YOLO's text: an object a line, the number of its class before its box or its outline.</summary>
internal static class YoloLabels
{
    // A middle of a box outside of its image, or a corner of an outline that far outside, is no fraction.
    private const double Rounding = 0.01;

    /// <summary>Reads a file; an empty one has no objects.</summary>
    /// <param name="path">The file.</param>
    /// <param name="faults">Takes lines that cannot be read.</param>
    /// <exception cref="DataException">The file cannot be read, or has a problem that is not kept.</exception>
    internal static List<YoloObject> Read(string path, AnnotationFaults faults)
    {
        var objects = new List<YoloObject>();
        using var reader = new StreamReader(DataFiles.Open(path));
        for (var number = 1; reader.ReadLine() is { } line; number++)
        {
            var parts = line.Split((char[])[' ', '\t'], StringSplitOptions.RemoveEmptyEntries);
            if (parts.Length == 0)
                continue;
            if (Problem(parts, out var label, out var values) is { } problem)
                faults.Problem("lines of labels that cannot be read", path, null, $"line {number}", problem);
            else
                objects.Add(new(number, label, values));
        }
        return objects;
    }

    private static string? Problem(string[] parts, out int label, out double[] values)
    {
        values = new double[parts.Length - 1];
        // Some programs write the number of the class with a fraction.
        if (!Parse(parts[0], out var number) || number is not (>= 0 and <= int.MaxValue) || Math.Truncate(number) != number)
        {
            label = 0;
            return $"'{parts[0]}' must be the number of a class";
        }
        label = (int)number;
        for (var i = 0; i < values.Length; i++)
            if (!Parse(parts[i + 1], out values[i]))
                return $"'{parts[i + 1]}' must be a number";
        if (values.Length != 4 && (values.Length < 2 * MaskPolygon.LeastPoints || values.Length % 2 != 0))
            return $"{values.Length} numbers behind the class: there must be 4 for a box (x and y of its middle, width, height), "
                + "or the x and y of at least three points";
        foreach (var value in values)
            if (!(value >= -Rounding && value <= 1 + Rounding))
                return string.Create(
                    CultureInfo.InvariantCulture,
                    $"{value} must be from 0 to 1: coordinates are fractions of the image's sides"
                );
        return values is [_, _, var width, var height] && (width < 0 || height < 0) ? "the width and the height must be at least 0" : null;
    }

    private static bool Parse(string text, out double value) =>
        double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out value) && double.IsFinite(value);
}
