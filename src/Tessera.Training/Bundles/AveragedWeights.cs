using Tessera.Checkpoints;
using Tessera.Training.Runs;

namespace Tessera.Training.Bundles;

/// <summary>Adds weights of runs and of files to a mean.</summary>
public static class AveragedWeights
{
    /// <summary>Adds the weights of a run, a bundle or a file.</summary>
    /// <param name="mean">What they are added to.</param>
    /// <param name="source">Folder of a run or bundle, or a file: safetensors, or what PyTorch saves.</param>
    /// <param name="best">Of a run the best weights instead of the newest.</param>
    /// <param name="stop">Gives up between two tensors; nothing was added then.</param>
    /// <returns>A sentence for every choice that was made without having been asked for.</returns>
    /// <exception cref="RunException">There is no such source.</exception>
    /// <exception cref="OperationCanceledException">It was stopped.</exception>
    /// <exception cref="WeightAverageException">The weights are not those of the same model.</exception>
    public static IReadOnlyList<string> Add(WeightAverage mean, WeightsFile source, bool best = false, CancellationToken stop = default)
    {
        if (Directory.Exists(source.File) && !WeightsFolder.Holds(source.File))
        {
            if (source.IsPart)
                throw new RunException($"{source.File}: a run has its weights alone; a key or a prefix is for files");
            var bundle = BundleFolder.Find(source.File);
            var path = bundle.WeightsPath(bundle.Read().Weights, best, source.Ema == true);
            mean.Add(path, () => TensorFile.Load(path), stop);
            return [];
        }
        if (!Path.Exists(source.File))
            throw new RunException($"{source.File}: there is neither a run nor a file of weights");
        using var file = Checkpoint.Open(source.File, stop: stop);
        var found = file.FindStateDict(source.Find);
        mean.Add(source.File, () => found.Tensors.ToTensors(stop), stop);
        return found.Notes;
    }
}
