namespace Tessera.Models;

/// <summary>How a model sees an image, in its own terms: a map over the image, places, areas.</summary>
/// <param name="Name">What it shows, in a few words; unique among those of a model.</param>
/// <param name="Meaning">The same in a sentence, equal for all that show the same of different blocks.</param>
public sealed record Insight(string Name, string Meaning)
{
    /// <summary>Values over the image, row by row; empty for none.</summary>
    public double[] Values { get; init; } = [];

    /// <summary>Rows of the map.</summary>
    public int Height { get; init; }

    /// <summary>Columns of the map.</summary>
    public int Width { get; init; }

    /// <summary>Whether a value says if its part of the image is still there (not 0) instead of how much of something is seen.</summary>
    public bool IsPresence { get; init; }

    /// <summary>Places.</summary>
    public IReadOnlyList<Place> Places { get; init; } = [];

    /// <summary>Areas whose outlines are drawn.</summary>
    public IReadOnlyList<Area> Areas { get; init; } = [];

    /// <summary>A point, in shares of the image's width and height, that may lie outside.</summary>
    /// <param name="X">From the left.</param>
    /// <param name="Y">From the top.</param>
    /// <param name="Weight">In [0, 1]; above 1 for the point that all others belong to.</param>
    public readonly record struct Place(double X, double Y, double Weight);

    /// <summary>A rectangle, in shares of the image's width and height.</summary>
    public readonly record struct Area(double Left, double Top, double Right, double Bottom);

    /// <summary>A map over the image.</summary>
    /// <param name="name">What it shows.</param>
    /// <param name="meaning">The same in a sentence.</param>
    /// <param name="map">[rows, columns].</param>
    internal static Insight Map(string name, string meaning, Tensor map) =>
        new(name, meaning)
        {
            Values = map.To(DType.Float64).ToArray<double>(),
            Height = (int)map.Size(0),
            Width = (int)map.Size(1),
        };

    /// <summary>The length of the features at every position.</summary>
    /// <param name="name">What it shows.</param>
    /// <param name="features">[1, C, H, W].</param>
    internal static Insight Norms(string name, Tensor features) =>
        Map(name, "The length of the feature vector at every position.", features[0].To(DType.Float32).Square().Sum([0]).Sqrt());

    /// <summary>What prefix tokens (class, distillation) attend to in some of the blocks, mean over the heads.</summary>
    /// <param name="model">In evaluation.</param>
    /// <param name="attention">Weights by path, [1, heads, queries, keys].</param>
    /// <param name="grid">Of the patches, after which other tokens may come.</param>
    internal static IEnumerable<Insight> PrefixAttention(
        Backbone model,
        IReadOnlyDictionary<string, Tensor> attention,
        (int Height, int Width) grid
    )
    {
        string[] blocks = [.. model.BlockPaths.Where(path => model.NumPrefixTokensAt(path) > 0)];
        var fitting = blocks
            .Index()
            .SelectMany(block =>
                attention
                    .Where(a => a.Key.StartsWith(block.Item + ".", StringComparison.Ordinal) && a.Value.Dim == 4 && a.Value.Size(0) == 1)
                    .Select(a => (block.Index, Prefix: model.NumPrefixTokensAt(block.Item), Weights: a.Value))
            )
            .Select(a => (a.Index, a.Prefix, a.Weights, Grid: GridOf(a.Weights.Size(3) - a.Prefix, grid)))
            .Where(a => a.Grid is not null)
            .ToArray();
        foreach (var (index, prefix, weights, size) in Spread(fitting, 3))
        {
            var (rows, columns) = size!.Value;
            for (var token = 0; token < Math.Min(prefix, weights.Size(2)); token++)
                yield return Map(
                    $"{(token == 0 ? "class token" : $"token {token + 1}")}, block {index + 1}",
                    "What a token that the classifier reads attends to, mean over the heads.",
                    weights[0].To(DType.Float32).Mean([0])[token].Slice(0, prefix, prefix + rows * columns).Reshape(rows, columns)
                );
        }
    }

    // Keys may be fewer than the patches, in a grid of the same shape, or more, with further tokens behind.
    private static (int Height, int Width)? GridOf(long keys, (int Height, int Width) grid)
    {
        if (keys >= (long)grid.Height * grid.Width)
            return grid;
        for (var factor = 2; factor <= grid.Height; factor++)
            if (
                ((grid.Height + factor - 1) / factor, (grid.Width + factor - 1) / factor) is var smaller
                && smaller.Item1 * smaller.Item2 == keys
            )
                return smaller;
        return null;
    }

    /// <summary>So many of a list, from its first to its last.</summary>
    internal static IEnumerable<T> Spread<T>(IReadOnlyList<T> items, int most) =>
        items.Count <= most
            ? items
            : Enumerable.Range(0, most).Select(i => items[(int)Math.Round(i * (items.Count - 1) / (double)(most - 1))]);

    /// <summary>
    /// How much every position is attended to within its window, mean over heads and queries, with the windows' outlines.
    /// </summary>
    /// <param name="name">What it shows.</param>
    /// <param name="attention">[windows, heads, N, N] of one image.</param>
    /// <param name="window">Height and width of a window.</param>
    /// <param name="grid">Height and width of the map, without padding.</param>
    /// <param name="before">Rows and columns of padding above and to the left.</param>
    /// <param name="shift">How far the map was rolled up and to the left before it was cut.</param>
    internal static Insight OfWindows(
        string name,
        Tensor attention,
        (int Height, int Width) window,
        (int Height, int Width) grid,
        (int Rows, int Columns) before = default,
        int shift = 0
    )
    {
        var (padded, wide) = (Layers.Windows.Ceiling(grid.Height, window.Height), Layers.Windows.Ceiling(grid.Width, window.Width));
        var received = attention.To(DType.Float32).Mean([1, 2]).Unsqueeze(2); // [windows, N, 1]
        var map = Layers.Windows.Join(received, window, padded, wide); // [1, H, W, 1]
        if (shift > 0)
            map = map.Roll((shift, shift), (1, 2));
        map = map[0].Squeeze(-1).Slice(0, before.Rows, before.Rows + grid.Height).Slice(1, before.Columns, before.Columns + grid.Width);
        // A rolled map's first window begins behind the part that was rolled to its end.
        var areas =
            from top in Starts(padded, window.Height, shift - before.Rows)
            from left in Starts(wide, window.Width, shift - before.Columns)
            select new Area(
                Share(left, grid.Width),
                Share(top, grid.Height),
                Share(left + window.Width, grid.Width),
                Share(top + window.Height, grid.Height)
            );
        return Map(
            name,
            "How much every position is attended to by those of its window, mean over heads and queries; lines are the windows.",
            map
        ) with
        {
            Areas = [.. areas.Where(a => a.Right > a.Left && a.Bottom > a.Top)],
        };

        static double Share(double position, int size) => Math.Clamp(position / size, 0, 1);

        static IEnumerable<int> Starts(int size, int window, int first)
        {
            for (var start = first % window == 0 ? first : first % window - window; start < size; start += window)
                yield return start;
        }
    }
}
