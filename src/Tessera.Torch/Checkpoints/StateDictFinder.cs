namespace Tessera.Checkpoints;

/// <summary>Finds the state dict in the many ways that published files nest it.</summary>
internal sealed class StateDictFinder(string path, object? root, StateDictOptions options)
{
    // In the order in which they are preferred.
    static readonly string[] usual = ["state_dict", "model_state_dict", "model", "module", "model_weights", "weights", "params"];
    static readonly string[] averages =
    [
        "state_dict_ema",
        "model_ema",
        "ema_state_dict",
        "model_ema_state_dict",
        "ema_model",
        "model_state_dict_ema",
        "params_ema",
        "ema",
        "ema_weights",
        "weights_ema",
    ];
    static readonly string[] networks = ["teacher", "student"];
    static readonly string[] further = ["network", "net", "net_state_dict", "network_state_dict"];
    static readonly string[] all = [.. usual, .. networks, .. further, .. averages];
    static readonly string[] wrappers = ["module.", "_orig_mod."];
    const int MaxDepth = 4;

    readonly List<string> notes = [];

    public FoundStateDict Find()
    {
        var (chosen, place) = Choose();
        var result = new OrderedDictionary<string, CheckpointTensor>();
        var origins = new Dictionary<string, string>();
        foreach (var (key, value) in chosen)
        {
            if (key is not string original || IsCounterOfAverage(original, chosen))
                continue;
            if (Readable(original, value) is not { } tensor || Rename(original) is not { } name || options.Drop?.Invoke(name) == true)
                continue;
            if (!result.TryAdd(name, tensor.WithName(name)))
                throw new CheckpointException(path, $"{origins[name]} and {original} both become {name} when their prefixes are stripped");
            origins.Add(name, original);
            AddBatchCounter(result, chosen, original, name);
        }
        if (result.Count == 0 && options.Only is { } only)
            throw new CheckpointException(path, $"no name begins with '{only}'; {Prefixes(chosen)}");
        return new(result, place, notes);
    }

    /// <summary>The tensor; null for counters and the like, which may be left out silently. Tensors may not.</summary>
    CheckpointTensor? Readable(string name, object? value) =>
        value switch
        {
            CheckpointTensor tensor => tensor,
            OpaqueRecord record when IsTensor(record) => CheckpointTensor.Refused(name, record.TypeName, tensor =>
                Forbidden($"tensor {tensor}", record)
            ),
            _ => null,
        };

    static bool IsTensor(OpaqueRecord record) =>
        record.TypeName.StartsWith("torch._utils._rebuild", StringComparison.Ordinal) || ValueTree.HoldsTensor(record);

    /// <summary>PyTorch's AveragedModel counts its updates beside a module that it wraps.</summary>
    static bool IsCounterOfAverage(string name, CheckpointDictionary chosen) =>
        name == "n_averaged"
        && chosen.All(pair => pair.Key is not string key || key == name || key.StartsWith("module.", StringComparison.Ordinal));

    /// <summary>
    /// The rule of PyTorch's batch norms: a state of version 1, or without a version, has no <c>num_batches_tracked</c>, and it is 0.
    /// </summary>
    void AddBatchCounter(OrderedDictionary<string, CheckpointTensor> result, CheckpointDictionary chosen, string original, string name)
    {
        const string variance = "running_var";
        if (!original.EndsWith(variance, StringComparison.Ordinal) || !name.EndsWith(variance, StringComparison.Ordinal))
            return;
        var (inFile, counter) = (original[..^variance.Length], name[..^variance.Length] + "num_batches_tracked");
        if (
            (inFile.Length == 0 || inFile[^1] == '.')
            && chosen.TryGetValue(inFile + "running_mean", out _)
            && !chosen.TryGetValue(inFile + "num_batches_tracked", out _)
            && Version(chosen, inFile.TrimEnd('.')) < 2
            && options.Drop?.Invoke(counter) != true
        )
            result.TryAdd(counter, CheckpointTensor.Create<long>([0]).WithName(counter));
    }

    /// <summary>The version that a module had when its state was written; 1 where it is not told.</summary>
    static long Version(CheckpointDictionary state, string module) =>
        state.Attributes?.TryGetValue("_metadata", out var metadata) == true
        && metadata is CheckpointDictionary modules
        && modules.TryGetValue(module, out var facts)
        && facts is CheckpointDictionary fields
        && fields.TryGetValue("version", out var version)
        && version is long number
            ? number
            : 1;

    (CheckpointDictionary Chosen, string? Place) Choose()
    {
        if (root is not CheckpointDictionary top)
            throw root is OpaqueRecord record
                ? Forbidden("the file's content", record)
                : new CheckpointException(path, "the file holds no dictionary of tensors");
        if (options.Key is { } wanted)
            return At(top, wanted);
        return Choose(top, null, MaxDepth) is { } found
            ? found
            : throw (options.PreferEma ? NoAverage(top) : NotFound(top, "no dictionary of tensors was found"));
    }

