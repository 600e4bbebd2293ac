using System.Text.RegularExpressions;

namespace Tessera.Models;

/// <summary>
/// The names that Hugging Face's transformers give to the weights of ViT, DeiT, Swin, CvT, PVT and SegFormer, and the authors'
/// names, which the models here have.
/// </summary>
internal static partial class HuggingFaceNames
{
    /// <summary>A family of models.</summary>
    /// <param name="Name">For people.</param>
    /// <param name="Signature">What only its names contain, behind the name of the network.</param>
    /// <param name="Rules">Parts of names and what replaces them, in order; null leaves the tensor out.</param>
    /// <param name="Packed">Linear maps that the authors keep in one: its name, and the parts in order.</param>
    private sealed record Family(
        string Name,
        string Signature,
        (string Pattern, string? Replacement)[] Rules,
        (string Name, string[] Parts)? Packed
    );

    private static readonly (string, string?)[] head =
    [
        (@"^cls_classifier\.", "head."),
        (@"^distillation_classifier\.", "head_dist."),
        (@"^classifier\.", "head."),
    ];

    private static readonly (string, string?)[] layer =
    [
        (@"\.attention\.output\.dense\.", ".attn.proj."),
        (@"\.intermediate\.dense\.", ".mlp.fc1."),
        (@"\.output\.dense\.", ".mlp.fc2."),
        (@"\.layernorm_before\.", ".norm1."),
        (@"\.layernorm_after\.", ".norm2."),
    ];

    private static readonly (string, string?)[] pyramid =
    [
        (@"^encoder\.block\.(\d+)\.", "block{1}."),
        (@"\.attention\.self\.(query)\.", ".attn.q."),
        (@"\.attention\.self\.(?:sequence_reduction|sr)\.", ".attn.sr."),
        (@"\.attention\.self\.layer_norm\.", ".attn.norm."),
        (@"\.attention\.self\.", ".attn."),
        (@"\.layer_norm_([12])\.", ".norm$1."),
        (@"\.mlp\.dense([12])\.", ".mlp.fc$1."),
        .. layer,
    ];

    private static readonly Family[] families =
    [
        new(
            "ViT or DeiT",
            "encoder.layer.0.attention.attention.query.weight",
            [
                (@"^(?:embeddings\.mask_token$|pooler\.|decoder\.)", null),
                (@"^embeddings\.cls_token$", "cls_token"),
                (@"^embeddings\.distillation_token$", "dist_token"),
                (@"^embeddings\.position_embeddings$", "pos_embed"),
                (@"^embeddings\.patch_embeddings\.projection\.", "patch_embed.proj."),
                (@"^encoder\.layer\.", "blocks."),
                (@"\.attention\.attention\.", ".attn."),
                .. layer,
                (@"^layernorm\.", "norm."),
                .. head,
            ],
            ("qkv", ["query", "key", "value"])
        ),
        new(
            "Swin",
            "encoder.layers.0.blocks.0.attention.self.query.weight",
            [
                (@"^embeddings\.mask_token$", null),
                (@"^embeddings\.position_embeddings$", "absolute_pos_embed"),
                (@"^embeddings\.patch_embeddings\.projection\.", "patch_embed.proj."),
                (@"^embeddings\.norm\.", "patch_embed.norm."),
                (@"^encoder\.layers\.", "layers."),
                (@"\.attention\.self\.", ".attn."),
                .. layer,
                (@"^layernorm\.", "norm."),
                .. head,
            ],
            ("qkv", ["query", "key", "value"])
        ),
        new(
            "CvT",
            "encoder.stages.0.layers.0.attention.attention.projection_query.weight",
            [
                (@"^encoder\.stages\.(\d+)\.", "stage$1."),
                (@"\.embedding\.convolution_embeddings\.projection\.", ".patch_embed.proj."),
                (@"\.embedding\.convolution_embeddings\.normalization\.", ".patch_embed.norm."),
                (@"\.layers\.", ".blocks."),
                (
                    @"\.attention\.attention\.convolution_projection_([qkv])[a-z]+\.convolution_projection\.convolution\.",
                    ".attn.conv_proj_$1.conv."
                ),
                (
                    @"\.attention\.attention\.convolution_projection_([qkv])[a-z]+\.convolution_projection\.normalization\.",
                    ".attn.conv_proj_$1.bn."
                ),
                (@"\.attention\.attention\.projection_([qkv])[a-z]+\.", ".attn.proj_$1."),
                .. layer,
                (@"^layernorm\.", "norm."),
                .. head,
            ],
            null
        ),
        new(
            "PVT",
            "encoder.patch_embeddings.0.projection.weight",
            [
                (@"^encoder\.patch_embeddings\.\d+\.cls_token$", "cls_token"),
                (@"^encoder\.patch_embeddings\.(\d+)\.position_embeddings$", "pos_embed{1}"),
                (@"^encoder\.patch_embeddings\.(\d+)\.projection\.", "patch_embed{1}.proj."),
                (@"^encoder\.patch_embeddings\.(\d+)\.layer_norm\.", "patch_embed{1}.norm."),
                .. pyramid,
                (@"^encoder\.layer_norm\.", "norm."),
                .. head,
            ],
            ("kv", ["key", "value"])
        ),
        new(
            "SegFormer",
            "encoder.patch_embeddings.0.proj.weight",
            [
                (@"^encoder\.patch_embeddings\.(\d+)\.proj\.", "patch_embed{1}.proj."),
                (@"^encoder\.patch_embeddings\.(\d+)\.layer_norm\.", "patch_embed{1}.norm."),
                .. pyramid,
                (@"^encoder\.layer_norm\.(\d+)\.", "norm{1}."),
                (@"^decode_head\.linear_c\.(\d+)\.", "decode_head.linear_c{1}."),
                (@"^decode_head\.linear_fuse\.", "decode_head.linear_fuse.conv."),
                (@"^decode_head\.batch_norm\.", "decode_head.linear_fuse.bn."),
                (@"^decode_head\.classifier\.", "decode_head.linear_pred."),
                .. head,
            ],
            ("kv", ["key", "value"])
        ),
    ];

