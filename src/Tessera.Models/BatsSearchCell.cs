using Tessera.Models.Layers;

namespace Tessera.Models;

/// <summary>
/// A cell in which every edge mixes all operations by a softmax over its row of a table, which is what BATS searches with (Bulat et al.,
/// 2020, arXiv:2003.01711, section 4.2). A temperature below 1 lets an operation win early.
/// </summary>
public sealed class BatsSearchCell : Module<(Tensor BeforeLast, Tensor Last, Tensor Weights), Tensor>
{
    /// <summary>Nodes of a cell.</summary>
    public const int Nodes = 4;

    /// <summary>Edges of a cell: every node sees both inputs and all nodes before it.</summary>
    public const int Edges = Nodes * (Nodes + 3) / 2;

    private readonly Layer pre0,
        pre1;
    private readonly ModuleList<Layer>[] edges;

    /// <summary>A cell with all operations on every edge.</summary>
    /// <param name="beforeLast">Channels of the cell before last.</param>
    /// <param name="last">Channels of the last cell.</param>
    /// <param name="channels">Channels of a node.</param>
    /// <param name="reduces">Whether it halves the map.</param>
    /// <param name="afterReduction">Whether the last cell has halved the map.</param>
    /// <param name="style">How convolutions are made.</param>
    public BatsSearchCell(int beforeLast, int last, int channels, bool reduces, bool afterReduction, BatsStyle style)
    {
        pre0 = BatsOperations.Preprocess(beforeLast, channels, afterReduction, style);
        pre1 = BatsOperations.Preprocess(last, channels, halves: false, style);
        edges =
        [
            .. from node in Enumerable.Range(0, Nodes)
            from input in Enumerable.Range(0, node + 2)
            let stride = reduces && input < 2 ? 2 : 1
            select new ModuleList<Layer>(BatsOperations.Names.Select(name => BatsOperations.Create(name, channels, stride, style))),
        ];
    }

    /// <inheritdoc/>
    protected override void ListMembers(Members members)
    {
        members.Add("pre0", pre0);
        members.Add("pre1", pre1);
        foreach (var (i, edge) in edges.Index())
            members.Add($"edges.{i}.ops", edge);
    }

    /// <summary>The nodes side by side, [B, 4 C, H, W].</summary>
    /// <param name="beforeLast">Map of the cell before last.</param>
    /// <param name="last">Map of the last cell.</param>
    /// <param name="weights">Weight of every operation on every edge, [14, 8].</param>
    public Tensor Call(Tensor beforeLast, Tensor last, Tensor weights) => Call((beforeLast, last, weights));

    /// <inheritdoc/>
    protected override Tensor Forward((Tensor BeforeLast, Tensor Last, Tensor Weights) input)
    {
        List<Tensor> states = [pre0.Call(input.BeforeLast), pre1.Call(input.Last)];
        var edge = 0;
        for (var node = 0; node < Nodes; node++)
        {
            Tensor? sum = null;
            foreach (var state in states)
            {
                for (var k = 0; k < BatsOperations.Names.Count; k++)
                {
                    var one = edges[edge][k].Call(state) * input.Weights.Select(0, edge).Select(0, k);
                    sum = sum is null ? one : sum + one;
                }
                edge++;
            }
            states.Add(sum!);
        }
        return Torch.Cat(states.Skip(2).ToArray(), 1);
    }

    /// <summary>Weights of the operations of every edge.</summary>
    /// <param name="table">The learned table, [14, 8].</param>
    /// <param name="temperature">T, above 0: 1 is DARTS.</param>
    public static Tensor Weights(Tensor table, double temperature) => Torch.Scope(() => (table / temperature).Softmax(-1));

    /// <summary>Mean entropy of the edges' weights, in nats.</summary>
    /// <param name="weights">Of <see cref="Weights"/>.</param>
    public static Tensor Entropy(Tensor weights) => Torch.Scope(() => -(weights * weights.Log()).Sum([-1]).Mean());

    /// <summary>
    /// The cell that the weights speak for: of every node the two inputs whose best operation weighs most, with that operation, the
    /// heavier first; <c>none</c> is left out.
    /// </summary>
    /// <param name="weights">Of <see cref="Weights"/>.</param>
    public static IReadOnlyList<BatsChoice> Derive(Tensor weights)
    {
        var (values, count) = (weights.To(DType.Float64).ToArray<double>(), BatsOperations.Names.Count);
        List<BatsChoice> result = [];
        var first = 0;
        for (var node = 0; node < Nodes; node++)
        {
            var start = first;
            result.AddRange(
                Enumerable
                    .Range(0, node + 2)
                    .Select(input =>
                    {
                        var row = (start + input) * count;
                        var best = Enumerable.Range(1, count - 1).MaxBy(k => values[row + k]);
                        return (Choice: new BatsChoice(BatsOperations.Names[best], input), Weight: values[row + best]);
                    })
                    .OrderByDescending(one => one.Weight)
                    .Take(2)
                    .Select(one => one.Choice)
            );
            first += node + 2;
        }
        return result;
    }
}

/// <summary>An operation on an input of a node.</summary>
/// <param name="Operation">Its name among <see cref="BatsOperations.Names"/>.</param>
/// <param name="Input">0 and 1 are the cells before, from 2 on the nodes of this one.</param>
public sealed record BatsChoice(string Operation, int Input);
