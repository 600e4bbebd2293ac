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
    /// <param name="ema">The moving average of the weights.</param>
    /// <exception cref="RunException">There is no such source.</exception>
    /// <exception cref="WeightAverageException">The weights are not those of the same model.</exception>
    public static void Add(WeightAverage mean, string source, bool best = false, bool ema = false)
    {
        if (Directory.Exists(source))
        {
            var bundle = BundleFolder.Find(source);
            var path = bundle.WeightsPath(bundle.Read().Weights, best, ema);
            mean.Add(path, () => TensorFile.Load(path));
            return;
        }
        if (!File.Exists(source))
            throw new RunException($"{source}: there is neither a run nor a file of weights");
        using var file = Checkpoint.Open(source);
        mean.Add(source, () => file.StateDict(new() { PreferEma = ema }).ToTensors());
    }
}