    /// <summary>
    /// Brings weights of one of these families to the authors' names; others stay as they are. Keys and values, which transformers keep
    /// apart, are joined.
    /// </summary>
    /// <param name="state">The weights.</param>
    /// <returns>A sentence on what was done; null for nothing.</returns>
    internal static string? Convert(OrderedDictionary<string, Tensor> state)
    {
        foreach (var family in families)
        {
            if (state.Keys.FirstOrDefault(name => Ends(name, family.Signature)) is not { } telling)
                continue;
            Rename(state, family, telling[..^family.Signature.Length]);
            return $"the names are those of transformers' {family.Name}, and were brought to the authors'";
        }
        return null;
    }

    private static bool Ends(string name, string signature) =>
        name.EndsWith(signature, StringComparison.Ordinal) && (name.Length == signature.Length || name[^(signature.Length + 1)] == '.');

    private static void Rename(OrderedDictionary<string, Tensor> state, Family family, string network)
    {
        // The network has a name (vit.), and its classifier lies beside it, both perhaps below a wrapper's.
        var wrapper = network.Length == 0 ? "" : network[..(network[..^1].LastIndexOf('.') + 1)];
        KeyValuePair<string, Tensor>[] given = [.. state];
        state.Clear();
        foreach (var (name, tensor) in given)
        {
            var inner =
                name.StartsWith(network, StringComparison.Ordinal) ? name[network.Length..]
                : name.StartsWith(wrapper, StringComparison.Ordinal) ? name[wrapper.Length..]
                : name;
            if (Renamed(inner, family.Rules) is { } own)
                state[own] = tensor;
        }
        if (family.Packed is { } packed)
            Pack(state, packed.Name, packed.Parts);
        // Encoder and decoder lie beside each other.
        const string decoder = "decode_head.";
        if (!state.Keys.Any(name => name.StartsWith(decoder, StringComparison.Ordinal)))
            return;
        given = [.. state];
        state.Clear();
        foreach (var (name, tensor) in given)
            state[name.StartsWith(decoder, StringComparison.Ordinal) ? name : PyramidModel.BackbonePrefix + name] = tensor;
    }

    private static string? Renamed(string name, (string Pattern, string? Replacement)[] rules)
    {
        foreach (var (pattern, replacement) in rules)
        {
            if (replacement is null)
            {
                if (Regex.IsMatch(name, pattern, RegexOptions.CultureInvariant))
                    return null;
                continue;
            }
            name = Regex.Replace(
                name,
                pattern,
                // The authors count stages from 1.
                match =>
                    Counted()
                        .Replace(match.Result(replacement), count =>
                            $"{int.Parse(match.Groups[int.Parse(count.Groups[1].ValueSpan, Invariant)].ValueSpan, Invariant) + 1}"
                        ),
                RegexOptions.CultureInvariant
            );
        }
        return name;
    }

    private static void Pack(OrderedDictionary<string, Tensor> state, string packed, string[] parts)
    {
        foreach (var name in state.Keys.Where(name => name.Contains($".attn.{parts[0]}.", StringComparison.Ordinal)).ToArray())
        {
            string[] names = [.. parts.Select(part => name.Replace($".attn.{parts[0]}.", $".attn.{part}.", StringComparison.Ordinal))];
            if (!names.All(state.ContainsKey))
                continue;
            var joined = Torch.Cat([.. names.Select(part => state[part])]);
            var place = state.IndexOf(name);
            state.Insert(place, name.Replace($".attn.{parts[0]}.", $".attn.{packed}.", StringComparison.Ordinal), joined);
            foreach (var part in names)
                state.Remove(part);
        }
    }

    private static System.Globalization.CultureInfo Invariant => System.Globalization.CultureInfo.InvariantCulture;

    [GeneratedRegex(@"\{(\d)\}", RegexOptions.CultureInvariant)]
    private static partial Regex Counted();
}
