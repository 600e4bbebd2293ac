using Tessera.Models;

namespace Tessera.Training.Explain;

/// <summary>Where a model looks: a map over the image with values in [0, 1].</summary>
/// <param name="Name">What it shows.</param>
/// <param name="Values">[Height, Width], row by row.</param>
/// <param name="Height">Rows of the grid.</param>
/// <param name="Width">Columns of the grid.</param>
public sealed record HeatMap(string Name, double[] Values, int Height, int Width)
{
    /// <summary>Whether values say which parts of the image are there: those of value 0 are darkened, and nothing is coloured.</summary>
    public bool IsPresence { get; init; }

    /// <summary>Points that are drawn over it.</summary>
    public IReadOnlyList<Insight.Place> Places { get; init; } = [];

    /// <summary>Rectangles whose outlines are drawn over it.</summary>
    public IReadOnlyList<Insight.Area> Areas { get; init; } = [];

    /// <summary>What a model shows, ready to be drawn; without values the image stays as it is beneath.</summary>
    internal static HeatMap Of(Insight insight) =>
        (
            insight is { IsPresence: false, Values.Length: > 0 } ? Normalize(insight.Name, insight.Values, insight.Height, insight.Width)
            : insight.Values.Length > 0 ? new(insight.Name, insight.Values, insight.Height, insight.Width)
            : new(insight.Name, [1], 1, 1)
        ) with
        {
            IsPresence = insight.IsPresence || insight.Values.Length == 0,
            Places = insight.Places,
            Areas = insight.Areas,
        };

    /// <summary>A map of any values, scaled so that they reach from 0 to 1; all 0 when they are equal.</summary>
    internal static HeatMap Normalize(string name, double[] values, int height, int width)
    {
        var (low, high) = (values.Min(), values.Max());
        return new(name, [.. values.Select(v => high > low ? (v - low) / (high - low) : 0)], height, width);
    }

    /// <summary>Rows and columns of so many patches over an image; null when they make no grid of its shape.</summary>
    internal static (int Height, int Width)? Grid(long patches, Tensor image)
    {
        var width = (int)Math.Round(Math.Sqrt(patches * image.Size(3) / (double)image.Size(2)));
        return width > 0 && patches % width == 0 ? ((int)(patches / width), width) : null;
    }
}
