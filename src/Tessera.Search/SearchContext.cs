using Tessera.Data;
using Tessera.Models;
using Tessera.Models.Measurement;
using Tessera.Training.Bundles;
using Tessera.Training.Experiments;
using Tessera.Training.Runs;
using Tessera.Training.Tasks;

namespace Tessera.Search;

/// <summary>What methods and stages know of the search that they belong to.</summary>
public sealed class SearchContext
{
    private readonly ICandidateStore store;
    private readonly Lazy<ModelOptions> options;

    /// <summary>Describes a search; nothing is opened before it is asked for.</summary>
    /// <param name="recipe">The search's recipe.</param>
    /// <param name="folder">The search's folder.</param>
    /// <param name="store">The candidates.</param>
    public SearchContext(SearchRecipe recipe, string folder, ICandidateStore store)
    {
        (Recipe, Folder, this.store) = (recipe, folder, store);
        options = new(FindOptions);
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
    public IReadOnlyList<Candidate> Candidates(string stage) => store.Read(stage);

    /// <summary>A network of the space, built with initial values for the search's images.</summary>
    /// <param name="genome">The network.</param>
    public Backbone Create(string genome) => Recipe.Search.Network(genome, this).Create(ModelOptions);

    /// <summary>What the network of a genome costs.</summary>
    /// <param name="genome">The network.</param>
    public CandidateCost CostOf(string genome)
    {
        using var scope = new Scope();
        var cost = ModelCost.Count(Create(genome));
        return new(cost.Macs, cost.Parameters, Recipe.Search.PublishedCost(genome, this));
    }

    private ModelOptions FindOptions()
    {
        var data = Recipe.Data.OpenTraining();
        var task = TaskKind.DefaultFor(data);
        var defaults = task.FactsOf(task.Prepare(data)).ModelDefaults;
        return Recipe.ImageSize is { } own ? defaults with { ImageSize = (own[0], own[^1]) } : defaults;
    }
}
