namespace Tessera.Checkpoints;

/// <summary>A folder of weights, as the Hugging Face hub and its libraries keep them.</summary>
internal static class WeightsFolder
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

    static readonly string[] extensions = [".safetensors", ".bin", ".pt", ".pth", ".th", ".ckpt", ".npz"];

    /// <summary>Whether a folder holds weights under one of the hub's names.</summary>
    /// <param name="folder">The folder.</param>
    internal static bool Holds(string folder) => names.Any(name => File.Exists(Path.Combine(folder, name)));

    /// <summary>The file of a folder's weights, and a sentence where there were others.</summary>
    /// <exception cref="UnsupportedCheckpointException">There is none, or there are several without an order among them.</exception>
    internal static (string File, string? Note) Choose(string folder)
    {
        string[] usual = [.. names.Where(name => File.Exists(Path.Combine(folder, name)))];
        if (usual.Length > 0)
            return (
                Path.Combine(folder, usual[0]),
                usual.Length == 1
                    ? null
                    : $"{folder} holds several files of weights; {usual[0]} was taken, not {string.Join(", ", usual[1..])}"
            );
        string[] others =
        [
            .. Directory
                .EnumerateFiles(folder)
                .Where(file => extensions.Contains(Path.GetExtension(file), StringComparer.OrdinalIgnoreCase))
                .Order(StringComparer.Ordinal),
        ];
        return others.Length switch
        {
            1 => (others[0], null),
            0 => throw new UnsupportedCheckpointException(
                folder,
                $"the folder holds none of {string.Join(", ", names[..4])}; name the file of the weights itself"
            ),
            _ => throw new UnsupportedCheckpointException(
                folder,
                $"the folder holds {others.Length} files that may be the weights, such as {Path.GetFileName(others[0])}; name one"
            ),
        };
    }
}
