namespace Tessera.Models;

/// <summary>
/// The encoder in checkpoints of methods without labels: MoCo's has a momentum copy and a queue beside it, those of SimCLR, BYOL and of
/// htdt/self-supervised heads for their losses. A model takes the encoder that was trained, without what only the loss needed.
/// </summary>
internal static class PretextNames
{
    // What the encoder's names begin with, in the order of preference, and the layers of MoCo's demo, whose encoder is a list of them.
    private static readonly string[] encoders =
    [
        "encoder_q.",
        "base_encoder.",
        "online_encoder.",
        "backbone.",
        "encoder.",
        "model.",
        "net.",
        "",
    ];
    private const string DemoLayers = "net.";
    private static readonly string[] demo = ["conv1", "bn1", "", "layer1", "layer2", "layer3", "layer4", "", "", "fc"];

    // What else such files hold.
    private static readonly string[] beside =
    [
        "encoder_k.",
        "queue",
        "queue_ptr",
        "momentum_encoder.",
        "target_encoder.",
        "model_t.",
        "head_t.",
        "head.",
        "pred.",
        "bn_last.",
        "projector.",
        "predictor.",
        "projection.",
        "projection_head.",
        "contrastive_head.",
    ];

    // Encoders whose classifier is the head of the loss, whatever its form.
    private static readonly string[] replaced = ["encoder_q.", "base_encoder.", "online_encoder."];

    /// <summary>Leaves the encoder of such a checkpoint under the model's names.</summary>
    /// <param name="own">The model's names.</param>
    /// <param name="classifier">Those of its classifier.</param>
    /// <param name="state">The tensors by the file's names; changed in place.</param>
    /// <returns>A sentence on what was taken and left out; null for a file of another kind.</returns>
    internal static string? Convert(IReadOnlySet<string> own, IReadOnlyList<string> classifier, OrderedDictionary<string, Tensor> state)
    {
        foreach (var prefix in encoders)
        {
            string[] inside = [.. state.Keys.Where(name => Begins(name, prefix) && !(prefix.Length == 0 && IsBeside(name, own)))];
            if (inside.Length == 0 || state.Keys.Except(inside).Any(name => !IsBeside(name, own)))
                continue;
            // One linear map beside unprefixed names is a classifier as any.
            if (
                prefix.Length == 0
                && state.Count > inside.Length
                && state.Keys.Except(inside).All(name => name is "head.weight" or "head.bias")
            )
                continue;
            var names = Inner(prefix, inside);
            var head = names.Values.Where(name => IsHead(name, prefix, own, classifier)).ToHashSet(StringComparer.Ordinal);
            var fitting = names.Values.Count(name => own.Contains(name) && !head.Contains(name));
            var others = state.Count - inside.Length;
            if (2 * fitting <= own.Count || (others == 0 && head.Count == 0))
                continue;
            KeyValuePair<string, Tensor>[] given = [.. state];
            state.Clear();
            foreach (var (name, tensor) in given)
                if (names.TryGetValue(name, out var inner) && !head.Contains(inner))
                    state[inner] = tensor;
            return Sentence(prefix, others, head.Count);
        }
        return null;
    }

    private static string Sentence(string prefix, int others, int head)
    {
        string[] left =
        [
            .. head > 0 ? [$"the head of its loss ({head} tensors)"] : Array.Empty<string>(),
            .. others > 0 ? [$"{others} tensors beside it"] : Array.Empty<string>(),
        ];
        return $"the encoder of a training without labels was taken{(prefix.Length == 0 ? "" : $" ('{prefix}')")}, and not "
            + string.Join(" and ", left);
    }

    private static bool Begins(string name, string prefix) => name.StartsWith(prefix, StringComparison.Ordinal);

    private static bool IsBeside(string name, IReadOnlySet<string> own) =>
        !own.Contains(name) && Array.Exists(beside, other => other[^1] == '.' ? Begins(name, other) : name == other);

    // Names within the encoder by those of the file.
    private static Dictionary<string, string> Inner(string prefix, string[] inside)
    {
        var names = inside.ToDictionary(name => name, name => name[prefix.Length..]);
        if (names.Values.All(name => Begins(name, DemoLayers) && Demo(name) is not null))
            foreach (var name in inside)
                names[name] = Demo(names[name])!;
        return names;
    }

    private static string? Demo(string name)
    {
        var parts = name.Split('.', 3);
        return parts is [_, var index, var rest] && int.TryParse(index, out var place) && place < demo.Length && demo[place].Length > 0
            ? $"{demo[place]}.{rest}"
            : null;
    }

    // A head of several layers, or any in the place of the classifier where the method puts its own there.
    private static bool IsHead(string name, string prefix, IReadOnlySet<string> own, IReadOnlyList<string> classifier)
    {
        IEnumerable<string> heads = ["fc.", "head.", .. classifier.Select(path => path[..(path.LastIndexOf('.') + 1)])];
        return heads.Any(head =>
            head.Length > 0
            && name.Length > head.Length
            && Begins(name, head)
            && (replaced.Contains(prefix) || (char.IsAsciiDigit(name[head.Length]) && !own.Contains(name)))
        );
    }
}
