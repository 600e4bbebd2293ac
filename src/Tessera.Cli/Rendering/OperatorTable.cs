using System.Globalization;
using Tessera.Models;

namespace Tessera.Cli.Rendering;

/// <summary>Ways to mix positions side by side: how they treat space and channels, and what each costs on given maps.</summary>
internal static class OperatorTable
{
    // Operations on maps of twice these sides still fit into 64 bits.
    private const int LargestSide = 1024,
        MostChannels = 65_536;

    /// <summary>What the figures mean, of operators whose sizes are not all in the map.</summary>
    internal static readonly (string Name, string Value)[] Convention =
    [
        ("weights", "weights of the operator, without biases and norms"),
        ("MACs", "multiply-accumulates per image"),
        ("reach", "positions that influence one position directly, without global gates and statistics"),
        ("doubled", "growth factors when height and width double"),
        (
            "sizes",
            "kernel 3; half as many hidden tokens as channels (mixer); 6 times the channels (gmlp); shifts over 5 (asmlp); "
                + "regions of 2 (hiremlp)"
        ),
    ];

    /// <summary>Parses maps such as <c>14x14x384,28x28x128</c> (height, width, channels); null if the text is invalid.</summary>
    internal static OperatorSizes[]? Parse(string text)
    {
        var maps = text.Split(',').Select(Map).ToArray();
        return maps.Contains(null) ? null : [.. maps.Select(map => map!)];
    }

    private static OperatorSizes? Map(string text) =>
        text.Split('x')
            .Select(number => int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var value) ? value : 0)
            .ToArray()
            is [>= 1 and <= LargestSide and var height, >= 1 and <= LargestSide and var width, >= 1 and <= MostChannels and var channels]
            ? new(height, width, channels)
            : null;

    /// <summary>The survey's tables.</summary>
    internal static TextTable Traits()
    {
        var table = new TextTable(
            new("operator"),
            new("kind"),
            new("weights are"),
            new("reach"),
            new("tied to the size"),
            new("over space"),
            new("over channels"),
            new("weights"),
            new("operations")
        );
        foreach (var (name, traits, _) in SpatialOperator.All)
            table.Add(
                name,
                traits.Kind,
                traits.Aggregation,
                traits.Reach,
                traits.ResolutionSensitive ? "yes" : "no",
                traits.Spatial,
                traits.Channel,
                traits.Parameters,
                traits.Flops
            );
        return table;
    }

    /// <summary>The exact costs.</summary>
    internal static TextTable Costs(IEnumerable<OperatorSizes> maps)
    {
        var table = new TextTable(
            new("map"),
            new("operator"),
            new("weights", true),
            new("MACs", true),
            new("reach", true),
            new("weights, doubled", true),
            new("MACs, doubled", true)
        );
        foreach (var row in Rows(maps))
            table.Add(
                row.Map,
                row.Operator,
                Count(row.Cost.Weights),
                Count(row.Cost.Macs),
                Count(row.Cost.Reach),
                Factor(row.WeightGrowth),
                Factor(row.MacGrowth)
            );
        return table;
    }

    internal static string ToCsv(IEnumerable<OperatorSizes> maps) =>
        Csv.Write(
            ["height", "width", "channels", "operator", "weights", "macs", "reach", "weights_doubled", "macs_doubled"],
            Rows(maps)
                .Select(row =>
                    (object?[])
                        [
                            row.Sizes.Height,
                            row.Sizes.Width,
                            row.Sizes.Channels,
                            row.Operator,
                            row.Cost.Weights,
                            row.Cost.Macs,
                            row.Cost.Reach,
                            row.WeightGrowth,
                            row.MacGrowth,
                        ]
                )
        );

    internal static object ToJson(IEnumerable<OperatorSizes> maps) =>
        new
        {
            Conventions = Convention.ToDictionary(fact => fact.Name, fact => fact.Value),
            Operators = SpatialOperator.All.Select(op => new { op.Name, op.Traits }),
            Costs = Rows(maps)
                .Select(row => new
                {
                    row.Sizes.Height,
                    row.Sizes.Width,
                    row.Sizes.Channels,
                    row.Operator,
                    row.Cost.Weights,
                    row.Cost.Macs,
                    row.Cost.Reach,
                    WeightsDoubled = row.WeightGrowth,
                    MacsDoubled = row.MacGrowth,
                }),
        };

    private sealed record Row(OperatorSizes Sizes, string Operator, OperatorCost Cost, double WeightGrowth, double MacGrowth)
    {
        internal string Map => $"{Sizes.Height}x{Sizes.Width}x{Sizes.Channels}";
    }

    private static IEnumerable<Row> Rows(IEnumerable<OperatorSizes> maps) =>
        maps.SelectMany(sizes =>
            SpatialOperator.All.Select(op =>
            {
                var (small, large) = (op.Cost(sizes), op.Cost(sizes with { Height = 2 * sizes.Height, Width = 2 * sizes.Width }));
                return new Row(sizes, op.Name, small, Growth(small.Weights, large.Weights), Growth(small.Macs, large.Macs));
            })
        );

    // A mixer of one channel has no hidden tokens, and so no weights that could grow.
    private static double Growth(long small, long large) => small == 0 ? 1 : Math.Round((double)large / small, 2);

    private static string Count(long value) => value.ToString("N0", CultureInfo.InvariantCulture);

    private static string Factor(double value) => string.Create(CultureInfo.InvariantCulture, $"x{value:0.##}");
}
