using Tessera.Cli.Shell;
using Tessera.Models;
using Tessera.Training.Bundles;

namespace Tessera.Cli.Inputs;

/// <summary>Which model a user wants: a run, or a model of the registry with a weight file.</summary>
/// <param name="Name">Folder of the run or of its bundle, or the name of the model.</param>
/// <param name="Checkpoint">The weight file; null for the weights of the run.</param>
/// <param name="Key">Which of several sets of weights in the file.</param>
/// <param name="Prefix">Which of several networks in a set.</param>
/// <param name="Classes">Classes of the file: their number, or a file of their names.</param>
/// <param name="Best">Whether the best weights of the run are taken instead of the newest.</param>
/// <param name="Averaged">Whether the moving average of the weights is taken.</param>
internal sealed record ModelChoice(
    string Name,
    string? Checkpoint = null,
    string? Key = null,
    string? Prefix = null,
    string? Classes = null,
    bool Best = false,
    bool Averaged = false
)
{
    /// <summary>What a command makes of the model.</summary>
    /// <param name="device">Where it shall compute.</param>
    /// <param name="ofRun">Of the folder of a run.</param>
    /// <param name="ofWeights">Of a model of the registry with weights, and the names of their classes where they are given.</param>
    /// <exception cref="UserException">The choices do not go together.</exception>
    internal T Open<T>(
        Device device,
        Func<string, ModelBundle, T> ofRun,
        Func<Variant, WeightsFile, IReadOnlyList<string>?, Device, T> ofWeights
    )
    {
        var file = ModelLoading.Weights(Checkpoint, Key, Prefix, Averaged);
        if (Directory.Exists(Name))
        {
            if (Classes is not null)
                throw new UserException("--classes cannot be combined with a run, which knows its classes");
            var bundle = ModelBundle.Load(Name, device, Best, Averaged && file is null);
            return ofRun(Name, file is null ? bundle : bundle.WithWeights(file));
        }
        var variant = ModelLoading.Find(Name);
        if (file is null)
            throw new UserException($"--checkpoint is required: model {Name} has no weights of its own");
        if (Best)
            throw new UserException("--best needs a run folder; a model has only the weights of --checkpoint");
        var (count, names) = ModelLoading.ClassesOf(Classes);
        return ofWeights(variant, file, names ?? ModelLoading.Numbered(count), device);
    }

    /// <summary>The same with whole paths, which hold wherever a command is started.</summary>
    internal ModelChoice Whole() =>
        this with
        {
            Name = Directory.Exists(Name) ? Path.GetFullPath(Name) : Name,
            Checkpoint = Checkpoint is null ? null : Path.GetFullPath(Checkpoint),
        };

    /// <summary>The model.</summary>
    internal ModelBundle Open(Device device) =>
        Open(device, (_, bundle) => bundle, (variant, file, classes, on) => ModelBundle.FromWeights(variant, file, classes, device: on));
}
