namespace Tessera.Search;

/// <summary>The folder of a search, with the paths of its files.</summary>
/// <param name="path">Path of the folder; relative paths count from the current one.</param>
public sealed class SearchFolder(string path)
{
    /// <summary>Absolute path of the folder.</summary>
    public string Path { get; } = System.IO.Path.GetFullPath(path);

    /// <summary>Path of the full recipe.</summary>
    public string RecipePath => File("search.yaml");

    /// <summary>Path of the outcome, in JSON.</summary>
    public string ResultsPath => File("results.json");

    /// <summary>Path of the page with score over cost.</summary>
    public string ReportPath => File("report.html");

    /// <summary>Folder of the winner's training from scratch: its recipe, and a run for each of its stages.</summary>
    public string WinnerPath => File("winner");

    /// <summary>Whether there is a search in it.</summary>
    public bool Exists => System.IO.File.Exists(RecipePath);

    private string File(string name) => System.IO.Path.Combine(Path, name);
}
