using System.ComponentModel.DataAnnotations;
using Tessera.Training.Experiments;
using Tessera.Training.Recipes;

namespace Tessera.Search;

/// <summary>A search: one YAML file.</summary>
/// <param name="Search">The method, with its space and settings.</param>
/// <param name="Data">
/// On what. While it searches, networks learn from a part of its training samples (<c>minitrain</c>) and are scored on the rest
/// (<c>minival</c>, whose share is data.minival); the test samples are looked at by retrained networks alone.
/// </param>
/// <param name="Retrain">How the winner is trained from scratch, on all training samples.</param>
/// <param name="Budget">What networks may cost; no limit by default.</param>
/// <param name="ImageSize">Side, or height and width; by default that of the data.</param>
/// <param name="Workers">Processes that score candidates at once.</param>
/// <param name="Threads">Threads of each worker, always as many, so that scores do not depend on the number of workers.</param>
/// <param name="Seed">Of everything that is drawn.</param>
/// <param name="Attempts">How often scoring a candidate is begun at most.</param>
/// <param name="FailuresAllowed">Share of failed candidates that a search ends at.</param>
/// <param name="Database">
/// Where candidates are kept: by default SQLite beside the search; else a connection string of PostgreSQL.
/// </param>
/// <param name="HandMade">
/// Runs or bundles of networks that the search did not find: the report shows them as stars, measured on the images that candidates are
/// scored on.
/// </param>
public sealed record SearchRecipe(
    SearchMethod Search,
    DataRecipe Data,
    TrainingSettings Retrain,
    Budget? Budget = null,
    IReadOnlyList<int>? ImageSize = null,
    [Range(1, 256)] int Workers = 1,
    [Range(1, 1024)] int Threads = 1,
    ulong Seed = 0,
    [Range(1, 10)] int Attempts = 3,
    [Range(0, 1)] double FailuresAllowed = 0.2,
    string? Database = null,
    IReadOnlyList<string>? HandMade = null
)
{
    /// <summary>Reads a file and sets single fields (<c>search.population=20</c>).</summary>
    /// <param name="path">The file.</param>
    /// <param name="settings">Single fields.</param>
    /// <exception cref="RecipeException">The message is one line that names file, line and field.</exception>
    public static SearchRecipe Load(string path, params IEnumerable<string> settings)
    {
        if (!File.Exists(path))
            throw new RecipeException(path, "", "there is no such file");
        return RecipeBinder.Bind<SearchRecipe>(
            settings.Aggregate(RecipeReader.Read(File.ReadAllText(path), path), (map, setting) =>
                RecipeReader.Set(map, setting, typeof(SearchRecipe))
            )
        );
    }

    /// <summary>Runs or bundles of networks that the search did not find; null for none.</summary>
    public IReadOnlyList<string>? HandMade { get; init; } = HandMade is { Count: > 0 } ? HandMade : null;

    /// <summary>Whether a file is the recipe of a search, and not of a training.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="RecipeException">It cannot be read.</exception>
    public static bool IsOne(string path) => File.Exists(path) && RecipeReader.Read(File.ReadAllText(path), path)["search"] is not null;

    /// <summary>What networks may cost.</summary>
    public Budget Limits => Budget ?? new();

    /// <summary>Side, or height and width; null for that of the data.</summary>
    public IReadOnlyList<int>? ImageSize { get; init; } =
        ImageSize switch
        {
            null or [] => null,
            [> 0] or [> 0, > 0] => ImageSize,
            _ => throw new ArgumentException("image_size must be one side, or height and width"),
        };

    /// <summary>The recipe with every field, as YAML that reads back to the same.</summary>
    /// <param name="head">Text in front of it.</param>
    public string ToYaml(string head = "") => RecipeWriter.Write(this, head, absolutePaths: true);
}
