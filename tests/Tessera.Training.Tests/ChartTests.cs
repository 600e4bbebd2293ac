using System.Xml.Linq;

namespace Tessera.Training.Tests;

public sealed class ChartTests
{
    [Theory]
    [InlineData(0, 1, new[] { 0, 0.2, 0.4, 0.6, 0.8, 1 })]
    [InlineData(0.31, 2.4, new[] { 0, 0.5, 1, 1.5, 2, 2.5 })]
    [InlineData(3, 3, new[] { 2.7, 2.8, 2.9, 3, 3.1, 3.2, 3.3 })]
    public void Ticks_are_round_and_cover_the_range(double low, double high, double[] expected)
        => Assert.Equal(expected, Ticks.Of(low, high, 5).Select(tick => Math.Round(tick, 9)));

    [Fact]
    public void Names_cannot_break_out_of_the_drawing()
    {
        var svg = ConfusionChart.ToSvg([[3, 1], [0, 4]], ["<script>&\"", "b"]);
        Assert.Equal("svg", XElement.Parse(svg).Name.LocalName);
        Assert.DoesNotContain("<script", svg, StringComparison.Ordinal);
    }

    [Fact]
    public void A_line_of_a_single_point_is_drawn()
    {
        var figure = XElement.Parse(new LineChart("t", "x", [new("a", 0, [(1, 0.5)], Marked: true), new("empty", 1, [])], v => Html.Fixed(v, 1)).ToSvg());
        Assert.Single(figure.Descendants("circle"));
    }
}
