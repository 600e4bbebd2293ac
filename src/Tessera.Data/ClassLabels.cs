namespace Tessera.Data;

/// <summary>One class per sample.</summary>
public sealed class ClassLabels : Annotations
{
    /// <summary>The classes of samples.</summary>
    /// <param name="classNames">Name per class; the position is the label.</param>
    /// <param name="labels">Class per sample.</param>
    /// <param name="source">Name of the data set in messages.</param>
    /// <exception cref="DataException">A label without a class.</exception>
    public ClassLabels(IReadOnlyList<string> classNames, IReadOnlyList<int> labels, string source = "data set")
        : base(classNames)
    {
        for (var i = 0; i < labels.Count; i++)
            if (labels[i] < 0 || labels[i] >= classNames.Count)
                throw new DataException($"{source}: sample {i} has label {labels[i]}, but there are {classNames.Count} classes");
        Labels = labels;
    }

    /// <summary>Class per sample.</summary>
    public IReadOnlyList<int> Labels { get; }

    /// <inheritdoc/>
    public override int Count => Labels.Count;

    /// <summary>The class labels of a data set.</summary>
    /// <exception cref="DataException">The data set has annotations of another kind.</exception>
    public static ClassLabels Of(Dataset data) =>
        data.Annotations as ClassLabels
        ?? throw new DataException(
            $"{data.Name} ({data.Split}): one class per sample is needed, and the data set has {data.Annotations.GetType().Name}"
        );

    /// <inheritdoc/>
    public override ClassLabels Part(IReadOnlyList<int> indices) => new(ClassNames, [.. indices.Select(index => Labels[index])]);

    /// <inheritdoc/>
    public override ClassLabels Renumbered(ClassMapping mapping) => new(mapping.Onto, [.. Labels.Select(label => mapping.Numbers[label])]);

    /// <inheritdoc/>
    public override IReadOnlyList<int> SamplesPerClass
    {
        get
        {
            var counts = new int[ClassNames.Count];
            foreach (var label in Labels)
                counts[label]++;
            return counts;
        }
    }

    /// <inheritdoc/>
    public override int StratumOf(int index) => Labels[index];

    /// <inheritdoc/>
    public override string StratumName(int stratum) => $"class {stratum} ({ClassNames[stratum]})";

    /// <inheritdoc/>
    public override string Describe(int index) => Labels[index].ToString(System.Globalization.CultureInfo.InvariantCulture);

    /// <inheritdoc/>
    public override Func<ClassTargets> Gather(TargetRequest request)
    {
        long[] labels = [.. request.Indices.Select(index => (long)Labels[index])];
        var soft = request.Mixing is { } plan ? Mixed(labels, plan, ClassNames.Count) : null;
        return () =>
            new(
                Tensor.From(labels, labels.Length),
                soft is null ? null : Tensor.From(soft, labels.Length, labels.Length == 0 ? 0 : soft.Length / labels.Length)
            );
    }

    /// <summary>The distributions of a mixed batch: [B, classes], each row adding up to 1.</summary>
    /// <param name="labels">Classes.</param>
    /// <param name="plan">How the samples are mixed.</param>
    /// <param name="classes">Number of classes.</param>
    public static float[] Mixed(ReadOnlySpan<long> labels, MixPlan plan, int classes)
    {
        var result = new float[labels.Length * classes];
        var off = (float)(plan.Smoothing / classes);
        var on = (float)(1 - plan.Smoothing + plan.Smoothing / classes);
        for (var i = 0; i < labels.Length; i++)
        {
            var row = result.AsSpan(i * classes, classes);
            row.Fill(off);
            var (own, other) = ((int)labels[i], (int)labels[labels.Length - 1 - i]);
            // The odd one in the middle of a batch is its own partner.
            if (own == other)
            {
                row[own] = on;
                continue;
            }
            var share = (float)plan.Mixes[i].Share;
            row[own] = share * on + (1 - share) * off;
            row[other] = share * off + (1 - share) * on;
        }
        return result;
    }
}

/// <summary>Samples about which nothing is known but themselves.</summary>
/// <param name="count">Number of samples.</param>
public sealed class Unlabelled(int count) : Annotations([])
{
    /// <inheritdoc/>
    public override int Count { get; } = count;

    /// <inheritdoc/>
    public override string MixingObstacle => "the samples have no labels that could be mixed or smoothed";

    /// <inheritdoc/>
    public override Unlabelled Part(IReadOnlyList<int> indices) => new(indices.Count);

    /// <inheritdoc/>
    public override Unlabelled Renumbered(ClassMapping mapping) => this;

    /// <inheritdoc/>
    public override int StratumOf(int index) => 0;

    /// <inheritdoc/>
    public override string StratumName(int stratum) => "the data set";

    /// <inheritdoc/>
    public override string Describe(int index) => "";

    /// <inheritdoc/>
    public override Func<NoTargets> Gather(TargetRequest request) => () => new(request.Indices.Count);
}
