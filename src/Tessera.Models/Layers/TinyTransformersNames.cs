namespace Tessera.Models.Layers;

/// <summary>Names of a DeiT's weights in the published code of locality guidance (tiny-transformers).</summary>
internal static class TinyTransformersNames
{
    private static readonly (string Ours, string Theirs)[] parts =
    [
        ("patch_embed.proj.", "patch_embed.projection."),
        (".attn.qkv.", ".attn.qkv_transform."),
        (".attn.proj.", ".attn.projection."),
    ];

    /// <summary>That code's name for one of ours.</summary>
    internal static string Of(string name)
    {
        foreach (var (ours, theirs) in parts)
            name = name.Replace(ours, theirs, StringComparison.Ordinal);
        return name.StartsWith("blocks.", StringComparison.Ordinal) ? $"layers.{name["blocks.".Length..]}" : name;
    }

    /// <summary>Gives a state dict of that code our names; any other stays as it is.</summary>
    internal static void Convert(IDictionary<string, Tensor> state)
    {
        if (!state.ContainsKey("patch_embed.projection.weight"))
            return;
        foreach (var (name, value) in state.ToArray())
        {
            var ours = name;
            foreach (var (mine, theirs) in parts)
                ours = ours.Replace(theirs, mine, StringComparison.Ordinal);
            if (ours.StartsWith("layers.", StringComparison.Ordinal))
                ours = $"blocks.{ours["layers.".Length..]}";
            state.Remove(name);
            state[ours] = value;
        }
    }
}
