using Tessera.Checkpoints;

namespace Tessera.Models.Fitting;

/// <summary>Weights under the names of a model of the registry, with their values and sizes as they are in the file.</summary>
/// <param name="Tensors">The weights; they belong to the scope that was open.</param>
/// <param name="Notes">A sentence for everything that was done beside renaming one by one.</param>
public sealed record NamedWeights(OrderedDictionary<string, Tensor> Tensors, IReadOnlyList<string> Notes);

/// <summary>Brings weights to the names of a model.</summary>
public static class ModelNames
{
    /// <summary>
    /// Weights of a file under the names that a model has for them. Prefixes and names of other libraries are replaced, arrays of JAX are
    /// turned and packed as the model keeps them. Position tables and classifiers of other sizes stay as they are, because loading fits
    /// them to the model that is then wanted. What a model computes itself is left out.
    /// </summary>
    /// <param name="file">The file.</param>
    /// <param name="found">The weights that were found in it.</param>
    /// <param name="variant">The model.</param>
    /// <exception cref="StateDictException">Names or shapes do not fit the model.</exception>
    /// <exception cref="CheckpointException">A tensor cannot be read.</exception>
    public static NamedWeights Bring(Checkpoint file, FoundStateDict found, Variant variant)
    {
        using var skip = Nn.Init.Skip();
        using var scope = new Scope();
        var model = variant.Create(new());
        var named = Bring(file, found, model);
        foreach (var tensor in model.StateDict().Values)
            tensor.Dispose();
        scope.Return(named.Tensors);
        return named;
    }

    private static NamedWeights Bring(Checkpoint file, FoundStateDict found, Backbone model)
    {
        using var outside = Torch.NoGrad();
        var own = model.StateDict();
        List<string> notes = [];
        OrderedDictionary<string, Tensor> state;
        if (file.Format == CheckpointFormat.NumpyArchive && model is Vit vit)
        {
            state = VitNumpy.Convert(file, vit);
            notes.Add("the arrays of JAX were turned and packed as the model keeps them");
        }
        else
        {
            state = found.Tensors.ToTensors();
            notes.AddRange(OwnNames.Bring(own.Keys.ToHashSet(StringComparer.Ordinal), model.ClassifierNames, state));
        }
        var before = state.ToDictionary(entry => entry.Key, entry => entry.Value);
        model.AdaptStateDict(state);
        var report = StateDictReport.Compare(own, state);
        var head = model.ClassifierNames.ToHashSet(StringComparer.Ordinal);
        StateDictReport serious = new(
            [.. report.Missing.Where(name => !head.Contains(name))],
            report.Unexpected,
            [.. report.Mismatched.Where(entry => !head.Contains(entry.Name))]
        );
        if (serious is not { Complete: true, Mismatched.Count: 0 })
            throw new StateDictException(model.GetType().Name, serious);
        if (report.Missing.Count > 0)
            notes.Add($"the weights have no {string.Join(", ", report.Missing)}: a classifier that is loaded from them starts fresh");

        var result = new OrderedDictionary<string, Tensor>();
        foreach (var (name, tensor) in state)
        {
            if (before.TryGetValue(name, out var given) && given.Shape != tensor.Shape)
                result[name] = given;
            // What the model put in from its own values, which are none here, it puts in again when the file is loaded.
            else if (!ReferenceEquals(tensor, own.GetValueOrDefault(name)))
                result[name] = tensor;
        }
        if (result.Where(entry => own[entry.Key].Shape != entry.Value.Shape).Select(entry => entry.Key).ToArray() is { Length: > 0 } other)
            notes.Add($"of another size than the model's, and kept as they are: {string.Join(", ", other)}");
        return new(result, notes);
    }
}
