using Tessera.Models;
using Tessera.Training.Drawing;

namespace Tessera.Training.Objectives.Search;

/// <summary>What a report shows of a search of BATS: the derived cells, and the tables that speak for them.</summary>
internal static class BatsReport
{
    private static readonly string[] inputs = ["cell before last", "last cell"];

    internal static IReadOnlyList<ReportSection> Sections(BatsSupernet supernet)
    {
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        var cells = supernet.Derived();
        return
        [
            new("The normal cell", Cell(cells.Normal, supernet.Weights(reduces: false)), 1),
            new("The reduction cell", Cell(cells.Reduce, supernet.Weights(reduces: true)), 2),
        ];
    }

    private static string Cell(IReadOnlyList<BatsChoice> cell, Tensor weights) =>
        new CellGraph(
            inputs,
            [.. cell.Chunk(2).Select(pair => (IReadOnlyList<(int, string)>)[.. pair.Select(choice => (choice.Input, choice.Operation))])]
        ).ToSvg()
        + $"<pre>{Html.Encode(BatsText.Write(cell))}</pre>"
        + Table(weights.To(DType.Float64).ToArray<double>());

    // The shade of a field is the weight of the operation on the edge.
    private static string Table(double[] weights)
    {
        var count = BatsOperations.Names.Count;
        var head = string.Concat(BatsOperations.Names.Select(name => $"<th class=\"number\">{Html.Encode(name.Replace('_', ' '))}</th>"));
        var rows = Enumerable
            .Range(0, BatsSearchCell.Nodes)
            .SelectMany(node => Enumerable.Range(0, node + 2).Select(input => (Node: node, Input: input)))
            .Select(
                (edge, i) =>
                    $"<tr><td>{edge.Node + 1}</td><td>{StateName(edge.Input)}</td>"
                    + string.Concat(weights[(i * count)..((i + 1) * count)].Select(Field))
                    + "</tr>"
            );
        return $"<table><tr><th>node</th><th>input</th>{head}</tr>{string.Concat(rows)}</table>";
    }

    private static string Field(double weight) =>
        $"<td class=\"number\" style=\"background:color-mix(in srgb,var(--c0) {Html.At(weight * 80)}%,transparent)\">"
        + $"{Html.Fixed(weight, 3)}</td>";

    private static string StateName(int state) => state < inputs.Length ? inputs[state] : $"node {state - 1}";
}
