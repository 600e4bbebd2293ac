namespace Tessera.Checkpoints;

/// <summary>A folder of weights, as the Hugging Face hub and its libraries keep them.</summary>
public static class WeightsFolder
{
    // The first that is there: what its libraries prefer.
    static readonly string[] names =
    [
        "model.safetensors",
        "model.safetensors.index.json",
        "pytorch_model.bin",
        "pytorch_model.bin.index.json",
        "open_clip_pytorch_model.bin",
        "diffusion_pytorch_model.safetensors",
    ];

    /// <summary>Whether a folder holds weights under one of the hub's names.</summary>
    /// <param name="folder">The folder.</param>
    public static bool Holds(string folder) => names.Any(name => File.Exists(Path.Combine(folder, name)));

    /// <summary>The file of a folder's weights.</summary>
    /// <exception cref="UnsupportedCheckpointException">There is none; the message says which names are looked for.</exception>
    internal static string FileIn(string folder) =>
        names.Select(name => Path.Combine(folder, name)).FirstOrDefault(File.Exists)
        ?? throw new UnsupportedCheckpointException(
            folder,
            $"the folder holds none of {string.Join(", ", names[..4])}; name the file of the weights itself"
        );

    /// <summary>What else of a folder could have been meant.</summary>
    internal static IEnumerable<string> OthersIn(string folder) => names.Where(name => File.Exists(Path.Combine(folder, name))).Skip(1);
}
