using System.Text;
using Tessera.Training.Experiments;
using Tessera.Training.Runs;

namespace Tessera.Search.Results;

/// <summary>The training from scratch of a found network as one file, which <c>tessera train</c> takes as it is.</summary>
public static class RetrainingRecipe
{
    private const string Reference = "stage:";

    /// <summary>The recipes by which a network of a search is trained from scratch.</summary>
    /// <param name="context">The search.</param>
    /// <param name="genome">The network.</param>
    public static IReadOnlyList<(string Name, Recipe Recipe)> Of(SearchContext context, string genome) =>
        context.Recipe.Search.Retraining(genome, context, context.Recipe.Seed);

    /// <summary>One recipe, or one with stages where trainings build on each other.</summary>
    /// <param name="recipes">In their order.</param>
    /// <param name="head">Comment in front of it.</param>
    public static string ToYaml(IReadOnlyList<(string Name, Recipe Recipe)> recipes, string head = "")
    {
        if (recipes is [var (_, only)])
            return only.ToYaml(head, absolutePaths: true);
        var text = new StringBuilder(head).Append("stages:\n");
        foreach (var (name, recipe) in recipes)
        {
            text.Append("  - name: ").Append(name).Append('\n');
            // What stands for the run of an earlier stage is no path.
            var yaml = recipe.ToYaml(absolutePaths: true).Replace(Path.GetFullPath(Reference), Reference, StringComparison.Ordinal);
            foreach (var line in yaml.Split('\n', StringSplitOptions.RemoveEmptyEntries))
                text.Append("    ").Append(line).Append('\n');
        }
        return text.ToString();
    }

    /// <summary>Writes the recipe of a network; gives its text.</summary>
    /// <param name="path">The file.</param>
    /// <param name="context">The search.</param>
    /// <param name="genome">The network.</param>
    internal static void Write(string path, SearchContext context, string genome) =>
        RunFolder.Write(
            path,
            ToYaml(Of(context, genome), $"# Training from scratch of a network that a search has found: {genome.ReplaceLineEndings(" ")}\n")
        );
}
