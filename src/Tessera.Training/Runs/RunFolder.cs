using System.Text.Json;

namespace Tessera.Training.Runs;

/// <summary>The folder of a run, with the paths of its files.</summary>
/// <param name="path">Path of the folder; relative paths count from the current one.</param>
public sealed class RunFolder(string path)
{
    /// <summary>Absolute path of the folder.</summary>
    public string Path { get; } = System.IO.Path.GetFullPath(path);

    /// <summary>Path of the resolved recipe.</summary>
    public string RecipePath => File("recipe.yaml");

    /// <summary>Path of the log, one JSON object per line.</summary>
    public string LogPath => File("log.jsonl");

    /// <summary>Path of the figures of the last evaluation, in JSON.</summary>
    public string ResultsPath => File("results.json");

    /// <summary>Path of the list of training samples, where only a part of the data set was drawn.</summary>
    public string SamplesPath => File("samples.txt");

    /// <summary>Path of the record of the data that the run began with: class names, and name and label of every sample.</summary>
    internal string DataPath => File("data.json.gz");

    /// <summary>Path of the report.</summary>
    public string ReportPath => File("report.html");

    /// <summary>The checkpoints of the run.</summary>
    internal CheckpointStore Checkpoints => new(File("checkpoints"));

    /// <summary>The pictures of its evaluations.</summary>
    internal RunPictures Pictures => new(File("pictures"));

    /// <summary>Whether there is a run in it.</summary>
    public bool Exists => System.IO.File.Exists(RecipePath);

    /// <summary>Path of the bundle: the model with all that is needed to use it.</summary>
    public string BundlePath => File("bundle");

    internal static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        WriteIndented = true,
        Converters = { new NonFiniteAsNull() },
    };

    /// <summary>Deletes what a process has left that was killed while it wrote a file.</summary>
    internal void RemoveUnfinished()
    {
        foreach (var file in Directory.EnumerateFiles(Path, "*.tmp"))
            System.IO.File.Delete(file);
    }

    private string File(string name) => System.IO.Path.Combine(Path, name);

    /// <summary>Writes a file whole or not at all.</summary>
    internal static void Write(string path, string content) => Write(path, System.Text.Encoding.UTF8.GetBytes(content));

    /// <inheritdoc cref="Write(string, string)"/>
    internal static void Write(string path, byte[] content)
    {
        Directory.CreateDirectory(System.IO.Path.GetDirectoryName(path)!);
        var building = $"{path}.{Guid.NewGuid():N}.tmp";
        try
        {
            using (var stream = new FileStream(building, FileMode.CreateNew, FileAccess.Write))
            {
                stream.Write(content);
                stream.Flush(flushToDisk: true);
            }
            System.IO.File.Move(building, path, overwrite: true);
        }
        catch
        {
            System.IO.File.Delete(building);
            throw;
        }
    }
}
