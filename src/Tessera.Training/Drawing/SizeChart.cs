namespace Tessera.Training.Drawing;

/// <summary>Images of one size.</summary>
/// <param name="Series">Number of the series that they belong to.</param>
/// <param name="Width">Columns.</param>
/// <param name="Height">Rows.</param>
/// <param name="Count">How many there are.</param>
internal readonly record struct SizeDot(int Series, int Width, int Height, int Count);

/// <summary>Sizes of images as circles over two logarithmic axes; the area of a circle goes by the number of images.</summary>
/// <param name="Title">Title above the chart.</param>
/// <param name="Series">Name of each series, in the order of the palette.</param>
/// <param name="Dots">At least one.</param>
internal sealed record SizeChart(string Title, IReadOnlyList<string> Series, IReadOnlyList<SizeDot> Dots)
{
    private const int Colors = 4;

    // Sizes that are closer than this many to a factor of two are drawn as one.
    private const double Cells = 8;
    private const double Side = 440,
        Left = 54,
        Bottom = 42,
        Top = 10,
        Right = 16,
        Largest = 17,
        Smallest = 2.2;

    internal string ToSvg()
    {
        var cells = Dots.GroupBy(dot => (dot.Series, X: Cell(dot.Width), Y: Cell(dot.Height)))
            .Select(cell =>
                (
                    cell.Key.Series,
                    Width: Mean(cell, dot => dot.Width),
                    Height: Mean(cell, dot => dot.Height),
                    Count: cell.Sum(dot => dot.Count),
                    One: cell.Select(dot => (dot.Width, dot.Height)).Distinct().Count() == 1
                )
            )
            .OrderByDescending(cell => cell.Count)
            .ToArray();
        // One range for both axes, so that squares lie on the diagonal.
        var low = Math.Log2(Dots.Min(dot => Math.Min(dot.Width, dot.Height))) - 0.5;
        var high = Math.Log2(Dots.Max(dot => Math.Max(dot.Width, dot.Height))) + 0.5;
        double most = cells[0].Count;
        double X(double value) => Left + (Math.Log2(value) - low) / (high - low) * (Side - Left - Right);
        double Y(double value) => Side - Bottom - (Math.Log2(value) - low) / (high - low) * (Side - Bottom - Top);
        var step = Math.Max(1, (int)Math.Ceiling((high - low) / 8));
        var ticks = Enumerable
            .Range((int)Math.Ceiling(low), Math.Max(1, (int)Math.Floor(high) - (int)Math.Ceiling(low) + 1))
            .Where(power => power % step == 0)
            .Select(power => Math.Pow(2, power));
        return $"""
            <figure style="max-width:560px"><figcaption>{Html.Encode(Title)}{Legend()}</figcaption>
            <svg viewBox="0 0 {Side} {Side}" role="img" aria-label="{Html.Encode(Title)}">
            {Svg.Lines(ticks, Tick)}
            <path class="diagonal" d="M{Html.At(Left)},{Html.At(Side - Bottom)} L{Html.At(Side - Right)},{Html.At(Top)}"/>
            <text class="axis" x="{Html.At((Left + Side - Right) / 2)}" y="{Side - 6}" text-anchor="middle">width in pixels</text>
            <text class="axis" transform="translate(12 {Html.At(
                (Side - Bottom) / 2
            )}) rotate(-90)" text-anchor="middle">height in pixels</text>
            {Svg.Lines(cells, Circle)}
            </svg></figure>
            """;

        string Tick(double value) =>
            $"""
                <path class="grid" d="M{Html.At(X(value))},{Top} V{Side - Bottom} M{Left},{Html.At(Y(value))} H{Side - Right}"/>
                <text class="tick" x="{Html.At(X(value))}" y="{Side - Bottom + 16}" text-anchor="middle">{Html.At(value)}</text>
                <text class="tick" x="{Left - 6}" y="{Html.At(Y(value) + 4)}" text-anchor="end">{Html.At(value)}</text>
                """;

        string Circle((int Series, double Width, double Height, int Count, bool One) cell)
        {
            var radius = Smallest + (Largest - Smallest) * Math.Sqrt(cell.Count / most);
            var size = $"{(cell.One ? "" : "about ")}{Html.Fixed(cell.Width, 0)}x{Html.Fixed(cell.Height, 0)}";
            return $"""
                <circle class="f{cell.Series % Colors}" fill-opacity=".6"
                 cx="{Html.At(X(cell.Width))}" cy="{Html.At(Y(cell.Height))}" r="{Html.At(radius)}">
                <title>{Html.Encode(Series[cell.Series])}: {Html.Integer(cell.Count)} of {size}</title></circle>
                """;
        }
    }

    private static int Cell(int side) => (int)Math.Round(Math.Log2(side) * Cells);

    private static double Mean(IEnumerable<SizeDot> dots, Func<SizeDot, int> side) =>
        dots.Sum(dot => (double)side(dot) * dot.Count) / dots.Sum(dot => (double)dot.Count);

    private string Legend() =>
        $"""<span class="legend">{string.Concat(
            Series.Select((name, s) => $"""<span><i class="b{s % Colors}"></i>{Html.Encode(name)}</span>""")
        )}</span>""";
}
