namespace Tessera.Training.Drawing;

/// <summary>A cell of a found network, as SVG: its states in a row, and an arc for every operation, by whose colour it is told.</summary>
/// <param name="Inputs">Names of the states that come from before.</param>
/// <param name="Nodes">Of every node the operations that it adds up, each with the number of the state that it sees.</param>
internal sealed record CellGraph(IReadOnlyList<string> Inputs, IReadOnlyList<IReadOnlyList<(int From, string Operation)>> Nodes)
{
    private const double Step = 84,
        Left = 46,
        Radius = 11,
        // Height of an arc for each state that it passes.
        Rise = 30;

    // Of the page's colours of lines.
    private static readonly int[] colors = [0, 1, 2, 3, 5, 6];

    internal string ToSvg()
    {
        string[] operations = [.. Nodes.SelectMany(node => node).Select(edge => edge.Operation).Distinct().Order(StringComparer.Ordinal)];
        var edges = Nodes
            .SelectMany((node, i) => node.Select((edge, k) => (edge.From, To: Inputs.Count + i, edge.Operation, Below: k % 2 == 1)))
            .ToArray();
        var states = Inputs.Count + Nodes.Count;
        var longest = edges.Length == 0 ? 1 : edges.Max(edge => edge.To - edge.From);
        // An arc reaches three quarters of the height of its two handles.
        var middle = longest * Rise * 0.75 + Radius + 6;
        var (width, height) = (2 * Left + (states - 1) * Step, 2 * middle);
        return $"""
            <figure><figcaption><span class="legend">{string.Concat(operations.Select(Legend))}</span></figcaption>
            <svg viewBox="0 0 {Html.At(width)} {Html.At(height)}" role="img" aria-label="the operations of a cell">
            {Svg.Lines(edges, Arc)}
            {Svg.Lines(Enumerable.Range(0, states), State)}
            </svg></figure>
            """;

        double X(int state) => Left + state * Step;

        int Color(string operation) => colors[Array.IndexOf(operations, operation) % colors.Length];

        string Legend(string operation) => $"""<span><i class="b{Color(operation)}"></i>{Html.Encode(operation)}</span>""";

        string Arc((int From, int To, string Operation, bool Below) edge)
        {
            var (x0, x1) = (Html.At(X(edge.From)), Html.At(X(edge.To)));
            var handle = Html.At(middle + (edge.Below ? 1 : -1) * (edge.To - edge.From) * Rise);
            var (y, name) = (Html.At(middle), Html.Encode($"{edge.Operation} of {Name(edge.From)}"));
            return $"""
                <path class="line s{Color(
                    edge.Operation
                )}" fill="none" d="M{x0},{y} C{x0},{handle} {x1},{handle} {x1},{y}"><title>{name}</title></path>
                """;
        }

        string State(int state) =>
            $"""
                <circle class="track" cx="{Html.At(X(state))}" cy="{Html.At(middle)}" r="{Radius}"><title>{Html.Encode(
                    Name(state)
                )}</title></circle>
                <text class="tick" x="{Html.At(X(state))}" y="{Html.At(middle + 4)}" text-anchor="middle">{Html.Encode(Short(state))}</text>
                """;

        string Name(int state) => state < Inputs.Count ? Inputs[state] : $"node {state - Inputs.Count + 1}";

        string Short(int state) => state < Inputs.Count ? $"in {state}" : Html.Fixed(state - Inputs.Count + 1, 0);
    }
}
