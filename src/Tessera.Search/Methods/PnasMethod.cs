using System.ComponentModel.DataAnnotations;
using Tessera.Models;
using Tessera.Search.Costs;
using Tessera.Search.Surrogates;
using Tessera.Training;
using Tessera.Training.Experiments;
using Tessera.Training.Recipes;

namespace Tessera.Search.Methods;

/// <summary>Sizes of the network that is built from the found cell.</summary>
/// <param name="Cells">Cells of each stage, N.</param>
/// <param name="Filters">Channels of a block in the first stage, F.</param>
/// <param name="Auxiliary">Whether a second classifier helps while it is trained.</param>
/// <param name="DropPath">
/// Share of samples that an operation of the last cell is left out for at the end of its training; it grows over cells and time.
/// </param>
public sealed record PnasFound(
    [Range(1, 1000)] int Cells = 3,
    [Range(2, 100_000)] int Filters = 48,
    bool Auxiliary = false,
    [Range(0, 0.999)] double DropPath = 0
);

/// <summary>
/// PNAS: cells grow block by block. Of all that the cells of the last step can become, those are trained that a surrogate expects most
/// of, which has learned from all that was trained before. Liu et al., "Progressive Neural Architecture Search", 2018, arXiv:1712.00559.
/// </summary>
/// <remarks>There is a stage for each number of blocks; that of the last one is ranked.</remarks>
/// <param name="Proxy">How the network of a candidate is trained, from scratch, before it is measured.</param>
/// <param name="Blocks">Blocks of a cell at the end, B.</param>
/// <param name="Keep">Cells that are trained at each number of blocks from 2, K.</param>
/// <param name="First">
/// Cells of one block that are trained, drawn without order; by default all 136. Fewer are meant for small searches.
/// </param>
/// <param name="Cells">Cells of each stage of a candidate's network, N.</param>
/// <param name="Filters">Channels of a block in the first stage of a candidate's network, F.</param>
/// <param name="Reductions">Which cells halve the size, in candidates and in the found network: first or between.</param>
/// <param name="Surrogate">What predicts accuracies, and how it learns.</param>
/// <param name="Found">Sizes of the network that is built from the found cell, whose costs count.</param>
[RecipeName("pnas")]
public sealed record PnasMethod(
    TrainingSettings Proxy,
    [Range(1, 9)] int Blocks = 5,
    [Range(1, 100_000)] int Keep = 256,
    [Range(1, 136)] int? First = null,
    [Range(1, 1000)] int Cells = 2,
    [Range(2, 100_000)] int Filters = 24,
    PnasReductions Reductions = PnasReductions.First,
    SurrogateOptions? Surrogate = null,
    PnasFound? Found = null
) : SearchMethod
{
    private static readonly int passedOn = PnasOperations.Names.ToList().IndexOf("skip_connect");

    // Inputs of a cell that are outputs of others; the outputs of its blocks come behind them.
    private const int Outputs = 2;

    private const string Surroundings = "surroundings",
        OfCell = " of a cell",
        OfBlock = " of a block";

    /// <summary>Name of the figure that holds what the surrogate expects of a candidate.</summary>
    public const string Prediction = "prediction";

    /// <summary>How the network of a candidate is trained.</summary>
    public TrainingSettings Proxy { get; init; } =
        Proxy.Train?.NonFinite == NonFiniteAction.Rollback
            ? throw new ArgumentException("proxy.train.non_finite must be stop or skip: candidates have no checkpoints to go back to")
            : Proxy;

    /// <summary>What predicts accuracies, and how it learns.</summary>
    public SurrogateOptions Surrogate { get; init; } = Surrogate ?? new();

    /// <summary>Sizes of the network that is built from the found cell.</summary>
    public PnasFound Found { get; init; } = Found ?? new();

    /// <summary>The stage of the cells of a number of blocks.</summary>
    /// <param name="blocks">From 1.</param>
    public static string StageOf(int blocks) => FormattableString.Invariant($"blocks-{blocks}");

    /// <inheritdoc/>
    public override string RankedStage => StageOf(Blocks);

    /// <inheritdoc/>
    public override IReadOnlyList<SearchStage> Stages(SearchContext context) =>
        [.. Enumerable.Range(1, Blocks).Select(blocks => new PnasStage(this, context, blocks))];

    /// <inheritdoc/>
    public override ArchitectureOptions Network(string genome, SearchContext context) =>
        PnasNetworkOptions.Of(PnasCell.Parse(genome), Found.Cells, Found.Filters, Reductions, Found.Auxiliary);

    /// <summary>The smaller network by which a candidate is judged.</summary>
    /// <param name="genome">The candidate.</param>
    internal PnasNetworkOptions ProxyNetwork(string genome) => PnasNetworkOptions.Of(PnasCell.Parse(genome), Cells, Filters, Reductions);

    /// <inheritdoc/>
    public override string Draw(Random random, SearchContext context) => new PnasSpace().Draw(Blocks, random).ToString();

    /// <inheritdoc/>
    public override IReadOnlyList<(string Name, Recipe Recipe)> Retraining(string genome, SearchContext context, ulong seed)
    {
        var model = new ModelRecipe(Network(genome, context)) { ImageSize = context.Recipe.ImageSize, DropPath = Found.DropPath };
        return [("retrained", context.Recipe.Retrain.With(model, context.Recipe.Data, seed: seed))];
    }

    /// <inheritdoc/>
    /// <remarks>
    /// Of the network that is built from a cell. An operation on the output of a cell halves the size where its cell does. A map of a block
    /// that is passed on as it is takes no time; what surrounds the operations passes two outputs of cells on.
    /// </remarks>
    public override IReadOnlyList<BlockShape> Parts(string genome, SearchContext context)
    {
        var cell = PnasCell.Parse(genome);
        var operations = cell
            .Blocks.SelectMany(block =>
                new[] { (Input: block.Input1, Operation: block.Operation1), (Input: block.Input2, Operation: block.Operation2) }
            )
            .Where(one => one.Operation != passedOn || one.Input < Outputs)
            .ToList();
        for (var i = 0; i < Outputs; i++)
            if (operations.FindIndex(one => one.Operation == passedOn) is >= 0 and var passed)
                operations.RemoveAt(passed);
        return
        [
            Part(Surroundings, cell.Blocks.Count) with
            {
                Surrounds = true,
            },
            .. operations.Select(one => Part($"{PnasOperations.Names[one.Operation]}{(one.Input < Outputs ? OfCell : OfBlock)}", 1)),
        ];
    }

    // The work of one kind is always the same, so that it needs no numbers.
    private BlockShape Part(string kind, int blocks) =>
        new(
            kind,
            new OrderedDictionary<string, double>
            {
                ["blocks"] = blocks,
                ["cells"] = Found.Cells,
                ["filters"] = Found.Filters,
            },
            new OrderedDictionary<string, double> { ["blocks"] = blocks }
        );

    /// <inheritdoc/>
    public override ArchitectureOptions Probe(BlockShape shape, int copies, SearchContext context)
    {
        const int first = Outputs;
        if (shape.Surrounds)
            return Of(Enumerable.Repeat(new PnasBlock(first, first, passedOn, passedOn), (int)shape.Sizes["blocks"] - 1));
        var ofBlock = shape.Kind.EndsWith(OfBlock, StringComparison.Ordinal);
        var own = PnasOperations.Names.ToList().IndexOf(shape.Kind[..^(ofBlock ? OfBlock : OfCell).Length]);
        return Of(
            Enumerable.Repeat(
                copies == 0 ? new PnasBlock(first, first, passedOn, passedOn) : new PnasBlock(first, ofBlock ? first : 0, passedOn, own),
                BlockShape.Copies
            )
        );

        // Behind a first block, whose output they may begin from.
        ArchitectureOptions Of(IEnumerable<PnasBlock> blocks) =>
            PnasNetworkOptions.Of(new([new PnasBlock(0, 1, passedOn, passedOn), .. blocks]), Found.Cells, Found.Filters, Reductions);
    }
}
