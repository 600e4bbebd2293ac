using System.Globalization;
using System.Text.RegularExpressions;

namespace Tessera.Models;

/// <summary>
/// The names that mmsegmentation gives, since version 0.20, to the weights of its own Swin, MiT and ViT, and mmdetection to those of its
/// Swin and PVT, and the authors' names, which the models here have. Their heads have the names that the heads here have, except for
/// SegFormer's, which is another network there.
/// </summary>
internal static class MmsegNames
{
    /// <summary>A family of models.</summary>
    /// <param name="Name">For people.</param>
    /// <param name="Signature">What only its names contain, behind <c>backbone.</c> if that is there.</param>
    /// <param name="Rules">Patterns of names and what takes their place; <c>{+1}</c> is 1 more than the number of the first group.</param>
    /// <param name="Values">Puts the values of renamed tensors into the authors' order.</param>
    private sealed record Family(
        string Name,
        string Signature,
        (string Pattern, string Replacement)[] Rules,
        Action<OrderedDictionary<string, Tensor>, string>? Values = null
    );

    private static readonly (string, string)[] wide =
    [
        (@"^patch_embed\.projection\.", "patch_embed.proj."),
        (@"\.ffn\.layers\.0\.0\.", ".mlp.fc1."),
        (@"\.ffn\.layers\.1\.", ".mlp.fc2."),
    ];

    private static readonly (string, string)[] pyramid =
    [
        (@"^layers\.(\d+)\.0\.projection\.", "patch_embed{+1}.proj."),
        (@"^layers\.(\d+)\.0\.norm\.", "patch_embed{+1}.norm."),
        (@"\.attn\.attn\.out_proj\.", ".attn.proj."),
        (@"\.ffn\.layers\.0\.", ".mlp.fc1."),
    ];

    private static readonly Family[] families =
    [
        new(
            "Swin",
            "stages.0.blocks.0.attn.w_msa.qkv.weight",
            [(@"^stages\.", "layers."), (@"\.attn\.w_msa\.", ".attn."), .. wide],
            Merging
        ),
        new(
            "PVT",
            "layers.0.1.0.pos_embed",
            [
                (@"^layers\.(\d+)\.1\.0\.pos_embed$", "pos_embed{+1}"),
                (@"^layers\.(\d+)\.1\.(\d+)\.", "block{+1}.{-2}."),
                (@"\.ffn\.layers\.3\.", ".mlp.fc2."),
                .. pyramid,
            ],
            Pyramid
        ),
        new(
            "MiT",
            "layers.0.1.0.attn.attn.in_proj_weight",
            [
                (@"^layers\.(\d+)\.1\.", "block{+1}."),
                (@"^layers\.(\d+)\.2\.", "norm{+1}."),
                (@"\.ffn\.layers\.1\.", ".mlp.dwconv.dwconv."),
                (@"\.ffn\.layers\.4\.", ".mlp.fc2."),
                .. pyramid,
            ],
            Pyramid
        ),
        new(
            "ViT",
            "layers.0.ln1.weight",
            [
                (@"^layers\.(\d+)\.ln([12])\.", "layers.$1.norm$2."),
                (@"^layers\.", "blocks."),
                (@"\.attn\.attn\.in_proj_", ".attn.qkv."),
                (@"\.attn\.attn\.out_proj\.", ".attn.proj."),
                (@"^ln1\.", "norm."),
                .. wide,
            ]
        ),
    ];

    /// <summary>Brings weights of one of these families to the authors' names; others stay as they are.</summary>
    /// <param name="state">The weights.</param>
    /// <returns>A sentence on what was done; null for nothing.</returns>
    internal static string? Convert(OrderedDictionary<string, Tensor> state)
    {
        foreach (var family in families)
        foreach (var prefix in new[] { PyramidModel.BackbonePrefix, "" })
        {
            if (!state.ContainsKey(prefix + family.Signature))
                continue;
            KeyValuePair<string, Tensor>[] given = [.. state];
            state.Clear();
            foreach (var (name, tensor) in given)
                state[name.StartsWith(prefix, StringComparison.Ordinal) ? prefix + Renamed(name[prefix.Length..], family.Rules) : name] =
                    tensor;
            family.Values?.Invoke(state, prefix);
            return $"the names are those of OpenMMLab's {family.Name}, and were brought to the authors'";
        }
        return null;
    }

    private static string Renamed(string name, (string Pattern, string Replacement)[] rules) =>
        rules.Aggregate(name, (current, rule) =>
            Regex.Replace(current, rule.Pattern, match => Counted(match, match.Result(rule.Replacement)), RegexOptions.CultureInvariant)
        );

    // Stages are counted from 0 there and from 1 here; blocks are behind a table of positions there.
    private static string Counted(Match match, string replacement) =>
        Regex.Replace(
            replacement,
            @"\{(?<sign>[+-])(?<group>\d)\}",
            place =>
                (Number(match.Groups[Number(place.Groups["group"])]) + (place.Groups["sign"].Value == "+" ? 1 : -1)).ToString(
                    CultureInfo.InvariantCulture
                ),
            RegexOptions.CultureInvariant
        );

    private static int Number(Group digits) => int.Parse(digits.ValueSpan, CultureInfo.InvariantCulture);

    // The four neighbours that are merged: there channel by channel, row before column; here one after the other, column before row.
    private static void Merging(OrderedDictionary<string, Tensor> state, string prefix)
    {
        foreach (var name in Names(state, prefix, ".downsample.reduction.weight", ".downsample.norm.weight", ".downsample.norm.bias"))
        {
            var joined = state[name]; // [..., C * 4]
            var channels = joined.Size(-1) / 4;
            var apart = joined.Reshape([.. joined.Shape.SkipLast(1), channels, 4]).Transpose(-1, -2);
            state[name] = apart.IndexSelect(-2, Tensor.From((long[])[0, 2, 1, 3]).To(joined.Device)).Reshape([.. joined.Shape]);
        }
    }

    // Queries, keys and values are in one map there, and the linear maps of MLPs are convolutions.
    private static void Pyramid(OrderedDictionary<string, Tensor> state, string prefix)
    {
        foreach (var kind in new[] { "weight", "bias" })
        foreach (var name in Names(state, prefix, $".attn.attn.in_proj_{kind}"))
        {
            var (packed, place) = (state[name], state.IndexOf(name));
            var (stem, width) = (name[..^$".attn.attn.in_proj_{kind}".Length], packed.Size(0) / 3);
            state.RemoveAt(place);
            state.Insert(place, $"{stem}.attn.kv.{kind}", packed.Slice(0, width, 3 * width));
            state.Insert(place, $"{stem}.attn.q.{kind}", packed.Slice(0, 0, width));
        }
        foreach (var name in Names(state, prefix, ".mlp.fc1.weight", ".mlp.fc2.weight"))
            if (state[name] is { Dim: 4 } convolution)
                state[name] = convolution.Flatten(1);
    }

    private static string[] Names(OrderedDictionary<string, Tensor> state, string prefix, params string[] endings) =>
        [
            .. state.Keys.Where(name =>
                name.StartsWith(prefix, StringComparison.Ordinal) && endings.Any(end => name.EndsWith(end, StringComparison.Ordinal))
            ),
        ];
}
