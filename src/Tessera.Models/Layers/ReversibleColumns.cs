namespace Tessera.Models.Layers;

/// <summary>
/// Columns in a row whose backward pass keeps nothing but the features of the last one: the features before every column are
/// recomputed from those after it, old = (new - level) / alpha, while its gradients are taken (Cai et al., 2022,
/// arXiv:2212.11696, section 2.2 and appendix).
/// </summary>
/// <remarks>
/// Parameters are inputs of the function and the gradients inside are taken by <see cref="Autograd.Grad"/>, so they reach the
/// parameters on the usual way: by <see cref="Tensor.Backward"/>, by <see cref="Autograd.Grad"/>, through hooks and reducers.
/// Every level's random draws are replayed, and so is autocast.
/// </remarks>
internal sealed class ReversibleColumns : Function
{
    private readonly IReadOnlyList<RevColumn> columns;
    private readonly IReadOnlySet<int> supervised;
    private readonly int[] offsets; // of each column's parameters among the inputs: alphas, then level by level
    private readonly int inputCount;
    private readonly bool random;
    private DType? autocast;

    private ReversibleColumns(IReadOnlyList<RevColumn> columns, IReadOnlySet<int> supervised)
    {
        (this.columns, this.supervised) = (columns, supervised);
        random = columns.Any(column => column.Random && column.Training);
        offsets = new int[columns.Count];
        inputCount = columns[0].First ? 1 : 5;
        foreach (var (i, column) in columns.Index())
        {
            offsets[i] = inputCount;
            inputCount += column.Parameters().Count();
        }
    }

    /// <summary>Runs the columns.</summary>
    /// <param name="columns">One or more, in a row.</param>
    /// <param name="stem">The stem's map, which every column reads.</param>
    /// <param name="old">Features c0 to c3 before the first of them; null where there is no column before.</param>
    /// <param name="supervised">Positions, among these columns, of those whose c3 is wanted although they are not the last.</param>
    /// <returns>c0 to c3 of the last column, then the wanted c3 in order.</returns>
    public static Tensor[] Run(IReadOnlyList<RevColumn> columns, Tensor stem, Tensor[]? old, IReadOnlySet<int> supervised)
        => new ReversibleColumns(columns, supervised).Apply([stem, .. old ?? [], .. columns.SelectMany(column => column.Parameters())]);

    protected override Tensor[] Forward(Context context, Tensor[] inputs)
    {
        autocast = Torch.AutocastType(inputs[0].Device.Type);
        using var generator = Generator.Default(inputs[0].Device);
        var states = new List<Tensor>();
        var wanted = new List<Tensor>();
        var features = columns[0].First ? null : inputs[1..5];
        foreach (var (i, column) in columns.Index())
        {
            var before = features;
            features = new Tensor[4];
            for (var level = 0; level < 4; level++)
            {
                using var scope = new Scope();
                if (random) states.Add(scope.Return(generator.GetState()));
                features[level] = scope.Return(column.Step(level, inputs[0], features, before));
            }
            column.Observe(features);
            // What lies between the columns goes at once: until the end of the pass it would fill the memory that this saves.
            if (i > 0) Free(before!, supervised.Contains(i - 1) ? 3 : 4);
            if (supervised.Contains(i)) wanted.Add(features[3]);
        }
        context.Save([inputs[0], .. features!, .. states]);
        return [.. features!, .. wanted];
    }

    protected override Tensor?[] Backward(Context context, Tensor?[] gradients)
    {
        if (Torch.GradEnabled) throw new NotSupportedException("gradients of gradients do not pass reversible columns: train with plain back-propagation");
        var stem = context.Saved(0);
        Tensor[] features = [.. Enumerable.Range(1, 4).Select(context.Saved)];
        var results = new Tensor?[inputCount];
        var right = gradients[..4];
        var given = gradients.Length;
        using var generator = Generator.Default(stem.Device);
        var outside = random ? generator.GetState() : null;
        try
        {
            for (var i = columns.Count - 1; i >= 0; i--)
            {
                if (supervised.Contains(i)) right[3] = Sum(right[3], gradients[--given]);
                var (old, left) = Reverse(context, i, stem, features, right, generator, results);
                Free(features, 4);
                Free(right, 4);
                (features, right) = (old, left);
            }
        }
        finally
        {
            if (outside is not null) generator.SetState(outside);
        }
        if (!columns[0].First) right.CopyTo(results, 1);
        return results;
    }

