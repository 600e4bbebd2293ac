namespace Tessera.Models.Fitting;

/// <summary>Finds the models that weights fit.</summary>
public static class ModelFits
{
    /// <summary>
    /// The models that fit at all, the best first: those whose names and shapes all agree, those that do so with another number of classes,
    /// image size or number of channels, then those that differ least. Weights are neither read nor initialised.
    /// </summary>
    /// <param name="weights">Names and shapes.</param>
    /// <param name="variants">Models to look at; null for all of the registry.</param>
    /// <param name="cancellation">Ends the search.</param>
    /// <exception cref="OperationCanceledException">The search was ended.</exception>
    public static IReadOnlyList<ModelFit> Find(
        WeightShapes weights,
        IEnumerable<Variant>? variants = null,
        CancellationToken cancellation = default
    )
    {
        List<ModelFit> fits = [];
        foreach (var variant in variants ?? Registry.All)
        {
            cancellation.ThrowIfCancellationRequested();
            var fit = Of(variant, weights);
            if (fit.Kind != FitKind.None)
                fits.Add(fit);
        }
        return [.. fits.OrderBy(fit => fit.Kind).ThenBy(fit => fit.Differing).ThenBy(fit => fit.Resized.Count)];
    }

    /// <summary>How weights fit a model of the registry, which is built with the number of channels and classes that they are for.</summary>
    /// <param name="variant">The model.</param>
    /// <param name="weights">Names and shapes.</param>
    public static ModelFit Of(Variant variant, WeightShapes weights)
    {
        var fit = Built(variant, new(), weights);
        // Images of another number of channels change the first layer alone: built for them, the model tells whether the rest agrees.
        if (
            fit is not { Kind: FitKind.Partial, Channels: { } channels, Differences: { Missing.Count: 0, Unexpected.Count: 0 } }
            || Built(variant, new() { Channels = channels }, weights) is not { Kind: not FitKind.Partial } other
        )
            return fit.Kind == FitKind.Partial ? fit with { Channels = null } : fit;
        return other with { Kind = FitKind.WithOptions, Channels = channels };
    }

    /// <summary>How weights fit a model that is there.</summary>
    /// <param name="name">Name of the model.</param>
    /// <param name="model">The model.</param>
    /// <param name="weights">Names and shapes.</param>
    public static ModelFit Of(string name, Model model, WeightShapes weights)
    {
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        var own = model.StateDict();
        var names = own.Keys.ToHashSet(StringComparer.Ordinal);
        var state = weights.For(model, names);
        var before = state.ToDictionary(entry => entry.Key, entry => entry.Value.Shape);
        Adapt(model, state);
        (string Name, Shape Own, Shape Given)[] resized =
        [
            .. state
                .Where(entry => own.ContainsKey(entry.Key) && before.TryGetValue(entry.Key, out var was) && was != entry.Value.Shape)
                .Select(entry => (entry.Key, own[entry.Key].Shape, before[entry.Key])),
        ];
        var report = StateDictReport.Compare(own, state);
        var classes = Classes(model, state, own, ref report);
        // Values that the model puts in itself (tables that it computes) say nothing of the file.
        var agreeing = state.Count(entry =>
            own.TryGetValue(entry.Key, out var expected) && !ReferenceEquals(expected, entry.Value) && expected.Shape == entry.Value.Shape
        );
        var kind = report is { Complete: true, Mismatched.Count: 0 }
            ? classes is null && resized.Length == 0
                ? FitKind.Complete
                : FitKind.WithOptions
            : agreeing > 0
                ? FitKind.Partial
                : FitKind.None;
        return new(name, kind, report, agreeing)
        {
            Classes = classes,
            Channels = Channels(model, report),
            Resized = resized,
        };
    }

    private static ModelFit Built(Variant variant, ModelOptions options, WeightShapes weights)
    {
        using var skip = Nn.Init.Skip();
        using var scope = new Scope();
        var model = variant.Create(options);
        var fit = Of(variant.Name, model, weights);
        foreach (var tensor in model.StateDict().Values)
            tensor.Dispose();
        return fit;
    }

    // A model refuses tables that are no grid: the weights are another's, which their names and shapes tell.
    private static void Adapt(Model model, OrderedDictionary<string, Tensor> state)
    {
        KeyValuePair<string, Tensor>[] given = [.. state];
        try
        {
            model.Fit(state);
        }
        catch (TorchException)
        {
            state.Clear();
            foreach (var (name, tensor) in given)
                state[name] = tensor;
        }
    }

    /// <summary>
    /// The number of classes where it is all that is wrong with the classifier, whose names the report then no longer holds; null otherwise.
    /// </summary>
    private static int? Classes(
        Model model,
        OrderedDictionary<string, Tensor> state,
        IReadOnlyDictionary<string, Tensor> own,
        ref StateDictReport report
    )
    {
        string[] head = [.. model.ClassifierNames.Where(own.ContainsKey)];
        if (head.Length == 0)
            return null;
        int? classes = null;
        if (head.All(report.Missing.Contains))
            classes = 0;
        else if (
            head.All(state.ContainsKey)
            && head.All(name => OtherRows(state[name].Shape, own[name].Shape))
            && head.Select(name => state[name].Size(0)).Distinct().Count() == 1
        )
            classes = (int)state[head[0]].Size(0);
        if (classes is null)
            return null;
        report = new(
            [.. report.Missing.Except(head)],
            report.Unexpected,
            [.. report.Mismatched.Where(entry => !head.Contains(entry.Name))]
        );
        return classes;
    }

    private static bool OtherRows(Shape given, Shape own) =>
        given.Count == own.Count && given.Count > 0 && given[0] != own[0] && given.Skip(1).SequenceEqual(own.Skip(1));

    /// <summary>The channels of images of the weights, as the one convolution whose inputs differ tells them.</summary>
    private static int? Channels(Model model, StateDictReport report) =>
        report.Mismatched is [var (_, own, given)] && own.Count == 4 && given.Count == 4 && own[1] == model.Channels && given[1] != own[1]
            ? (int)given[1]
            : null;
}
