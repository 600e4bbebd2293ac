using Tessera.Data;
using Tessera.Models;
using Tessera.Models.Measurement;
using Tessera.Search.Costs;
using Tessera.Training;
using Tessera.Training.Bundles;
using Tessera.Training.Experiments;
using Tessera.Training.Recipes;
using Tessera.Training.Runs;
using Tessera.Training.Tasks;

namespace Tessera.Search;

/// <summary>What methods and stages know of the search that they belong to.</summary>
public sealed class SearchContext
{
    private readonly ICandidateStore? store;
    private readonly Lazy<ModelOptions> options;
    private readonly Lazy<LatencyModel?> latencies;

    /// <summary>Describes a search; nothing is opened before it is asked for.</summary>
    /// <param name="recipe">The search's recipe.</param>
    /// <param name="folder">The search's folder.</param>
    /// <param name="store">The candidates; null where there are none, as before a search has begun.</param>
    public SearchContext(SearchRecipe recipe, string folder, ICandidateStore? store)
    {
        (Recipe, Folder, this.store) = (recipe, folder, store);
        options = new(FindOptions);
        latencies = new(() => recipe.Limits.LatencyTable is { } table ? new(LatencyTable.Load(table)) : null);
    }

    /// <summary>The search's recipe.</summary>
    public SearchRecipe Recipe { get; }

    /// <summary>The search's folder.</summary>
    public string Folder { get; }

    /// <summary>The data that networks learn from and are scored on while the search lasts: parts of the training samples.</summary>
    public DataRecipe SearchData => Recipe.Data with { Split = "minitrain" };

    /// <summary>Classes, channels and image size of the networks, by the data and the recipe.</summary>
    public ModelOptions ModelOptions => options.Value;

    /// <summary>Folder of a stage: that of its run, if it is a training.</summary>
    /// <param name="stage">Name of the stage.</param>
    public string FolderOf(string stage) => Path.Combine(Folder, stage);

    /// <summary>The model of a training stage that is done, with the weights of its end.</summary>
    /// <param name="stage">Name of the stage.</param>
    public ModelBundle Trained(string stage) => ModelBundle.Load(new RunFolder(FolderOf(stage)).BundlePath);

    /// <summary>The candidates of a stage, by generation and place.</summary>
    /// <param name="stage">Name of the stage.</param>
    public IReadOnlyList<Candidate> Candidates(string stage) => store?.Read(stage) ?? [];

    /// <summary>A network of the space, built with initial values for the search's images.</summary>
    /// <param name="genome">The network.</param>
    public Backbone Create(string genome) => Recipe.Search.Network(genome, this).Create(ModelOptions);

    /// <summary>What the network of a genome costs; milliseconds where the budget names a table of them.</summary>
    /// <param name="genome">The network.</param>
    /// <exception cref="RunException">The budget's table belongs to another machine or another space.</exception>
    public CandidateCost CostOf(string genome)
    {
        using var scope = new Scope();
        var cost = ModelCost.Count(Create(genome));
        return new(cost.Macs, cost.Parameters, Recipe.Search.PublishedCost(genome, this), LatencyOf(genome));
    }

    // Null without a table.
    private double? LatencyOf(string genome)
    {
        if (latencies.Value is not { } model)
            return null;
        var parts = Recipe.Search.Parts(genome, this)
            ?? throw new RunException(
                $"budget.latency_table: {RecipeShape.MessageName(Recipe.Search.GetType())} does not take its networks apart, so their "
                    + "latency cannot be predicted: leave latency_table and latency_ms out"
            );
        return model.Milliseconds(parts);
    }

    private ModelOptions FindOptions()
    {
        var data = Recipe.Data.OpenTraining();
        var task = TaskKind.DefaultFor(data);
        var defaults = task.FactsOf(task.Prepare(data)).ModelDefaults;
        return Recipe.ImageSize is { } own ? defaults with { ImageSize = (own[0], own[^1]) } : defaults;
    }
}