    // One column from right to left: from its features and their gradients to those of the column before. Level 3 comes first;
    // gradients of stem and parameters go to the results.
    private (Tensor[] Old, Tensor?[] Left) Reverse(Context context, int index, Tensor stem, Tensor[] features, Tensor?[] right, Generator generator, Tensor?[] results)
    {
        var column = columns[index];
        var (old, left) = (new Tensor[4], new Tensor?[4]);
        var number = offsets[index] + column.Parameters().Count(); // of the parameter after this level's
        Tensor? toLower = null;
        for (var level = 3; level >= 0; level--)
        {
            using var scope = new Scope();
            var module = column.Levels[level];
            var parameters = module.Parameters().ToArray();
            number -= parameters.Length;
            var gradient = Sum(right[level], toLower);
            toLower = null;

            if (random) generator.SetState(context.Saved(5 + 4 * index + level));
            var lower = Leaf(level == 0 ? stem : features[level - 1]);
            var upper = level < 3 && !column.First ? Leaf(old[level + 1]) : null;
            var top = module.UsesTop ? Leaf(old[3]) : null;
            Tensor computed;
            using (Torch.EnableGrad())
            using (Torch.Autocast(autocast ?? DType.BFloat16, stem.Device.Type, autocast is not null))
                computed = module.Call((lower, upper, top));

            var alpha = column.Alphas[level].Detach();
            if (!column.First) old[level] = scope.Return((features[level] - computed.Detach()) / alpha);
            if (gradient is null) continue;
            if (!column.First) left[level] = scope.Return(gradient * alpha);
            if (context.Needs(offsets[index] + level))
                results[offsets[index] + level] = scope.Return(column.First ? alpha.ZerosLike() : (old[level] * gradient).Sum([0, 2, 3], true));

            var leaves = new List<(Tensor Leaf, Action<Tensor> Take)> { (lower, level == 0 ? ToStem : found => toLower = scope.Return(found)) };
            if (upper is not null) leaves.Add((upper, found => left[level + 1] = Added(left[level + 1], found)));
            if (top is not null) leaves.Add((top, found => left[3] = Added(left[3], found)));
            for (var p = 0; p < parameters.Length; p++)
            {
                var at = number + p;
                if (context.Needs(at)) leaves.Add((parameters[p], found => results[at] = scope.Return(found)));
            }
            var found = Autograd.Grad([computed], [.. leaves.Select(entry => entry.Leaf)], [gradient.To(computed.DType)], allowUnused: true);
            for (var k = 0; k < found.Length; k++)
                if (found[k] is { } value) leaves[k].Take(value);

            void ToStem(Tensor part)
            {
                var before = results[0];
                results[0] = scope.Return(before is null ? part : before + part);
                before?.Dispose();
            }

            // The total is a product made here: nobody else sees that it changes.
            Tensor Added(Tensor? total, Tensor part) => total is null ? scope.Return(part) : total.Add_(part);
        }
        toLower?.Dispose();
        return (old, left);
    }

    private static Tensor Leaf(Tensor values)
    {
        var leaf = values.Detach();
        leaf.RequiresGrad = true;
        return leaf;
    }

    private static Tensor? Sum(Tensor? a, Tensor? b) => a is null ? b : b is null ? a : a + b;

    private static void Free(Tensor?[] tensors, int count)
    {
        for (var i = 0; i < count; i++) tensors[i]?.Dispose();
    }

    /// <summary>Recomputes the features before every column from those after the last one, and compares them with the true ones.</summary>
    /// <param name="columns">All columns from the first on, in evaluation.</param>
    /// <param name="stem">The stem's map.</param>
    /// <returns>For every column but the first, from left to right: the largest relative error of c0 to c3 before it.</returns>
    public static double[] RecomputationErrors(IReadOnlyList<RevColumn> columns, Tensor stem)
    {
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        var truth = new List<Tensor[]>();
        foreach (var column in columns) truth.Add(column.Call((stem, truth.LastOrDefault())));
        var errors = new double[columns.Count - 1];
        var features = truth[^1];
        for (var i = columns.Count - 1; i > 0; i--)
        {
            var old = new Tensor[4];
            for (var level = 3; level >= 0; level--)
            {
                var computed = columns[i].Levels[level].Call((level == 0 ? stem : features[level - 1], level < 3 ? old[level + 1] : null, level == 0 ? old[3] : null));
                old[level] = (features[level] - computed) / columns[i].Alphas[level];
            }
            errors[i - 1] = old.Zip(truth[i - 1], (ours, theirs) => ((ours - theirs).Norm() / theirs.Norm()).ToDouble()).Max();
            features = old;
        }
        return errors;
    }
}
