using Tessera.Models;
using Tessera.Search.Costs;
using Tessera.Training.Experiments;
using Tessera.Training.Recipes;

namespace Tessera.Search;

/// <summary>
/// A way of searching, with its space: what a recipe chooses by <c>search: { name: vitas, ... }</c>. It says which stages a search has
/// and which network a genome stands for; running them, keeping their results and measuring costs belongs to the search itself.
/// </summary>
[RecipePart("search method")]
public abstract record SearchMethod
{
    /// <summary>
    /// The stages up to the point at which the winner is known, in their order. They hold no work: it begins with each stage.
    /// </summary>
    /// <param name="context">The search.</param>
    public abstract IReadOnlyList<SearchStage> Stages(SearchContext context);

    /// <summary>
    /// The stage whose candidates are ranked at the end; null where the last training itself decides (<see cref="Winners"/>).
    /// </summary>
    public abstract string? RankedStage { get; }

    /// <summary>Genomes of the result, the best first, where they are not the ranked candidates of a stage.</summary>
    /// <param name="context">The search, after its last stage.</param>
    public virtual IReadOnlyList<string> Winners(SearchContext context) => throw new NotSupportedException("the candidates are ranked");

    /// <summary>The network of a genome.</summary>
    /// <param name="genome">As the candidates have it.</param>
    /// <param name="context">The search.</param>
    /// <exception cref="FormatException">It is no genome of the space.</exception>
    public abstract ArchitectureOptions Network(string genome, SearchContext context);

    /// <summary>Cost by the paper's own counter; null where it has none.</summary>
    /// <param name="genome">As the candidates have it.</param>
    /// <param name="context">The search.</param>
    public virtual double? PublishedCost(string genome, SearchContext context) => null;

    /// <summary>A network drawn from the space, for comparison with chance.</summary>
    /// <param name="random">Where the draw comes from.</param>
    /// <param name="context">The search.</param>
    public abstract string Draw(Random random, SearchContext context);

    /// <summary>
    /// The recipes by which the network of a genome is trained from scratch, in their order; a later one may begin with the weights of an
    /// earlier one (a value <c>stage:NAME</c> as in recipes with stages).
    /// </summary>
    /// <param name="genome">As the candidates have it.</param>
    /// <param name="context">The search.</param>
    /// <param name="seed">Of the training.</param>
    public virtual IReadOnlyList<(string Name, Recipe Recipe)> Retraining(string genome, SearchContext context, ulong seed) =>
        [
            (
                "retrained",
                context.Recipe.Retrain.With(
                    new ModelRecipe(Network(genome, context)) { ImageSize = context.Recipe.ImageSize },
                    context.Recipe.Data,
                    seed: seed
                )
            ),
        ];

    /// <summary>The weights of a network as the search has trained them, by the names of the network; null where there are none.</summary>
    /// <param name="genome">As the candidates have it.</param>
    /// <param name="context">The search.</param>
    public virtual IReadOnlyDictionary<string, Tensor>? Inherited(string genome, SearchContext context) => null;

    /// <summary>
    /// The parts of a network whose times add up to that of the network: what it is made of, and what surrounds that. Null where the
    /// method cannot take its networks apart, so that no latency is known.
    /// </summary>
    /// <param name="genome">As the candidates have it.</param>
    /// <param name="context">The search.</param>
    public virtual IReadOnlyList<BlockShape>? Parts(string genome, SearchContext context) => null;

    /// <summary>
    /// A network by which a part is measured. It holds the part several times beside as little as can be; with none it holds the same
    /// without the part. One that surrounds others (<see cref="BlockShape.Surrounds"/>) is asked for once, as a network of nothing else.
    /// </summary>
    /// <param name="shape">One of <see cref="Parts"/>.</param>
    /// <param name="copies">How often it holds the part, <see cref="BlockShape.Copies"/>; 0 for a network without it.</param>
    /// <param name="context">The search.</param>
    public virtual ArchitectureOptions Probe(BlockShape shape, int copies, SearchContext context) =>
        throw new NotSupportedException($"{GetType().Name} does not say how its parts are measured");
}
