using System.ComponentModel.DataAnnotations;
using Tessera.Models;
using Tessera.Training;
using Tessera.Training.Experiments;
using Tessera.Training.Objectives.Search;
using Tessera.Training.Optimization;
using Tessera.Training.Recipes;

namespace Tessera.Search.Methods;

/// <summary>How the found network comes to one bit.</summary>
public enum BatsTraining
{
    /// <summary>First with inputs of one bit and real weights; from there on with both of one bit and learned scales.</summary>
    Staged,

    /// <summary>With one bit from the beginning, as long as the first of two stages.</summary>
    Scratch,
}

/// <summary>Sizes of the network that is built from the found cells.</summary>
/// <param name="Width">Channels of a node in the first cells, a multiple of the groups and of those that are shuffled.</param>
/// <param name="Layers">Number of cells, at least 3.</param>
/// <param name="Auxiliary">Whether a second classifier helps while it is trained.</param>
/// <param name="LargeImages">Whether it begins with three convolutions that halve the size, as for ImageNet.</param>
public sealed record BatsFound(
    [Range(1, 100_000)] int Width = 36,
    [Range(3, 1000)] int Layers = 20,
    bool Auxiliary = true,
    bool LargeImages = false
);

/// <summary>
/// BATS: one training of a supernet, whose tables speak for the cells at its end; then the training of their network. Bulat et al., "BATS:
/// Binary ArchitecTure Search", 2020, arXiv:2003.01711.
/// </summary>
/// <param name="Supernet">
/// How the supernet is trained. Where no phase <c>architecture</c> is given, its tables learn by Adam at a constant rate of 3e-4, with
/// betas of 0.5 and 0.999 and a weight decay of 1e-3.
/// </param>
/// <param name="Width">Channels of a node in the first cells of the supernet.</param>
/// <param name="Layers">Number of its cells, at least 3.</param>
/// <param name="Groups">Groups of a convolution's channels that do not mix, here and in the found network.</param>
/// <param name="ShuffleGroups">Groups whose channels are interleaved after a convolution.</param>
/// <param name="Strategy">What has one bit while searching: real, activations (the default) or binary.</param>
/// <param name="Temperature">T of the softmax over operations, above 0; 1 is DARTS.</param>
/// <param name="Found">Sizes of the found network.</param>
/// <param name="Training">How the found network comes to one bit: staged or scratch.</param>
/// <param name="Binary">The second stage of its training; by default as the first, without weight decay.</param>
[RecipeName("bats")]
public sealed record BatsMethod(
    TrainingSettings Supernet,
    [Range(1, 100_000)] int Width = 24,
    [Range(3, 1000)] int Layers = 8,
    [Range(1, 10_000)] int Groups = 12,
    [Range(1, 10_000)] int ShuffleGroups = 4,
    BatsBits Strategy = BatsBits.Activations,
    [Range(1e-3, 1e3)] double Temperature = 0.2,
    BatsFound? Found = null,
    BatsTraining Training = BatsTraining.Staged,
    TrainingSettings? Binary = null
) : SearchMethod
{
    /// <summary>Name of the only stage.</summary>
    internal const string SupernetStage = "supernet";

    private const string FirstStage = "activations",
        SecondStage = "binary";

    /// <summary>How the supernet is trained.</summary>
    public TrainingSettings Supernet { get; init; } =
        Supernet.Objective is null or BatsSearchOptions
            ? Supernet
            : throw new ArgumentException(
                $"supernet.objective must be bats_search, not {RecipeShape.MessageName(Supernet.Objective.GetType())}"
            );

    /// <summary>Sizes of the found network.</summary>
    public BatsFound Found { get; init; } = Found ?? new();

    /// <summary>The second stage of its training.</summary>
    public TrainingSettings? Binary { get; init; } =
        Binary is null || Training == BatsTraining.Staged ? Binary : throw new ArgumentException("binary needs training: staged");

    /// <inheritdoc/>
    public override string? RankedStage => null;

    /// <inheritdoc/>
    /// <exception cref="RunException">The search has a budget, by which cells cannot be derived.</exception>
    public override IReadOnlyList<SearchStage> Stages(SearchContext context)
    {
        if (context.Recipe.Limits is not { Macs: null, Parameters: null, Published: null, LatencyMs: null })
            throw new RunException("budget must be left out: bats derives one network from its tables, whatever it costs");
        return [new TrainingStage(SupernetStage, () => SupernetRecipe(context))];
    }

    private Recipe SupernetRecipe(SearchContext context)
    {
        var phases = Supernet.Phases ?? [];
        if (phases.All(phase => phase.Name != BatsSearch.ArchitecturePhase))
            phases =
            [
                new(
                    BatsSearch.ArchitecturePhase,
                    new AdamOptions(3e-4, WeightDecay: 1e-3, Beta1: 0.5, Beta2: 0.999),
                    ConstantLearningRate: true
                ),
                .. phases,
            ];
        var evaluation = Supernet.Evaluation ?? new();
        var settings = Supernet with { Phases = phases, Evaluation = evaluation with { Split = evaluation.Split ?? "minival" } };
        return settings.With(
            Model(new BatsSupernetOptions(Width, Layers, Groups, ShuffleGroups, Strategy, Temperature), context),
            context.SearchData,
            Supernet.Objective ?? new BatsSearchOptions()
        );
    }

    private static ModelRecipe Model(ArchitectureOptions architecture, SearchContext context) =>
        new ModelRecipe(architecture) with
        {
            ImageSize = context.Recipe.ImageSize,
        };

    /// <inheritdoc/>
    public override IReadOnlyList<string> Winners(SearchContext context)
    {
        using var scope = new Scope();
        return [BatsText.Write(((BatsSupernet)context.Trained(SupernetStage).Model).Derived())];
    }

    /// <summary>The network of a genome as it comes out of its training: with one bit.</summary>
    /// <param name="genome">The normal and the reduction cell with <c>|</c> between them.</param>
    /// <param name="context">The search.</param>
    /// <exception cref="FormatException">It is no genome of the space.</exception>
    public override ArchitectureOptions Network(string genome, SearchContext context) => Network(genome, BatsBits.Binary);

    /// <summary>
    /// Multiply-adds of the convolutions with one bit for one image, which the paper calls BOPs. A processor does some 64 of them at once.
    /// </summary>
    /// <param name="genome">As the candidates have it.</param>
    /// <param name="context">The search.</param>
    public override double? PublishedCost(string genome, SearchContext context)
    {
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        var network = context.Create(genome);
        network.Eval();
        using var count = new OperationCount();
        network.Call(network.ExampleInput());
        return count.BinaryMacs;
    }

    private BatsNetworkOptions Network(string genome, BatsBits bits)
    {
        var cells = BatsText.ReadGenotype(genome);
        return new(
            BatsText.Write(cells.Normal),
            BatsText.Write(cells.Reduce),
            Found.Width,
            Found.Layers,
            Groups,
            ShuffleGroups,
            bits,
            Found.Auxiliary,
            Found.LargeImages
        );
    }

    /// <summary>Two operations of different inputs for every node, none of them <c>none</c>; as what the tables can speak for.</summary>
    /// <param name="random">Where the draw comes from.</param>
    /// <param name="context">The search.</param>
    public override string Draw(Random random, SearchContext context) =>
        BatsText.Write(new Bats.Genotype(Cell(random), [], Cell(random), []));

    private static BatsChoice[] Cell(Random random)
    {
        List<BatsChoice> choices = [];
        for (var node = 0; node < BatsSearchCell.Nodes; node++)
        {
            var inputs = Enumerable.Range(0, node + 2).ToArray();
            random.Shuffle(inputs);
            choices.AddRange(
                inputs[..2].Select(input => new BatsChoice(BatsOperations.Names[random.Next(1, BatsOperations.Names.Count)], input))
            );
        }
        return [.. choices];
    }

    /// <inheritdoc/>
    public override IReadOnlyList<(string Name, Recipe Recipe)> Retraining(string genome, SearchContext context, ulong seed)
    {
        var (settings, data) = (context.Recipe.Retrain, context.Recipe.Data);
        if (Training == BatsTraining.Scratch)
            return [(SecondStage, settings.With(Of(BatsBits.Binary), data, seed: seed))];
        var second = Binary ?? settings with { Optimizer = settings.Optimizer with { WeightDecay = 0 } };
        return
        [
            (FirstStage, settings.With(Of(BatsBits.Activations), data, seed: seed)),
            (SecondStage, second.With(Of(BatsBits.Binary) with { Weights = $"stage:{FirstStage}" }, data, seed: seed)),
        ];

        ModelRecipe Of(BatsBits bits) => Model(Network(genome, bits), context);
    }
}
