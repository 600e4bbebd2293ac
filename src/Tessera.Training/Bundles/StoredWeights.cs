using Tessera.Checkpoints;
using Tessera.Training.Runs;

namespace Tessera.Training.Bundles;

/// <summary>Weights where they lie: in a file, in a folder of the Hugging Face hub, in a run or in a bundle.</summary>
internal sealed class StoredWeights : IDisposable
{
    private readonly WeightsFile source;

    private StoredWeights(WeightsFile source, Checkpoint file, BundleContent? content, IReadOnlyList<BundleWeights> entries) =>
        (this.source, File, Content, Entries) = (source, file, content, entries);

    /// <summary>The open file.</summary>
    public Checkpoint File { get; }

    /// <summary>What the bundle says of its model; null for a file.</summary>
    public BundleContent? Content { get; }

    /// <summary>All weights of the bundle; empty for a file.</summary>
    public IReadOnlyList<BundleWeights> Entries { get; }

    /// <summary>Opens weights. Of a run or a bundle, checksums are compared.</summary>
    /// <param name="source">A file, or the folder of the hub, of a run or of a bundle, and which part of it.</param>
    /// <param name="best">Of a run the best weights instead of the newest.</param>
    /// <exception cref="RunException">There is no such source, or the bundle is damaged.</exception>
    /// <exception cref="CheckpointException">The file cannot be read.</exception>
    public static StoredWeights Open(WeightsFile source, bool best = false)
    {
        var path = source.File;
        if (!Path.Exists(path))
            throw new RunException($"{path}: there is neither a file of weights nor a folder with some");
        if (!Directory.Exists(path) || !(new RunFolder(path).Exists || new BundleFolder(path).Exists))
            return best
                ? throw new RunException($"{path}: the best weights are those of a run, and this is none")
                : new(source, Checkpoint.Open(path), null, []);
        if (source.IsPart)
            throw new RunException($"{path}: a run has its weights alone; a key or a prefix is for files");
        var bundle = BundleFolder.Find(path);
        var (content, entries) = bundle.Read();
        return new(
            // The bundle has chosen the average already.
            source with
            {
                Ema = null,
            },
            Checkpoint.Open(bundle.WeightsPath(entries, best, source.Ema == true)),
            content,
            entries
        );
    }

    /// <summary>The weights by name.</summary>
    /// <exception cref="CheckpointException">There are none, or several to choose from.</exception>
    public FoundStateDict Find() => File.FindStateDict(source.Find);

    /// <summary>Closes the file.</summary>
    public void Dispose() => File.Dispose();
}
