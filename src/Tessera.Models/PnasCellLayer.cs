using Tessera.Nn;

namespace Tessera.Models;

/// <summary>
/// A cell of PNAS as a layer: sums of two operations each, side by side. Names and order of the weights are those of the first author's
/// code. Liu et al., "Progressive Neural Architecture Search", 2018, arXiv:1712.00559, section 3.1.
/// </summary>
public sealed class PnasCellLayer : Module<(Tensor BeforeLast, Tensor Last), Tensor>
{
    private readonly Layer preprocess0,
        preprocess1;
    private readonly ModuleList<Layer> operations;
    private readonly PnasCell cell;

    /// <summary>A cell with the engine's initialisation.</summary>
    /// <param name="cell">Its blocks.</param>
    /// <param name="beforeLast">Channels of the output of the cell before the last.</param>
    /// <param name="last">Channels of the output of the last cell.</param>
    /// <param name="filters">Channels of every block, at least 2.</param>
    /// <param name="halves">Whether the cell halves the size: its operations on the two inputs have stride 2.</param>
    /// <param name="afterReduction">Whether the last cell has halved the size, so that the other input is twice as large.</param>
    /// <param name="norms">Settings of its norms; null for those of the paper.</param>
    public PnasCellLayer(
        PnasCell cell,
        int beforeLast,
        int last,
        int filters,
        bool halves = false,
        bool afterReduction = false,
        PnasNorms? norms = null
    )
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(filters, 2);
        norms ??= new();
        this.cell = cell;
        preprocess0 = PnasOperations.Preprocess(beforeLast, filters, afterReduction, norms);
        preprocess1 = PnasOperations.Preprocess(last, filters, halves: false, norms);
        operations = new(
            cell.Blocks.SelectMany(block => new[] { Operation(block.Input1, block.Operation1), Operation(block.Input2, block.Operation2) })
        );

        Layer Operation(int input, int operation) => PnasOperations.Create(operation, filters, halves && input < 2 ? 2 : 1, norms);
    }

    /// <summary>
    /// Share of the samples for which an operation is left out in training, in [0, 1), as NASNet and its successors do it: by operation,
    /// and never for the map as it is.
    /// </summary>
    internal double DropRate { get; set; }

    /// <inheritdoc/>
    protected override void ListMembers(Members members)
    {
        members.Add("preprocess0", preprocess0);
        members.Add("preprocess1", preprocess1);
        members.Add("_ops", operations);
    }

    /// <inheritdoc/>
    protected override Tensor Forward((Tensor BeforeLast, Tensor Last) input)
    {
        List<Tensor> states = [preprocess0.Call(input.BeforeLast), preprocess1.Call(input.Last)];
        foreach (var (i, block) in cell.Blocks.Index())
            states.Add(Of(2 * i, states[block.Input1], block.Operation1) + Of(2 * i + 1, states[block.Input2], block.Operation2));
        return Torch.Cat([.. states.Skip(2)], 1);
    }

    private Tensor Of(int place, Tensor x, int operation)
    {
        var y = operations[place].Call(x);
        return Training && operation != PnasOperations.Identity ? DropPath.Drop(y, DropRate) : y;
    }
}
