namespace Tessera.Models.Layers;

/// <summary>
/// A column whose backward pass recomputes what lies inside from the features after it, and the features before it by
/// old = (new - level) / alpha (Cai et al., 2022, arXiv:2212.11696, section 2.2 and appendix).
/// </summary>
/// <remarks>
/// Parameters are inputs of the function and the gradients inside are taken by <see cref="Autograd.Grad"/>, so they reach the
/// parameters on the usual way: by <see cref="Tensor.Backward"/>, by <see cref="Autograd.Grad"/>, through hooks and reducers.
/// Every level's random draws are replayed, and so is autocast.
/// </remarks>
internal sealed class ReversibleColumn : Function
{
    /// <summary>Hands recomputed features on, in a backward pass from each column to the one on its left.</summary>
    internal sealed class Relay
    {
        private Tensor[]? features;

        public void Put(Tensor[] recomputed) => features = [.. recomputed.Select(map => map.Keep())];

        public void Clear()
        {
            foreach (var map in features ?? [])
                map.Dispose();
            features = null;
        }

        public Tensor[] Take()
        {
            var taken = features
                ?? throw new InvalidOperationException(
                    "full back-propagation begins at the last column, but the loss does not depend on it: "
                        + "keep the features between the columns (Backpropagation.Boundary)"
                );
            features = null;
            return taken;
        }
    }

    private readonly RevColumn column;
    private readonly Relay? relay;
    private readonly bool saves;
    private readonly bool random;
    private DType? autocast;

    private ReversibleColumn(RevColumn column, Relay? relay, bool saves)
    {
        (this.column, this.relay, this.saves) = (column, relay, saves || relay is null);
        random = column.Random && column.Training;
    }

    /// <summary>Runs a column.</summary>
    /// <param name="column">The column.</param>
    /// <param name="stem">The stem's map, which every column reads.</param>
    /// <param name="old">Features c0 to c3 before it; null for the first one.</param>
    /// <param name="relay">Shared by all columns of a pass, so that not each has to save its features. Null: each saves its own.</param>
    /// <param name="saves">With a relay, whether this one saves them all the same; the last has to.</param>
    /// <returns>c0 to c3.</returns>
    public static Tensor[] Run(RevColumn column, Tensor stem, Tensor[]? old, Relay? relay, bool saves) =>
        new ReversibleColumn(column, relay, saves).Apply([stem, .. old ?? [], .. column.Parameters()]);

    // Sums of features that are recomputed over many columns are taken in float64. The levels see them rounded, so that they
    // compute the same again to the last bit, and what is left of the error is that of float64.
    private bool Wide => relay is not null;

    // Of the parameters among the inputs: alphas, then level by level.
    private int Offset => column.First ? 1 : 5;

    protected override Tensor[] Forward(Context context, Tensor[] inputs)
    {
        autocast = Torch.AutocastType(inputs[0].Device.Type);
        using var generator = Generator.Default(inputs[0].Device);
        var old = column.First ? null : inputs[1..5];
        var features = new Tensor[4];
        var states = new List<Tensor>();
        for (var level = 0; level < 4; level++)
        {
            if (random)
                states.Add(generator.GetState());
            features[level] = column.Step(level, inputs[0], features, old, Wide);
        }
        column.Observe(features);
        context.Save([inputs[0], .. states, .. saves ? features : []]);
        return features;
    }

    protected override Tensor?[] Backward(Context context, Tensor?[] gradients)
    {
        if (Torch.GradEnabled)
            throw new NotSupportedException("reversible columns have no gradients of gradients: use Backpropagation.Plain");
        var first = random ? 5 : 1;
        var features = saves ? [.. Enumerable.Range(first, 4).Select(context.Saved)] : relay!.Take();
        if (saves)
            relay?.Clear(); // what came from the right is less exact
        using var generator = Generator.Default(features[0].Device);
        var outside = random ? generator.GetState() : null;
        try
        {
            var (results, old) = Reverse(context, features, gradients, generator);
            if (!column.First)
                relay?.Put(old);
            return results;
        }
        finally
        {
            foreach (var map in features)
                map.Dispose();
            if (outside is not null)
                generator.SetState(outside);
        }
    }

