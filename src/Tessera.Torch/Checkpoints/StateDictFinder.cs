namespace Tessera.Checkpoints;

/// <summary>Finds the state dict in the many ways that published files nest it.</summary>
internal sealed class StateDictFinder(string path, object? root, StateDictOptions options)
{
    static readonly string[] averages = ["state_dict_ema", "model_ema"];
    static readonly string[] usual = ["state_dict", "model", "module", "teacher", "student", "network"];
    static readonly string[] wrappers = ["module.", "_orig_mod."];

    public OrderedDictionary<string, CheckpointTensor> Find()
    {
        var result = new OrderedDictionary<string, CheckpointTensor>();
        var origins = new Dictionary<string, string>();
        foreach (var (key, value) in Choose())
        {
            if (key is not string original)
                continue;
            if (value is not CheckpointTensor tensor)
            {
                // Counters and the like may be left out silently, tensors may not.
                if (value is OpaqueRecord record && ValueTree.HoldsTensor(record))
                    throw Forbidden(original, record);
                continue;
            }
            if (Rename(original) is not { } name || options.Drop?.Invoke(name) == true)
                continue;
            if (!result.TryAdd(name, tensor.WithName(name)))
                throw new CheckpointException(path, $"{origins[name]} and {original} both become {name} when their prefixes are stripped");
            origins.Add(name, original);
        }
        return result;
    }

    CheckpointDictionary Choose()
    {
        if (root is not CheckpointDictionary top)
            throw root is OpaqueRecord record
                ? Forbidden("the file's content", record)
                : new CheckpointException(path, "the file holds no dictionary of tensors");
        if (options.Key is { } wanted)
            return top.TryGetValue(wanted, out var value) && IsStateDict(value)
                ? (CheckpointDictionary)value!
                : throw NotFound(top, $"there is no dictionary of tensors under '{wanted}'");
        foreach (var key in options.PreferEma ? averages.Concat(usual) : usual)
            if (top.TryGetValue(key, out var value) && IsStateDict(value))
                return (CheckpointDictionary)value!;
        return IsStateDict(top) ? top : throw NotFound(top, "no dictionary of tensors was found");
    }

    static bool IsStateDict(object? value) =>
        value is CheckpointDictionary dictionary && dictionary.Any(pair => pair is { Key: string, Value: CheckpointTensor });

    CheckpointException NotFound(CheckpointDictionary top, string problem)
    {
        var places = options.Key is { } key ? [key] : averages.Concat(usual);
        foreach (var place in places)
            if (top.TryGetValue(place, out var value) && value is OpaqueRecord record && (record.IsModule || ValueTree.HoldsTensor(record)))
                return Forbidden(place, record);
        var keys = string.Join(", ", top.Take(20).Select(pair => $"{pair.Key} ({Kind(pair.Value)})"));
        return new CheckpointException(path, $"{problem}; the top level holds {(keys.Length > 0 ? keys : "nothing")}");
    }

    CheckpointException Forbidden(string place, OpaqueRecord record) =>
        record.IsModule
            ? new UnsupportedCheckpointException(
                path,
                $"{place} is a whole module of class {record.TypeName}, not its weights; load it in PyTorch and save its state_dict()"
            )
            : new ForbiddenPickleException(
                path,
                record.TypeName,
                $"{place} is an object of {record.TypeName}, which is not on the allow list; its tensors cannot be reached"
            );

    static string Kind(object? value) =>
        value switch
        {
            null => "None",
            CheckpointDictionary dictionary => $"dictionary of {dictionary.Count}",
            List<object?> list => $"list of {list.Count}",
            CheckpointTuple tuple => $"tuple of {tuple.Count}",
            byte[] => "bytes",
            string => "text",
            OpaqueRecord or CheckpointTensor or GlobalReference => value.ToString()!,
            _ => "number",
        };

    /// <summary>The name without its prefixes; null when it is not wanted.</summary>
    string? Rename(string name)
    {
        if (options.Only is not { } only)
            return Strip(name);
        if (name.StartsWith(only, StringComparison.Ordinal))
            return Strip(name[only.Length..]);
        name = Unwrap(name);
        return name.StartsWith(only, StringComparison.Ordinal) ? Strip(name[only.Length..]) : null;
    }

    string Strip(string name)
    {
        foreach (var prefix in options.Strip)
        {
            // A prefix may be given with or without the wrappers' own.
            if (name.StartsWith(prefix, StringComparison.Ordinal))
                name = name[prefix.Length..];
            else if (Unwrap(name) is var unwrapped && unwrapped.StartsWith(prefix, StringComparison.Ordinal))
                name = unwrapped[prefix.Length..];
        }
        return Unwrap(name);
    }

    static string Unwrap(string name)
    {
        while (Array.Find(wrappers, w => name.StartsWith(w, StringComparison.Ordinal)) is { } wrapper)
            name = name[wrapper.Length..];
        return name;
    }
}
