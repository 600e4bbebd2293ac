using System.Xml.Linq;

namespace Tessera.Training.Tests;

public sealed class ChartTests
{
    [Theory]
    [InlineData(0, 1, new[] { 0, 0.2, 0.4, 0.6, 0.8, 1 })]
    [InlineData(0.31, 2.4, new[] { 0, 0.5, 1, 1.5, 2, 2.5 })]
    [InlineData(3, 3, new[] { 2.7, 2.8, 2.9, 3, 3.1, 3.2, 3.3 })]
    public void Ticks_are_round_and_cover_the_range(double low, double high, double[] expected) =>
        Assert.Equal(expected, Ticks.Of(low, high, 5).Select(tick => Math.Round(tick, 9)));

    [Fact]
    public void Names_cannot_break_out_of_the_drawing()
    {
        var svg = ConfusionChart.ToSvg(
            [
                [3, 1],
                [0, 4],
            ],
            ["<script>&\"", "b"]
        );
        Assert.Equal("svg", XElement.Parse(svg).Name.LocalName);
        Assert.DoesNotContain("<script", svg, StringComparison.Ordinal);
    }

    [Fact]
    public void A_line_of_a_single_point_is_drawn()
    {
        var figure = XElement.Parse(
            new LineChart("t", "x", [new("a", 0, [(1, 0.5)], Marked: true), new("empty", 1, [])], v => Html.Fixed(v, 1)).ToSvg()
        );
        Assert.Single(figure.Descendants("circle"));
    }

    [Theory]
    [InlineData(true, new[] { 0, 2, 3 })]
    [InlineData(false, new[] { 3 })]
    public void The_front_has_those_that_none_excels_in_both(bool lowX, int[] expected) =>
        Assert.Equal(expected, ParetoFront.Of([(1, 0.5), (2, 0.4), (3, 0.6), (10, 0.9), (10, 0.8)], lowX));

    [Fact]
    public void Points_of_a_scatter_chart_lie_within_and_names_do_not_overlap()
    {
        var svg = XElement
            .Parse(
                new ScatterChart(
                    "t",
                    "x",
                    [new("first", 0, 1e6, 0.5), new("second", 1, 1.001e6, 0.5), new("third", 2, 1e9, 0.9)],
                    true,
                    v => $"{v}",
                    v => $"{v}"
                ).ToSvg()
            )
            .Descendants("svg")
            .Single();
        var dots = svg.Descendants("circle").Select(c => ((double)c.Attribute("cx")!, (double)c.Attribute("cy")!)).ToArray();
        Assert.Equal(3, dots.Length);
        Assert.All(dots, dot => Assert.True(dot.Item1 is > 60 and < 600 && dot.Item2 is > 0 and < 360));
        Assert.Equal((dots[0].Item2, true), (dots[1].Item2, dots[2].Item2 < dots[0].Item2));
        var names = svg.Descendants("text")
            .Where(t => (string?)t.Attribute("class") == "name")
            .Select(t => ((double)t.Attribute("x")!, (double)t.Attribute("y")!))
            .ToArray();
        Assert.Equal(3, names.Length);
        Assert.Equal(3, names.Distinct().Count());
    }
}
