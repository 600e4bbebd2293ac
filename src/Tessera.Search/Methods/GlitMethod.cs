using System.ComponentModel.DataAnnotations;
using Tessera.Models;
using Tessera.Search.Costs;
using Tessera.Training;
using Tessera.Training.Experiments;
using Tessera.Training.Objectives.Search;
using Tessera.Training.Recipes;

namespace Tessera.Search.Methods;

/// <summary>
/// GLiT: two searches, each with a supernet of single paths and an evolution. The first decides how many heads of every block are global,
/// the second on the details of the blocks. Chen et al., "GLiT: Neural Architecture Search for Global and Local Image Transformer", 2021,
/// arXiv:2107.02960.
/// </summary>
/// <param name="Supernet">How both supernets are trained; their objective is the method's own.</param>
/// <param name="Depth">Blocks.</param>
/// <param name="Dim">Width of the tokens, a multiple of the heads.</param>
/// <param name="Heads">Heads of a block, a multiple of 3.</param>
/// <param name="Patch">Side of a patch.</param>
/// <param name="Population">Networks of a generation, on both levels.</param>
/// <param name="Generations">Generations in all, with the first one, which is drawn, on both levels.</param>
/// <param name="Parents">Networks, the best of all so far, that children are made from.</param>
/// <param name="Mutation">Probability that a gene is drawn anew in the first half of the children; the others are crossed.</param>
/// <param name="Smoothing">Label smoothing while supernets are trained.</param>
/// <param name="StatisticsBatches">Batches of training images by which the statistics of a path's batch norms are computed.</param>
/// <param name="StatisticsBatch">Images of such a batch.</param>
/// <param name="ScoreImages">Held-out images that networks are scored on at most; all by default.</param>
/// <param name="DropPath">Stochastic depth of the last block when a network is trained from scratch.</param>
[RecipeName("glit")]
public sealed record GlitMethod(
    TrainingSettings Supernet,
    [Range(1, 1000)] int Depth = 12,
    [Range(1, 100_000)] int Dim = 192,
    [Range(1, 1000)] int Heads = 3,
    [Range(1, 1024)] int Patch = 16,
    [Range(2, 100_000)] int Population = 50,
    [Range(1, 100_000)] int Generations = 20,
    [Range(1, 100_000)] int Parents = 10,
    [Range(0.001, 1)] double Mutation = 0.1,
    [Range(0, 0.999)] double Smoothing = 0.1,
    [Range(1, 100_000)] int StatisticsBatches = 20,
    [Range(2, 100_000)] int StatisticsBatch = 256,
    [Range(1, int.MaxValue)] int? ScoreImages = null,
    [Range(0, 0.999)] double DropPath = 0.1
) : SearchMethod
{
    /// <summary>Names of the stages.</summary>
    public const string DistributionSupernet = "distribution_supernet",
        DistributionStage = "distribution",
        DetailSupernet = "detail_supernet",
        DetailStage = "detail";

    /// <summary>How both supernets are trained.</summary>
    public TrainingSettings Supernet { get; init; } = SupernetMeasurement.Checked(Supernet);

    /// <summary>Heads of a block, a multiple of 3.</summary>
    public int Heads { get; init; } =
        Heads % 3 == 0 && Dim % Heads == 0
            ? Heads
            : throw new ArgumentException($"heads must be a multiple of 3 that divides dim, {Dim}, not {Heads}");

    /// <inheritdoc/>
    public override string RankedStage => DetailStage;

    /// <inheritdoc/>
    public override IReadOnlyList<SearchStage> Stages(SearchContext context) =>
        [
            new TrainingStage(DistributionSupernet, () => SupernetRecipe(context, null)),
            new GlitStage(DistributionStage, this, context),
            new TrainingStage(DetailSupernet, () => SupernetRecipe(context, Distribution(context))),
            new GlitStage(DetailStage, this, context),
        ];

    private Recipe SupernetRecipe(SearchContext context, IReadOnlyList<int>? thirds) =>
        Supernet.With(
            new ModelRecipe(new GlitSupernetOptions(Depth, thirds, Dim, Heads, Patch)) { ImageSize = context.Recipe.ImageSize },
            context.SearchData,
            new SinglePathOptions(Smoothing, context.Recipe.Seed),
            context.Recipe.Seed
        );

    /// <summary>The thirds of global heads that the first level has found.</summary>
    /// <param name="context">The search, after that.</param>
    /// <exception cref="RunException">No network of the first level has a score.</exception>
    internal IReadOnlyList<int> Distribution(SearchContext context) =>
        context.Candidates(DistributionStage).Where(one => one.Score is not null).MaxBy(one => one.Score) is { } best
            ? GlitGenome.Parse(best.Genome, Depth).Thirds
            : throw new RunException($"{context.Folder}: no network of stage {DistributionStage} has a score");

    /// <inheritdoc/>
    /// <remarks>Of the whole space, which the two levels see a part of each.</remarks>
    public override string Draw(Random random, SearchContext context) =>
        Draws.Within(new NetworkCosts(context), () =>
            new GlitGenome(Numbers(random, 4), Numbers(random, Glit.BlockOptions.DetailCount)).ToString()
        );

    /// <summary>As many numbers as there are blocks.</summary>
    /// <param name="random">Where the draws come from.</param>
    /// <param name="below">One more than the largest.</param>
    internal IReadOnlyList<int> Numbers(Random random, int below)
    {
        var numbers = new int[Depth];
        for (var i = 0; i < numbers.Length; i++)
            numbers[i] = random.Next(below);
        return numbers;
    }

    private GlitNetworkOptions Options(string genome)
    {
        var (thirds, details) = GlitGenome.Parse(genome, Depth);
        return new(thirds, details, Dim, Heads, Patch);
    }

    /// <inheritdoc/>
    public override ArchitectureOptions Network(string genome, SearchContext context) => Options(genome);

    /// <inheritdoc/>
    public override double? PublishedCost(string genome, SearchContext context) =>
        1e6 * Options(genome).Configure(context.ModelOptions).PublishedCost();

    /// <inheritdoc/>
    public override IReadOnlyList<(string Name, Recipe Recipe)> Retraining(string genome, SearchContext context, ulong seed)
    {
        var model = new ModelRecipe(Network(genome, context)) { ImageSize = context.Recipe.ImageSize, DropPath = DropPath };
        return [("retrained", context.Recipe.Retrain.With(model, context.Recipe.Data, seed: seed))];
    }

    /// <summary>
    /// The weights of a network in the supernet of its level, with statistics of its batch norms that are computed for it; null for a
    /// network of another distribution of global heads than the second level's supernet has.
    /// </summary>
    /// <param name="genome">As the candidates have it.</param>
    /// <param name="context">The search.</param>
    public override IReadOnlyDictionary<string, Tensor>? Inherited(string genome, SearchContext context)
    {
        var network = GlitGenome.Parse(genome, Depth);
        if (network.Details is not null && !network.Thirds.SequenceEqual(Distribution(context)))
            return null;
        using var scope = new Scope();
        using var scorer = new GlitScorer(this, context, network.Details is null ? DistributionSupernet : DetailSupernet);
        return scope.Return(scorer.WeightsOf(network.Path, context.Recipe.Seed));
    }

    /// <inheritdoc/>
    public override IReadOnlyList<BlockShape> Parts(string genome, SearchContext context)
    {
        var config = Options(genome).Configure(context.ModelOptions);
        var tokens = 1 + config.ImageSize.Height / Patch * (config.ImageSize.Width / Patch);
        return
        [
            TransformerParts.Surroundings(tokens, config.Channels * Patch * Patch, Dim, config.Classes),
            .. config.Blocks.Select(candidates => GlitParts.Of(candidates[0], tokens, Dim, Heads)),
        ];
    }

    /// <inheritdoc/>
    public override ArchitectureOptions Probe(BlockShape shape, int copies, SearchContext context)
    {
        if (shape.Surrounds || copies == 0)
            return new GlitNetworkOptions([], null, Dim, Heads, Patch);
        var (thirds, detail) = GlitParts.CandidateOf(shape);
        return new GlitNetworkOptions([.. Enumerable.Repeat(thirds, copies)], [.. Enumerable.Repeat(detail, copies)], Dim, Heads, Patch);
    }
}
