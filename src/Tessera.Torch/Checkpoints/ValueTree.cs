using System.Runtime.InteropServices;

namespace Tessera.Checkpoints;

/// <summary>
/// Makes sure that a pickled value is a tree that can be walked: the nesting is not too deep, and parts that occur in several places do
/// not multiply without bound. References to a value from inside of it, which configurations have to their parents, are replaced.
/// </summary>
internal sealed class ValueTree(string path, PickleLimits limits)
{
    // Height and number of values below each container; (0, 0) while it is being visited.
    readonly Dictionary<object, (int Height, long Count)> seen = new(ReferenceEqualityComparer.Instance);

    object? top;

    /// <exception cref="CorruptCheckpointException">The value is no tree of acceptable size.</exception>
    public void Check(object? root)
    {
        top = root;
        Visit(root, 0);
    }

    (int Height, long Count) Visit(object? value, int depth)
    {
        if (!IsContainer(value))
            return (0, 1);
        if (seen.TryGetValue(value!, out var known))
        {
            CheckDepth(depth + known.Height);
            return known;
        }
        CheckDepth(depth);
        seen[value!] = default;
        CutReferencesToParents(value!);
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
        return seen[value!] = (height, count);
    }

    void CutReferencesToParents(object value)
    {
        switch (value)
        {
            case List<object?> list:
                Cut(CollectionsMarshal.AsSpan(list));
                break;
            case CheckpointTuple tuple:
                Cut(tuple.Items);
                break;
            case CheckpointDictionary dictionary:
                dictionary.Rewrite(key => !ReferenceEquals(Cut(key), EnclosingReference.Instance), Cut);
                break;
            case OpaqueRecord record:
                record.State = Cut(record.State);
                record.Arguments = Cut(record.Arguments) as CheckpointTuple;
                Cut(CollectionsMarshal.AsSpan(record.Elements));
                break;
        }
    }

    void Cut(Span<object?> items)
    {
        foreach (ref var item in items)
            item = Cut(item);
    }

    object? Cut(object? child)
    {
        if (!IsContainer(child) || !seen.TryGetValue(child!, out var known) || known.Count > 0)
            return child;
        return ReferenceEquals(child, top)
            ? throw new CorruptCheckpointException(path, "the pickle's value contains itself, which no checkpoint does")
            : EnclosingReference.Instance;
    }

    static bool IsContainer(object? value) => value is List<object?> or CheckpointTuple or CheckpointDictionary or OpaqueRecord;

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
