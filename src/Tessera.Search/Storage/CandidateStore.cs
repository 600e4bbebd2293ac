using Tessera.Training;

namespace Tessera.Search.Storage;

/// <summary>Opens the candidates of a search, wherever its recipe keeps them.</summary>
public static class CandidateStore
{
    /// <summary>
    /// SQLite in the search's folder, or the PostgreSQL of the recipe's connection string, which many searches may share. What is missing
    /// is made.
    /// </summary>
    /// <param name="recipe">The search's recipe.</param>
    /// <param name="folder">The search's folder.</param>
    /// <exception cref="RunException">The database cannot be reached, belongs to something else, or is of a later version.</exception>
    public static ICandidateStore Open(SearchRecipe recipe, string folder) =>
        recipe.Database is { } connection
            ? new PostgresStore(connection, SearchIdentity.Of(folder), recipe.Seed)
            : new SqliteStore(Path.Combine(folder, SqliteStore.FileName), recipe.Seed);
}
