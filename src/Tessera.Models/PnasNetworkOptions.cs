using System.ComponentModel.DataAnnotations;

namespace Tessera.Models;

/// <summary>A network of PNAS by its cell, <c>pnas_network</c> in recipes.</summary>
/// <param name="Cell">
/// The cell: four numbers for each block, input, input, operation, operation (<see cref="PnasBlock"/>), as in
/// <c>[[0, 0, 1, 6], [1, 1, 2, 6]]</c>.
/// </param>
/// <param name="Cells">Cells of each of the three stages, N.</param>
/// <param name="Filters">Channels of a block in the first stage, F; doubled with every reduction.</param>
/// <param name="Reductions">
/// Which cells halve the size: first, the first ones of the later stages, as in the published networks, or between, further ones between
/// the stages.
/// </param>
/// <param name="Auxiliary">Whether a second classifier learns along, after the second reduction.</param>
public sealed record PnasNetworkOptions(
    IReadOnlyList<IReadOnlyList<int>> Cell,
    [Range(1, 1000)] int Cells = 3,
    [Range(2, 100_000)] int Filters = 48,
    PnasReductions Reductions = PnasReductions.First,
    bool Auxiliary = false
) : ArchitectureOptions
{
    /// <summary>The choices of a cell.</summary>
    /// <param name="cell">The cell.</param>
    /// <param name="cells">Cells of each stage.</param>
    /// <param name="filters">Channels of a block in the first stage.</param>
    /// <param name="reductions">Which cells halve the size.</param>
    /// <param name="auxiliary">Whether a second classifier learns along.</param>
    public static PnasNetworkOptions Of(
        PnasCell cell,
        int cells,
        int filters,
        PnasReductions reductions = PnasReductions.First,
        bool auxiliary = false
    ) =>
        new(
            [.. cell.Blocks.Select(block => (IReadOnlyList<int>)[block.Input1, block.Input2, block.Operation1, block.Operation2])],
            cells,
            filters,
            reductions,
            auxiliary
        );

    /// <summary>The cell: four numbers for each block.</summary>
    public IReadOnlyList<IReadOnlyList<int>> Cell { get; init; } = Checked(Cell);

    private static IReadOnlyList<IReadOnlyList<int>> Checked(IReadOnlyList<IReadOnlyList<int>> cell)
    {
        try
        {
            PnasCell.Of(cell ?? []);
            return cell!;
        }
        catch (FormatException error)
        {
            throw new ArgumentException($"cell: {error.Message}", error);
        }
    }

    /// <inheritdoc/>
    public override Backbone Create(ModelOptions options) =>
        new PnasNetwork(
            new PnasNetwork.Config(
                options.ImageSize ?? (32, 32),
                PnasCell.Of(Cell),
                Filters,
                Cells,
                Reductions,
                options.Classes ?? 10,
                options.Channels ?? 3,
                Auxiliary,
                options.DropPath ?? 0
            )
        );
}
