using Tessera.Training;
using Tessera.Training.Runs;

namespace Tessera.Search.Storage;

/// <summary>What tells a search from others in the same database: a text that its folder keeps, wherever the folder is moved to.</summary>
internal static class SearchIdentity
{
    private const string FileName = "search.id";

    /// <summary>The identity of a folder's search; it is made where there is none.</summary>
    /// <param name="folder">The search's folder.</param>
    internal static string Of(string folder)
    {
        var path = Path.Combine(folder, FileName);
        if (!File.Exists(path))
            RunFolder.Write(path, Guid.NewGuid().ToString("N"));
        return File.ReadAllText(path).Trim() is { Length: > 0 } identity
            ? identity
            : throw new RunException($"{path} is empty: it must hold the identity of the search in its database");
    }
}
