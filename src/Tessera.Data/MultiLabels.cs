using System.Globalization;

namespace Tessera.Data;

/// <summary>Any number of classes per sample, also none.</summary>
/// <remarks>
/// Whether a class is present is known for every sample and every class: partially labelled samples have no place here.
/// </remarks>
public sealed class MultiLabels : Annotations
{
    private readonly int[] starts; // [N + 1]: where the classes of a sample begin in `classes`
    private readonly int[] classes; // of all samples, one after the other, ascending within a sample
    private readonly int[] samples; // [classes]

    /// <summary>The classes of samples.</summary>
    /// <param name="classNames">Name per class; the position is the class.</param>
    /// <param name="labels">Classes per sample, in any order.</param>
    /// <param name="source">Name of the data set in messages.</param>
    /// <exception cref="DataException">A class that does not exist, or a sample that names a class twice.</exception>
    public MultiLabels(IReadOnlyList<string> classNames, IReadOnlyList<IReadOnlyList<int>> labels, string source = "data set")
        : base(classNames)
    {
        starts = new int[labels.Count + 1];
        for (var i = 0; i < labels.Count; i++)
            starts[i + 1] = checked(starts[i] + labels[i].Count);
        classes = new int[starts[^1]];
        samples = new int[classNames.Count];
        for (var i = 0; i < labels.Count; i++)
        {
            var own = classes.AsSpan(starts[i]..starts[i + 1]);
            for (var j = 0; j < own.Length; j++)
                own[j] = labels[i][j];
            own.Sort();
            for (var j = 0; j < own.Length; j++)
            {
                if (own[j] < 0 || own[j] >= classNames.Count)
                    throw new DataException($"{source}: sample {i} has class {own[j]}, but there are {classNames.Count} classes");
                if (j > 0 && own[j] == own[j - 1])
                    throw new DataException($"{source}: sample {i} names class {own[j]} ({classNames[own[j]]}) twice");
                samples[own[j]]++;
            }
        }
    }

    /// <inheritdoc/>
    public override int Count => starts.Length - 1;

    /// <summary>Number of samples that each class is present in.</summary>
    public override IReadOnlyList<int> SamplesPerClass => samples;

    /// <summary>The classes of a sample, ascending.</summary>
    public ReadOnlySpan<int> this[int index] => classes.AsSpan(starts[index]..starts[index + 1]);

    /// <summary>The multi-label annotations of a data set.</summary>
    /// <exception cref="DataException">The data set has annotations of another kind.</exception>
    public static MultiLabels Of(Dataset data) =>
        data.Annotations as MultiLabels
        ?? throw new DataException(
            $"{data.Name} ({data.Split}): a set of classes per sample is needed, and the data set has {data.Annotations.GetType().Name}"
        );

    /// <inheritdoc/>
    public override MultiLabels Part(IReadOnlyList<int> indices) =>
        new(ClassNames, [.. indices.Select(index => (IReadOnlyList<int>)new ArraySegment<int>(classes)[starts[index]..starts[index + 1]])]);

    /// <inheritdoc/>
    public override MultiLabels Renumbered(ClassMapping mapping) =>
        new(
            mapping.Onto,
            [
                .. Enumerable
                    .Range(0, Count)
                    .Select(i => (IReadOnlyList<int>)[.. classes[starts[i]..starts[i + 1]].Select(label => mapping.Numbers[label])]),
            ]
        );

    /// <summary>
    /// The rarest class of a sample, counted over all samples here (of equally rare classes the first), so that draws keep a share of every
    /// class; samples without a class form a stratum of their own, whose number is the number of classes.
    /// </summary>
    /// <inheritdoc/>
    public override int StratumOf(int index)
    {
        var rarest = ClassNames.Count;
        foreach (var label in this[index])
            if (rarest == ClassNames.Count || samples[label] < samples[rarest])
                rarest = label;
        return rarest;
    }

    /// <inheritdoc/>
    public override string StratumName(int stratum) =>
        stratum == ClassNames.Count
            ? "the group of samples without a class"
            : $"the group of samples whose rarest class is {stratum} ({ClassNames[stratum]})";

    /// <inheritdoc/>
    public override string Describe(int index)
    {
        var labels = this[index].ToArray();
        return string.Join(' ', labels.Select(label => label.ToString(CultureInfo.InvariantCulture)));
    }

    /// <inheritdoc/>
    public override Func<MultiLabelTargets> Gather(TargetRequest request)
    {
        var hot = Hot(request.Indices, request.Mixing);
        return () => new(Tensor.From(hot, request.Indices.Count, ClassNames.Count));
    }

    /// <summary>The targets of a batch: 1 where a class is present and 0 where it is not, then smoothed, then mixed.</summary>
    /// <remarks>
    /// Each class is a decision of its own between two outcomes. Smoothing by s therefore spreads s over the two: a target t becomes t (1 -
    /// s) + s / 2, which is s / 2 for an absent class and 1 - s / 2 for a present one (Keras' binary cross-entropy smooths the same way).
    /// Mixing with share m of the sample itself gives m own + (1 - m) other, in single precision, where the two differ.
    /// </remarks>
    /// <param name="indices">The samples.</param>
    /// <param name="plan">How they are mixed, sample i with sample B-1-i; null for not at all.</param>
    /// <returns>[B, classes].</returns>
    public float[] Hot(IReadOnlyList<int> indices, MixPlan? plan = null)
    {
        var width = ClassNames.Count;
        var result = new float[checked(indices.Count * width)];
        var (off, on) = plan is null ? (0f, 1f) : ((float)(plan.Smoothing / 2), (float)(1 - plan.Smoothing / 2));
        result.AsSpan().Fill(off);
        for (var i = 0; i < indices.Count; i++)
            foreach (var label in this[indices[i]])
                result[i * width + label] = on;
        if (plan is not null)
            for (var i = 0; i < indices.Count / 2; i++)
            {
                var j = indices.Count - 1 - i;
                var (own, other) = ((float)plan.Mixes[i].Share, (float)plan.Mixes[j].Share);
                Mix(result.AsSpan(i * width, width), result.AsSpan(j * width, width), own, other);
            }
        return result;
    }

    // Where both have the same target, it stays, exactly.
    private static void Mix(Span<float> first, Span<float> second, float ofFirst, float ofSecond)
    {
        for (var c = 0; c < first.Length; c++)
        {
            var (a, b) = (first[c], second[c]);
            if (a == b)
                continue;
            first[c] = ofFirst * a + (1 - ofFirst) * b;
            second[c] = ofSecond * b + (1 - ofSecond) * a;
        }
    }
}

/// <summary>A set of classes per sample.</summary>
/// <param name="Hot">
/// Per sample and class whether the class is present, in {0, 1}, or between where samples were mixed or smoothed: [B, classes], float32.
/// </param>
public sealed record MultiLabelTargets(Tensor Hot) : Targets
{
    /// <inheritdoc/>
    public override int Count => (int)Hot.Size(0);

    /// <inheritdoc/>
    public override IEnumerable<Tensor> Tensors => [Hot];

    /// <inheritdoc/>
    public override MultiLabelTargets Slice(int start, int count) => new(Hot.Slice(0, start, start + count));

    /// <inheritdoc/>
    public override MultiLabelTargets To(Device device) => new(Hot.To(device));

    /// <summary>The multi-label targets of a batch.</summary>
    /// <exception cref="DataException">The batch has targets of another kind.</exception>
    public static MultiLabelTargets Of(Batch batch) =>
        batch.Targets as MultiLabelTargets
        ?? throw new DataException($"a set of classes per sample is needed, and the batch has {batch.Targets.GetType().Name}");
}