    // From right to left: from the features after the column and their gradients to those before it. Level 3 comes first.
    private (Tensor?[] Results, Tensor[] Old) Reverse(Context context, Tensor[] features, Tensor?[] right, Generator generator)
    {
        var stem = context.Saved(0);
        var (old, left) = (new Tensor[4], new Tensor?[4]);
        var number = Offset + column.Parameters().Count(); // of the parameter after this level's
        var results = new Tensor?[number];
        Tensor? toLower = null;
        for (var level = 3; level >= 0; level--)
        {
            using var scope = new Scope();
            var module = column.Levels[level];
            var parameters = module.Parameters().ToArray();
            number -= parameters.Length;
            var gradient = Sum(right[level], toLower);
            toLower = null;

            if (random)
                generator.SetState(context.Saved(1 + level));
            Tensor Narrow(Tensor map) => Wide ? map.To(stem.DType) : map;
            var lower = Leaf(level == 0 ? stem : Narrow(features[level - 1]));
            var upper = level < 3 && !column.First ? Leaf(Narrow(old[level + 1])) : null;
            var top = module.UsesTop ? Leaf(Narrow(old[3])) : null;
            Tensor computed;
            using (Torch.EnableGrad())
            using (Torch.Autocast(autocast ?? DType.BFloat16, stem.Device.Type, autocast is not null))
                computed = module.Call((lower, upper, top));

            var alpha = column.Alphas[level].Detach();
            if (Wide)
                alpha = alpha.To(DType.Float64);
            if (!column.First)
                old[level] = scope.Return((features[level] - (Wide ? computed.Detach().To(DType.Float64) : computed.Detach())) / alpha);
            if (gradient is null)
                continue;
            if (!column.First)
                left[level] = scope.Return(gradient * alpha);
            if (context.Needs(Offset + level))
                results[Offset + level] = scope.Return(
                    (column.First ? alpha.ZerosLike() : (old[level] * gradient).Sum([0, 2, 3], true)).To(column.Alphas[level].DType)
                );

            var leaves = new List<(Tensor Leaf, Action<Tensor> Take)>();
            if (level > 0)
                leaves.Add((lower, found => toLower = scope.Return(found)));
            else if (context.Needs(0))
                leaves.Add((lower, found => results[0] = scope.Return(found)));
            // The sums are products made here: nobody else sees that they change.
            if (upper is not null)
                leaves.Add((upper, found => left[level + 1] = left[level + 1]?.Add_(found) ?? scope.Return(found)));
            if (top is not null)
                leaves.Add((top, found => left[3] = left[3]?.Add_(found) ?? scope.Return(found)));
            for (var p = 0; p < parameters.Length; p++)
            {
                var at = number + p;
                if (context.Needs(at))
                    leaves.Add((parameters[p], found => results[at] = scope.Return(found)));
            }
            if (leaves.Count == 0)
                continue;
            var found = Autograd.Grad(
                [computed],
                [.. leaves.Select(entry => entry.Leaf)],
                [gradient.To(computed.DType)],
                allowUnused: true
            );
            for (var k = 0; k < found.Length; k++)
                if (found[k] is { } value)
                    leaves[k].Take(value);
        }
        if (!column.First)
            left.CopyTo(results, 1);
        return (results, old);
    }

    private static Tensor Leaf(Tensor values)
    {
        var leaf = values.Detach();
        leaf.RequiresGrad = true;
        return leaf;
    }

    private static Tensor? Sum(Tensor? a, Tensor? b) =>
        a is null ? b
        : b is null ? a
        : a + b;

    /// <summary>Recomputes the features before every column from those after the last one, and compares them with the true ones.</summary>
    /// <param name="columns">All columns from the first on, in evaluation.</param>
    /// <param name="stem">The stem's map.</param>
    /// <param name="wide">Whether sums are taken in float64, as full back-propagation does.</param>
    /// <returns>For every column but the first, from left to right: the largest relative error of c0 to c3 before it.</returns>
    public static double[] RecomputationErrors(IReadOnlyList<RevColumn> columns, Tensor stem, bool wide)
    {
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        var truth = new List<Tensor[]>();
        foreach (var column in columns)
        {
            var made = new Tensor[4];
            for (var level = 0; level < 4; level++)
                made[level] = column.Step(level, stem, made, truth.LastOrDefault(), wide);
            truth.Add(made);
        }
        var errors = new double[columns.Count - 1];
        var features = truth[^1];
        for (var i = columns.Count - 1; i > 0; i--)
        {
            var old = new Tensor[4];
            for (var level = 3; level >= 0; level--)
            {
                Tensor? Narrow(Tensor? map) => map?.To(stem.DType);
                var computed = columns[i]
                    .Levels[level]
                    .Call(
                        (
                            level == 0 ? stem : Narrow(features[level - 1])!,
                            level < 3 ? Narrow(old[level + 1]) : null,
                            level == 0 ? Narrow(old[3]) : null
                        )
                    );
                old[level] = (features[level] - computed.To(features[level].DType)) / columns[i].Alphas[level].To(features[level].DType);
            }
            errors[i - 1] = old.Zip(truth[i - 1], (ours, theirs) => ((ours - theirs).Norm() / theirs.Norm()).ToDouble()).Max();
            features = old;
        }
        return errors;
    }
}