    /// <summary>The dictionary of tensors in a value, or null.</summary>
    (CheckpointDictionary Chosen, string? Place)? Choose(CheckpointDictionary from, string? place, int depth)
    {
        if (options.PreferEma)
        {
            if (Pick(from, averages, place, depth, refuseSeveral: true) is { } average)
                return average;
            // Inside of what is no average by its own name: { "model": { "ema": ... } }.
            return depth > 0 ? Below(from, place, depth) : null;
        }
        if (Pick(from, usual, place, depth, refuseSeveral: false) is { } weights)
            return weights;
        if (Pick(from, networks, place, depth, refuseSeveral: true) is { } network)
            return network;
        if (Pick(from, further, place, depth, refuseSeveral: false) is { } other)
            return other;
        if (Pick(from, averages, place, depth, refuseSeveral: true) is { } only)
        {
            notes.Add($"{path} holds no weights but a moving average, '{only.Place}', which was taken");
            return only;
        }
        string[] others = [.. from.Where(pair => pair.Key is string && IsStateDict(pair.Value)).Select(pair => (string)pair.Key!)];
        // A few tensors beside a dictionary of many are the state of random generators and the like.
        if (IsStateDict(from) && others.All(key => Tensors(from[key]) < Tensors(from)))
            return (from, place);
        return Pick(from, others, place, 0, refuseSeveral: true) is { } unnamed ? unnamed
            : depth > 0 ? Below(from, place, depth)
            : null;
    }

    (CheckpointDictionary Chosen, string? Place)? Below(CheckpointDictionary from, string? place, int depth)
    {
        foreach (var (key, value) in from)
            if (
                key is string name
                && value is CheckpointDictionary inner
                && !IsStateDict(inner)
                && Choose(inner, At(place, name), depth - 1) is { } found
            )
                return found;
        return null;
    }

    /// <summary>The first of some keys whose value is, or holds, a dictionary of tensors.</summary>
    (CheckpointDictionary Chosen, string? Place)? Pick(
        CheckpointDictionary from,
        IReadOnlyList<string> keys,
        string? place,
        int depth,
        bool refuseSeveral
    )
    {
        string[] present = [.. keys.Where(key => from.TryGetValue(key, out var value) && Inside(value, place, key, depth) is not null)];
        if (present.Length == 0)
            return null;
        if (present.Length > 1 && refuseSeveral)
            throw new CheckpointException(
                path,
                $"there are several sets of weights, {Listed(present.Select(key => At(place, key)))}: choose one by its key"
            );
        var chosen = Inside(from[present[0]], place, present[0], depth)!.Value;
        string[] besides = [.. all.Where(key => key != present[0] && from.TryGetValue(key, out var value) && IsStateDict(value))];
        if (besides.Length > 0 && !options.PreferEma)
            notes.Add(
                $"{path} holds several sets of weights; '{chosen.Place}' was taken, not {Listed(besides.Select(key => At(place, key)))}"
            );
        return chosen;
    }

    (CheckpointDictionary Chosen, string? Place)? Inside(object? value, string? place, string key, int depth)
    {
        if (IsStateDict(value))
            return ((CheckpointDictionary)value!, At(place, key));
        if (value is not CheckpointDictionary dictionary || depth == 0)
            return null;
        // The choice further down is made once more, and then noted, where it is taken.
        return new StateDictFinder(path, root, options with { PreferEma = false, Key = null }).Choose(
            dictionary,
            At(place, key),
            depth - 1
        );
    }

    (CheckpointDictionary Chosen, string? Place) At(CheckpointDictionary top, string wanted)
    {
        if (top.TryGetValue(wanted, out var value) || Descend(top, wanted) is var inner && (value = inner) is not null)
        {
            if (IsStateDict(value))
                return ((CheckpointDictionary)value!, wanted);
            if (value is CheckpointDictionary dictionary && Choose(dictionary, wanted, MaxDepth) is { } found)
                return found;
        }
        throw NotFound(top, $"there is no dictionary of tensors under '{wanted}'");
    }

    static object? Descend(CheckpointDictionary top, string wanted)
    {
        object? value = top;
        foreach (var part in wanted.Split('.'))
            if (value is not CheckpointDictionary dictionary || !dictionary.TryGetValue(part, out value))
                return null;
        return value;
    }

    static string At(string? place, string key) => place is null ? key : $"{place}.{key}";

    static string Listed(IEnumerable<string> names) => string.Join(", ", names.Select(name => $"'{name}'"));

    static int Tensors(object? value) => ((CheckpointDictionary)value!).Count(pair => pair is { Key: string, Value: CheckpointTensor });

    static bool IsStateDict(object? value) =>
        value is CheckpointDictionary dictionary && dictionary.Any(pair => pair is { Key: string, Value: CheckpointTensor });

    CheckpointException NoAverage(CheckpointDictionary top) => NotFound(top, "there is no moving average of the weights");

    CheckpointException NotFound(CheckpointDictionary top, string problem)
    {
        var places = options.Key is { } key ? [key] : all;
        foreach (var place in places)
            if (top.TryGetValue(place, out var value) && value is OpaqueRecord record && (record.IsModule || ValueTree.HoldsTensor(record)))
                return Forbidden(place, record);
        const int shown = 8;
        var keys = string.Join(", ", top.Take(shown).Select(pair => $"{pair.Key} ({Kind(pair.Value)})"));
        var more = top.Count > shown ? $" and {top.Count - shown} more" : "";
        return new CheckpointException(path, $"{problem}; the top level holds {(keys.Length > 0 ? keys : "nothing")}{more}");
    }

    static string Prefixes(CheckpointDictionary chosen)
    {
        var groups = chosen
            .Select(pair => pair.Key)
            .OfType<string>()
            .CountBy(name => name.IndexOf('.', StringComparison.Ordinal) is var dot and >= 0 ? name[..(dot + 1)] : name)
            .OrderByDescending(group => group.Value)
            .Take(5);
        return $"names begin with {string.Join(", ", groups.Select(group => $"{group.Key} ({group.Value})"))}";
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
                $"{place} is an object of {record.TypeName}, which is not on the allow list; its values cannot be reached"
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
