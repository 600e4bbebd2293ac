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

    /// <summary>
    /// Takes what the weights have: tensors that they lack stay as they were initialised, and those that the model lacks are left out,
    /// instead of failing. Other shapes fail all the same, and so do weights that have nothing of the model.
    /// </summary>
    public bool Partial { get; init; }

    /// <summary>Names in the file that the model may lack: computed buffers, decoders of a pre-training.</summary>
    public Func<string, bool>? Ignore { get; init; }
}

/// <summary>What loading did beside copying.</summary>
/// <param name="ReplacedHead">Names of the classifier that kept their initial values.</param>
/// <param name="Ignored">Names of the file that were not used.</param>
public sealed record PretrainedReport(IReadOnlyList<string> ReplacedHead, IReadOnlyList<string> Ignored)
{
    /// <summary>A sentence for everything that a user did not ask for: which of several weights, a prefix, a fresh classifier.</summary>
    public IReadOnlyList<string> Notes { get; init; } = [];

    /// <summary>Tensors of the model that came from the weights.</summary>
    public int Loaded { get; init; }

    /// <summary>Tensors of the model.</summary>
    public int Tensors { get; init; }
}

/// <summary>What <see cref="Model.Load(string, PretrainedOptions?, CancellationToken)"/> and <see cref="Model.Save"/> do.</summary>
internal static class Pretrained
{
    /// <summary>Loads a file or folder into a model.</summary>
    internal static PretrainedReport Load(Model model, string path, PretrainedOptions options, CancellationToken stop)
    {
        using var scope = new Scope();
        using var checkpoint = Checkpoint.Open(path, stop: stop);
        // Arrays of numpy are weights of JAX: the model knows their names.
        if (checkpoint.Format == CheckpointFormat.NumpyArchive && model is Vit vit)
            return Load(model, VitNumpy.Convert(checkpoint, vit), options);

        var found = checkpoint.FindStateDict(options.Find);
        var refused = found.Tensors.Where(entry => entry.Value.Refusal is not null).ToArray();
        var state = found.Tensors.Where(entry => entry.Value.Refusal is null).ToTensors(stop);
        try
        {
            var report = Load(model, state, options);
            return report with
            {
                Notes = [.. found.Notes, .. refused.Select(entry => $"left out: {entry.Value.Refusal!.Message}"), .. report.Notes],
            };
        }
        catch (StateDictException error)
            when (refused
                    .FirstOrDefault(entry => error.Report.Missing.Any(name => entry.Key.EndsWith(name, StringComparison.Ordinal)))
                    .Value
                    is { } missing
            )
        {
            throw missing.Refusal!;
        }
    }

    /// <summary>Loads tensors by name into a model.</summary>
    internal static PretrainedReport Load(Model model, OrderedDictionary<string, Tensor> state, PretrainedOptions options)
    {
        using var scope = new Scope();
        List<string> notes = [];
        var classifier = model.ClassifierNames;
        var names = model.StateDict().Keys.ToHashSet(StringComparer.Ordinal);
        if (MmsegNames.Convert(state) is { } renamed)
            notes.Add(renamed);
        notes.AddRange(OwnNames.Bring(names, [.. classifier], state));
        if (options.ResizePositions)
            notes.AddRange(model.Fit(state));
        model.ExpectPacked(state);
        var own = model.StateDict();
        string[] head = options.ReplaceHead
            ?
            [
                .. classifier.Where(name =>
                    own.ContainsKey(name) && (!state.TryGetValue(name, out var given) || given.Shape != own[name].Shape)
                ),
            ]
            : [];
        string[] ignored =
        [
            .. state.Keys.Where(name =>
                !own.ContainsKey(name) && ((options.ReplaceHead && classifier.Contains(name)) || options.Ignore?.Invoke(name) == true)
            ),
        ];
        if (head.Length > 0)
            notes.Add(FreshClassifier(model, head[0], state, own));
        if (ignored.Any(classifier.Contains))
            notes.Add("the classifier of the weights is left out: the model has none");
        foreach (var name in ignored)
            state.Remove(name);
        var loaded = own.Keys.Count(name => state.ContainsKey(name) && !head.Contains(name));
        foreach (var name in head)
            state[name] = own[name];
        if (options.Partial && loaded > 0)
            notes.AddRange(TakeWhatFits(state, own));
        try
        {
            model.LoadStateDict(state);
        }
        catch (StateDictException error)
        {
            string[] hints =
            [
                .. error.Report.Missing.Count > 0 ? [$"{loaded} of {own.Count} tensors are there"] : Array.Empty<string>(),
                .. StatePrefix.Candidates(names, state.Keys) is { Count: > 0 } prefixes
                    ? [$"choose a part of them by its prefix: {string.Join(" or ", prefixes.Take(4))}"]
                    : Array.Empty<string>(),
            ];
            throw hints.Length == 0 ? error : new StateDictException(model.GetType().Name, error.Report, string.Join("; ", hints));
        }
        return new(head, ignored)
        {
            Notes = notes,
            Loaded = loaded,
            Tensors = own.Count,
        };
    }

    // Missing tensors are those of the model; others than the model's go.
    private static IEnumerable<string> TakeWhatFits(OrderedDictionary<string, Tensor> state, IReadOnlyDictionary<string, Tensor> own)
    {
        string[] missing = [.. own.Keys.Where(name => !state.ContainsKey(name))];
        string[] unknown = [.. state.Keys.Where(name => !own.ContainsKey(name))];
        foreach (var name in missing)
            state[name] = own[name];
        foreach (var name in unknown)
            state.Remove(name);
        return
        [
            .. missing.Length > 0 ? [$"as they were initialised: {Listed(missing)}"] : Array.Empty<string>(),
            .. unknown.Length > 0 ? [$"left out, for the model has none of these names: {Listed(unknown)}"] : Array.Empty<string>(),
        ];
    }

    private static string Listed(string[] names)
    {
        const int shown = 5;
        return names.Length <= shown + 1
            ? string.Join(", ", names)
            : $"{string.Join(", ", names.Take(shown))} and {names.Length - shown} more";
    }

    private static string FreshClassifier(
        Model model,
        string name,
        OrderedDictionary<string, Tensor> state,
        IReadOnlyDictionary<string, Tensor> own
    ) =>
        state.TryGetValue(name, out var given) && given.Dim > 0
            ? $"the classifier starts fresh: that of the weights is for {model.ClassesOf(name, given)} classes, the model's for "
                + $"{model.ClassesOf(name, own[name])}"
            : "the classifier starts fresh: the weights have none";

    /// <summary>Saves weights in the format that the name of the file asks for.</summary>
    internal static void Save(Module model, string path, CancellationToken stop)
    {
        using var scope = new Scope();
        var weights = model.StateDict().ToCheckpoint();
        switch (Path.GetExtension(path).ToUpperInvariant())
        {
            case ".SAFETENSORS":
                Checkpoint.SaveSafetensors(path, weights, stop: stop);
                break;
            case ".PT" or ".PTH":
                Checkpoint.SaveTorch(path, weights, stop);
                break;
            default:
                throw new ArgumentException($"{path}: the name of a file of weights must end with .safetensors, .pt or .pth", nameof(path));
        }
    }
}
