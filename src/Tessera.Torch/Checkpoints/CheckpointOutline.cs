using System.Globalization;

namespace Tessera.Checkpoints;

/// <summary>A part of a checkpoint: a dictionary of tensors, or a value beside some.</summary>
/// <param name="Place">Its keys from the top level, with dots between them; empty for the whole file.</param>
/// <param name="Kind">What it is: <c>weights</c>, <c>dictionary of 3</c>, <c>list of 2</c>, a text, a number, the name of a class.</param>
/// <param name="Tensors">How many tensors it holds at any depth.</param>
/// <param name="Values">Their elements; those of tensors that cannot be read are not counted.</param>
/// <param name="Bytes">What these elements take.</param>
/// <param name="Types">The tensors' element types, the most frequent first.</param>
public sealed record CheckpointPart(string Place, string Kind, int Tensors, long Values, long Bytes, IReadOnlyList<string> Types);

/// <summary>Lists the parts of a checkpoint.</summary>
internal static class CheckpointOutline
{
    // Deeper ones are summed up.
    const int MaxDepth = 4;
    const int MaxParts = 1000;
    const int LongestText = 60;

    /// <summary>The parts in the file's order.</summary>
    public static IReadOnlyList<CheckpointPart> Of(object? root)
    {
        List<CheckpointPart> parts = [.. Parts(root, "", MaxDepth).Take(MaxParts + 1)];
        if (parts.Count > MaxParts)
            parts[^1] = new("...", $"and more: the first {MaxParts} parts are listed", 0, 0, 0, []);
        return parts;
    }

    /// <summary>All tensors with their places.</summary>
    public static IEnumerable<KeyValuePair<string, CheckpointTensor>> Tensors(object? value, string place = "")
    {
        if (value is CheckpointTensor tensor)
            return [new(place, tensor)];
        var children = value switch
        {
            CheckpointDictionary dictionary => dictionary.Select(pair => (Key: Text(pair.Key), pair.Value)),
            OpaqueRecord record => ValueTree.Children(record).Select(child => (Key: record.ToString(), Value: child)),
            _ => ValueTree.Children(value).Select((child, i) => (Key: i.ToString(CultureInfo.InvariantCulture), Value: child)),
        };
        return children.SelectMany(child => Tensors(child.Value, At(place, child.Key)));
    }

    static IEnumerable<CheckpointPart> Parts(object? value, string place, int depth)
    {
        if (value is not CheckpointDictionary dictionary || depth == 0 || !dictionary.All(pair => pair.Key is string))
        {
            yield return Part(place, Kind(value), Tensors(value));
            yield break;
        }
        CheckpointTensor[] own = [.. dictionary.Select(pair => pair.Value).OfType<CheckpointTensor>()];
        if (own.Length > 0)
            yield return Part(place, "weights", own.Select(tensor => KeyValuePair.Create("", tensor)));
        foreach (var (key, inner) in dictionary)
        {
            if (inner is CheckpointTensor)
                continue;
            if (inner is CheckpointDictionary && ValueTree.HoldsTensor(inner))
                foreach (var part in Parts(inner, At(place, (string)key!), depth - 1))
                    yield return part;
            else
                yield return Part(At(place, (string)key!), Kind(inner), Tensors(inner));
        }
    }

    static CheckpointPart Part(string place, string kind, IEnumerable<KeyValuePair<string, CheckpointTensor>> tensors)
    {
        CheckpointTensor[] all = [.. tensors.Select(pair => pair.Value)];
        CheckpointTensor[] readable = [.. all.Where(tensor => tensor.Refusal is null)];
        return new(
            place,
            kind,
            all.Length,
            readable.Sum(tensor => tensor.Count),
            readable.Sum(tensor => tensor.ByteLength),
            [.. all.CountBy(tensor => tensor.ElementTypeName).OrderByDescending(entry => entry.Value).Select(entry => entry.Key)]
        );
    }

    /// <summary>What a value is, in a few words.</summary>
    public static string Kind(object? value) =>
        value switch
        {
            null => "None",
            CheckpointDictionary dictionary => $"dictionary of {dictionary.Count}",
            List<object?> list => $"list of {list.Count}",
            CheckpointTuple tuple => $"tuple of {tuple.Count}",
            byte[] bytes => $"{bytes.Length} bytes",
            string text => $"'{(text.Length > LongestText ? text[..LongestText] + "..." : text)}'",
            CheckpointTensor => "tensor",
            _ => Text(value),
        };

    static string Text(object? value) => Convert.ToString(value, CultureInfo.InvariantCulture) ?? "None";

    static string At(string place, string key) => place.Length == 0 ? key : $"{place}.{key}";
}
