namespace Tessera.Checkpoints;

/// <summary>
/// Checks that a pickled value is a tree that can be walked: no value contains itself, the nesting is not too deep, and parts that
/// occur in several places do not multiply without bound.
/// </summary>
internal sealed class ValueTree(string path, PickleLimits limits)
{
    // Height and number of values below each container; (0, 0) while it is being visited.
    readonly Dictionary<object, (int Height, long Count)> seen = new(ReferenceEqualityComparer.Instance);

    /// <exception cref="CorruptCheckpointException">The value is no tree of acceptable size.</exception>
    public void Check(object? root) => Visit(root, 0);

    (int Height, long Count) Visit(object? value, int depth)
    {
        if (value is not (List<object?> or CheckpointTuple or CheckpointDictionary or OpaqueRecord))
            return (0, 1);
        if (seen.TryGetValue(value, out var known))
        {
            if (known.Count == 0)
                throw new CorruptCheckpointException(path, "the pickle holds a value that contains itself");
            CheckDepth(depth + known.Height);
            return known;
        }
        CheckDepth(depth);
        seen[value] = default;
        var (height, count) = (0, 1L);
        foreach (var child in Children(value))
        {
            var below = Visit(child, depth + 1);
            height = Math.Max(height, below.Height + 1);
            count += below.Count;
            if (count > limits.MaxExpandedValues)
                throw new CorruptCheckpointException(
                    path,
                    $"the pickle's shared parts multiply to more than {limits.MaxExpandedValues} values"
                );
        }
        return seen[value] = (height, count);
    }

    void CheckDepth(int depth)
    {
        if (depth > limits.MaxNesting)
            throw new CorruptCheckpointException(path, $"the pickle's values are nested more than {limits.MaxNesting} deep");
    }

    /// <summary>The values directly inside a value.</summary>
    public static IEnumerable<object?> Children(object? value) =>
        value switch
        {
            List<object?> list => list,
            CheckpointTuple tuple => tuple,
            CheckpointDictionary dictionary => dictionary.SelectMany(pair => new[] { pair.Key, pair.Value }),
            OpaqueRecord record => [record.Arguments, record.State, .. record.Contents],
            _ => [],
        };

    /// <summary>Whether a tensor lies somewhere inside a value.</summary>
    public static bool HoldsTensor(object? value) => value is CheckpointTensor || Children(value).Any(HoldsTensor);
}
