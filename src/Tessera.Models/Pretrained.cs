using Tessera.Checkpoints;

namespace Tessera.Models;

/// <summary>How weights are put into a model.</summary>
public sealed record PretrainedOptions
{
    /// <summary>Where the weights lie in the file and under which prefixes.</summary>
    public StateDictOptions Find { get; init; } = new();

    /// <summary>Leaves a classifier of another number of classes as it was initialised, instead of failing.</summary>
    public bool ReplaceHead { get; init; }

    /// <summary>Resamples position tables of another grid, instead of failing.</summary>
    public bool ResizePositions { get; init; } = true;

    /// <summary>Names in the file that the model may lack: computed buffers, decoders of a pre-training.</summary>
    public Func<string, bool>? Ignore { get; init; }
}

/// <summary>What loading did beside copying.</summary>
/// <param name="ReplacedHead">Names of the classifier that kept their initial values.</param>
/// <param name="Ignored">Names of the file that were not used.</param>
public sealed record PretrainedReport(IReadOnlyList<string> ReplacedHead, IReadOnlyList<string> Ignored);

/// <summary>Loads weights from files of every kind that <see cref="Checkpoint"/> reads.</summary>
public static class Pretrained
{
    /// <summary>
    /// Loads a file into a model. Nothing is loaded partially: every difference that the options do not allow is an error.
    /// </summary>
    /// <exception cref="CheckpointException">The file cannot be read.</exception>
    /// <exception cref="StateDictException">Names or shapes do not fit; it lists all of them.</exception>
    public static PretrainedReport Load(Backbone model, string path, PretrainedOptions? options = null)
    {
        options ??= new();
        using var scope = new Scope();
        using var checkpoint = Checkpoint.Open(path);
        // Arrays of numpy are weights of JAX: the model knows their names.
        var state =
            checkpoint.Format == CheckpointFormat.NumpyArchive && model is Vit vit
                ? VitNumpy.Convert(checkpoint, vit)
                : checkpoint.StateDict(options.Find).ToTensors();
        return Load(model, state, options);
    }

    /// <summary>Loads tensors by name into a model.</summary>
    /// <exception cref="StateDictException">Names or shapes do not fit; it lists all of them.</exception>
    public static PretrainedReport Load(Backbone model, OrderedDictionary<string, Tensor> state, PretrainedOptions options)
    {
        using var scope = new Scope();
        if (options.ResizePositions)
            model.AdaptStateDict(state);
        var own = model.StateDict();
        string[] head = options.ReplaceHead
            ?
            [
                .. model.ClassifierNames.Where(name =>
                    own.ContainsKey(name) && (!state.TryGetValue(name, out var given) || given.Shape != own[name].Shape)
                ),
            ]
            : [];
        string[] ignored =
        [
            .. state.Keys.Where(name =>
                !own.ContainsKey(name)
                && ((options.ReplaceHead && model.ClassifierNames.Contains(name)) || options.Ignore?.Invoke(name) == true)
            ),
        ];
        foreach (var name in ignored)
            state.Remove(name);
        foreach (var name in head)
            state[name] = own[name];
        model.LoadStateDict(state);
        return new(head, ignored);
    }
}
