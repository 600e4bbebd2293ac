using System.ComponentModel.DataAnnotations;
using Tessera.Models;
using Tessera.Search.Costs;
using Tessera.Training;
using Tessera.Training.Experiments;
using Tessera.Training.Objectives.Search;
using Tessera.Training.Recipes;

namespace Tessera.Search.Methods;

/// <summary>A cost that evolution lessens beside raising the score.</summary>
public enum LessenedCost
{
    /// <summary>None: the score alone counts.</summary>
    None,

    /// <summary>Multiply-adds by the method's own counter.</summary>
    Published,

    /// <summary>Multiply-accumulates.</summary>
    Macs,

    /// <summary>Number of parameters.</summary>
    Parameters,

    /// <summary>Predicted milliseconds, by budget.latency_table.</summary>
    LatencyMs,
}

/// <summary>
/// ViTAS: a super-transformer is trained, of which every step takes a network; an evolution by NSGA-II finds the best ones within the
/// budget. Su et al., "ViTAS: Vision Transformer Architecture Search", 2021, arXiv:2106.13700.
/// </summary>
/// <remarks>
/// A network outside of the budget is scored without being run: 0.05 less a hundredth for each time by which it exceeds the budget's most.
/// The authors count in percent, and so have 5.
/// </remarks>
/// <param name="Space">The choices.</param>
/// <param name="Supernet">How the super-transformer is trained; its objective is the method's own.</param>
/// <param name="Sharing">How widths share channels: bilateral (the default), ordinal or cyclic.</param>
/// <param name="Population">Networks of a generation.</param>
/// <param name="Generations">Generations in all, with the first one, which is drawn.</param>
/// <param name="Identity">
/// Probability that a position has no block when networks are drawn. By default the one by which they cost on average what
/// budget.published allows; 0.5 without that budget.
/// </param>
/// <param name="Smoothing">Share of a label that is spread over the other classes while the super-transformer is trained.</param>
/// <param name="Eta">Of the mutation: larger values stay nearer to the genes.</param>
/// <param name="IdentityShift">
/// Whether positions without a block are moved behind the others, in training and in the evolution, so that networks of as many blocks
/// share one path; false by default, as in the released code.
/// </param>
/// <param name="Lessen">A cost that is lessened as a second objective; none by default.</param>
/// <param name="ScoreImages">Held-out images that networks are scored on at most; all by default.</param>
/// <param name="DropPath">Stochastic depth of the last position when a network is trained from scratch.</param>
/// <param name="LastPositionOnly">
/// As the released code does while it searches: the last row of the position table is added to every token. False by default.
/// </param>
/// <param name="WidthsInOrder">
/// As the released code does while it searches: blocks take the widths of a genome one after the other, and not those of their position.
/// False by default.
/// </param>
/// <param name="FirstPatchOnly">
/// As the released code does: of all patch sizes only the first one's embedding learns. False by default.
/// </param>
/// <param name="LastHeads">
/// As the released code does where every position has a block: the last number of heads is drawn with the probability of no block. False by
/// default.
/// </param>
[RecipeName("vitas")]
public sealed record VitasMethod(
    VitasSpace Space,
    TrainingSettings Supernet,
    VitasSharing Sharing = VitasSharing.Bilateral,
    [Range(2, 100_000)] int Population = 50,
    [Range(1, 100_000)] int Generations = 40,
    [Range(0, 0.99)] double? Identity = null,
    [Range(0, 0.999)] double Smoothing = 0.1,
    [Range(0, 1000)] double Eta = 3,
    bool IdentityShift = false,
    LessenedCost Lessen = LessenedCost.None,
    [Range(1, int.MaxValue)] int? ScoreImages = null,
    [Range(0, 0.999)] double DropPath = 0.1,
    bool LastPositionOnly = false,
    bool WidthsInOrder = false,
    bool FirstPatchOnly = false,
    bool LastHeads = false
) : SearchMethod
{
    /// <summary>Names of the stages.</summary>
    public const string SupernetStage = "supernet",
        EvolutionStage = "evolution";

    /// <summary>How the super-transformer is trained.</summary>
    public TrainingSettings Supernet { get; init; } = SupernetMeasurement.Checked(Supernet);

    /// <inheritdoc/>
    public override string RankedStage => EvolutionStage;

    /// <inheritdoc/>
    public override IReadOnlyList<SearchStage> Stages(SearchContext context) =>
        [new TrainingStage(SupernetStage, () => SupernetRecipe(context)), new VitasStage(this, context)];

    private Recipe SupernetRecipe(SearchContext context) =>
        Supernet.With(
            new ModelRecipe(new VitasSupernetOptions(Space, Sharing, LastPositionOnly, WidthsInOrder, FirstPatchOnly))
            {
                ImageSize = context.Recipe.ImageSize,
            },
            context.SearchData,
            new VitasSupernetTrainingOptions(IdentityFor(context), Smoothing, IdentityShift, LastHeads, context.Recipe.Seed),
            context.Recipe.Seed
        );

    /// <summary>The probability that a position has no block when a network is drawn.</summary>
    /// <param name="context">The search.</param>
    /// <exception cref="RunException">None meets the budget.</exception>
    public double IdentityFor(SearchContext context)
    {
        if (Identity is { } given)
            return given;
        if (context.Recipe.Limits.Published is not { } limits)
            return 0.5;
        var (size, classes, _) = Images(context);
        try
        {
            return Space.IdentityFor(limits[0], limits[1], size, classes);
        }
        catch (ArgumentException error)
        {
            throw new RunException($"budget.published: {error.Message}; search.identity sets the probability itself");
        }
    }

    private static ((int Height, int Width) Size, int Classes, int Channels) Images(SearchContext context) =>
        (context.ModelOptions.ImageSize ?? (224, 224), context.ModelOptions.Classes ?? 1000, context.ModelOptions.Channels ?? 3);

    /// <summary>A network drawn from the space, wherever the budget is.</summary>
    /// <param name="random">Where the draw comes from.</param>
    /// <param name="identity">Probability that a position has no block.</param>
    internal VitasGenome Draw(Random random, double identity) => Canonical(Space.Draw(random, identity, LastHeads));

    /// <summary>The network that stands for all that count as the same.</summary>
    /// <param name="genome">A network.</param>
    internal VitasGenome Canonical(VitasGenome genome) => IdentityShift ? Space.Shifted(genome) : genome;

    /// <inheritdoc/>
    public override string Draw(Random random, SearchContext context)
    {
        var identity = IdentityFor(context);
        return Draws.Within(new NetworkCosts(context), () => Draw(random, identity).ToString());
    }

    /// <inheritdoc/>
    public override ArchitectureOptions Network(string genome, SearchContext context) =>
        new VitasNetworkOptions(Space, Space.Decode(genome).ToString());

    /// <inheritdoc/>
    public override double? PublishedCost(string genome, SearchContext context)
    {
        var (size, classes, channels) = Images(context);
        return Space.Configure(Space.Decode(genome), size, classes, channels).PublishedCost;
    }

    /// <inheritdoc/>
    public override IReadOnlyList<(string Name, Recipe Recipe)> Retraining(string genome, SearchContext context, ulong seed)
    {
        var model = new ModelRecipe(Network(genome, context)) { ImageSize = context.Recipe.ImageSize, DropPath = DropPath };
        return [("retrained", context.Recipe.Retrain.With(model, context.Recipe.Data, seed: seed))];
    }

    /// <summary>
    /// The weights of a network in the super-transformer, of its first side. None where a fault of the released code lets the
    /// super-transformer compute something else than its networks.
    /// </summary>
    /// <param name="genome">As the candidates have it.</param>
    /// <param name="context">The search.</param>
    public override IReadOnlyDictionary<string, Tensor>? Inherited(string genome, SearchContext context)
    {
        if (LastPositionOnly || WidthsInOrder)
            return null;
        using var scope = new Scope();
        var supernet = (VitasSupernet)context.Trained(SupernetStage).Model;
        return scope.Return(supernet.WeightsOf(Space.Decode(genome), supernet.Options.Sides[0]));
    }

    /// <inheritdoc/>
    public override IReadOnlyList<BlockShape> Parts(string genome, SearchContext context)
    {
        var (size, classes, channels) = Images(context);
        var config = Space.Configure(Space.Decode(genome), size, classes, channels);
        var tokens = Tokens(size, config.Patch);
        return
        [
            TransformerParts.Surroundings(tokens, channels * config.Patch * config.Patch, config.Dim, classes),
            .. config
                .Blocks.OfType<Vitas.BlockOptions>()
                .Select(block => TransformerParts.Block(tokens, config.Dim, block.Heads, block.Qkv, block.Mlp)),
        ];
    }

    private static int Tokens((int Height, int Width) size, int patch) => 1 + size.Height / patch * (size.Width / patch);

    /// <inheritdoc/>
    public override ArchitectureOptions Probe(BlockShape shape, int copies, SearchContext context)
    {
        var (size, _, _) = Images(context);
        var patch = Space.PatchSizes.First(side => Tokens(size, side) == Of("tokens"));
        var (heads, qkv, mlp) = shape.Surrounds ? (1, 3, 1) : (Of("heads"), Of("qkv"), Of("mlp"));
        var count = shape.Surrounds ? 0 : copies;
        // A space of this one block; a position without it, where there are no copies.
        var space = new VitasSpace([patch], Of("dim"), Math.Max(1, count), [heads], qkv, mlp, [1]);
        var positions = Enumerable.Repeat(count == 0 ? space.Identity : 0, space.Depth);
        return new VitasNetworkOptions(space, new VitasGenome(0, [.. positions], new int[1 + 2 * space.Depth]).ToString());

        int Of(string name) => (int)shape.Sizes[name];
    }
}
