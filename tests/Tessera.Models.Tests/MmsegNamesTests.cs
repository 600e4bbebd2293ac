using System.Globalization;
using System.Text.RegularExpressions;
using Tessera.Models;
using Tessera.Testing;

namespace Tessera.Tests.Models;

/// <summary>
/// Weights by the names that mmsegmentation and mmdetection give to their own Swin, MiT, PVT and ViT, made here from ours.
/// </summary>
public sealed class MmsegNamesTests : LiveTensors
{
    private const int Classes = 3;

    private static Backbone Encoder(string family) =>
        family switch
        {
            "Swin" => new Swin(new((64, 64), 8, [2, 1, 1, 1], [1, 2, 4, 8], 4, Dense: true)),
            "MiT" => new Mit(
                new PvtV2.Config((64, 64), [8, 16, 24, 32], [1, 2, 1, 1], [1, 2, 3, 4], [2, 2, 2, 2], [8, 4, 2, 1], Classes: 0)
            ),
            "PVT" => new Pvt(
                new((64, 64), [8, 16, 24, 32], [1, 2, 1, 1], [1, 2, 3, 4], [2, 2, 2, 2], [8, 4, 2, 1], Classes: 0, Dense: true)
            ),
            _ => new Vit(new((32, 32), 8, 24, 3, 3, 0)),
        };

    [Theory]
    [InlineData("Swin", "upernet")]
    [InlineData("Swin", "retinanet")]
    [InlineData("Swin", null)]
    [InlineData("MiT", "upernet")]
    [InlineData("MiT", "retinanet")]
    [InlineData("MiT", null)]
    [InlineData("PVT", "retinanet")]
    [InlineData("PVT", null)]
    [InlineData("ViT", "upernet")]
    public void A_model_by_their_names_computes_what_it_computed_by_ours(string family, string? head)
    {
        using var scope = Torch.Scope();
        Torch.Seed(7);
        Model Build() =>
            head is null ? Encoder(family)
            : head == "upernet" ? SmallHeads.All[head].Create(Encoder(family), Classes)
            : SmallDetectors.All[head].Create(Encoder(family), Classes);
        var source = Build();
        foreach (var parameter in source.Parameters())
            using (Torch.NoGrad())
                parameter.Add_(Torch.Randn([.. parameter.Shape]) * 0.1);
        var prefix = head is null ? "" : "backbone.";
        OrderedDictionary<string, Tensor> theirs = [];
        foreach (var (name, value) in source.StateDict())
            if (!name.StartsWith(prefix, StringComparison.Ordinal))
                theirs[name] = value;
            else
                foreach (var (inner, tensor) in Theirs(family, name[prefix.Length..], value, source.StateDict(), prefix))
                    theirs[prefix + inner] = tensor;
        Assert.DoesNotContain(
            $"{prefix}{(family is "MiT" or "PVT" ? "block1.0.norm1.weight" : "layers.0.blocks.0.norm1.weight")}",
            theirs.Keys
        );
        var model = Build();
        var report = model.Load(theirs, new());
        Assert.Contains($"OpenMMLab's {family}", report.Notes[0], StringComparison.Ordinal);
        foreach (var (name, value) in source.StateDict())
            Near.Identical(value, model.StateDict()[name]);
    }

    // As their scripts convert the authors' files.
    private static IEnumerable<(string, Tensor)> Theirs(
        string family,
        string name,
        Tensor value,
        IReadOnlyDictionary<string, Tensor> all,
        string prefix
    )
    {
        switch (family)
        {
            case "Swin":
                if (name.Contains("relative_position_index", StringComparison.Ordinal))
                    yield break;
                if (name.EndsWith("downsample.reduction.weight", StringComparison.Ordinal))
                    value = Unfolded(value.Reshape(value.Size(0), 4, -1), 1).Reshape([.. value.Shape]);
                else if (name.Contains(".downsample.norm.", StringComparison.Ordinal))
                    value = Unfolded(value.Reshape(4, -1), 0).Reshape([.. value.Shape]);
                yield return (
                    Replaced(
                        name,
                        ("^patch_embed.proj", "patch_embed.projection"),
                        ("^layers", "stages"),
                        (@"\.attn\.", ".attn.w_msa."),
                        (@"\.mlp\.fc1", ".ffn.layers.0.0"),
                        (@"\.mlp\.fc2", ".ffn.layers.1")
                    ),
                    value
                );
                break;
            case "MiT" or "PVT":
                if (name.Contains(".attn.kv.", StringComparison.Ordinal))
                    yield break;
                if (name.Contains(".attn.q.", StringComparison.Ordinal))
                    value = Torch.Cat([value, all[prefix + name.Replace(".q.", ".kv.", StringComparison.Ordinal)]]);
                if (Regex.IsMatch(name, @"fc[12]\.weight"))
                    value = value.Reshape(value.Size(0), value.Size(1), 1, 1);
                for (var stage = 1; stage <= 4; stage++)
                    name = Replaced(
                        name,
                        ($"^patch_embed{stage}.proj", $"layers.{stage - 1}.0.projection"),
                        ($"^patch_embed{stage}.norm", $"layers.{stage - 1}.0.norm"),
                        ($"^pos_embed{stage}$", $"layers.{stage - 1}.1.0.pos_embed"),
                        ($"^block{stage}", $"layers.{stage - 1}.1"),
                        ($"^norm{stage}", $"layers.{stage - 1}.2")
                    );
                // The table of positions is the first of a stage's layers.
                if (family == "PVT" && !name.EndsWith("pos_embed", StringComparison.Ordinal))
                    name = Regex.Replace(name, @"(?<=^layers\.\d\.1\.)\d", match =>
                        (int.Parse(match.ValueSpan, CultureInfo.InvariantCulture) + 1).ToString(CultureInfo.InvariantCulture)
                    );
                yield return (
                    Replaced(
                        name,
                        (@"\.attn\.q\.", ".attn.attn.in_proj_"),
                        (@"\.attn\.proj\.", ".attn.attn.out_proj."),
                        (@"\.mlp\.fc1\.", ".ffn.layers.0."),
                        (@"\.mlp\.dwconv\.dwconv\.", ".ffn.layers.1."),
                        (@"\.mlp\.fc2\.", family == "PVT" ? ".ffn.layers.3." : ".ffn.layers.4.")
                    ),
                    value
                );
                break;
            default:
                yield return (
                    Replaced(
                        name,
                        ("^patch_embed.proj", "patch_embed.projection"),
                        (@"^blocks\.(\d+)\.norm", "layers.$1.ln"),
                        ("^blocks", "layers"),
                        (@"\.attn\.qkv\.", ".attn.attn.in_proj_"),
                        (@"\.attn\.proj\.", ".attn.attn.out_proj."),
                        (@"\.mlp\.fc1", ".ffn.layers.0.0"),
                        (@"\.mlp\.fc2", ".ffn.layers.1")
                    ),
                    value
                );
                break;
        }
    }

    // Neighbours 0, 2, 1, 3, and of each channel all four beside each other.
    private static Tensor Unfolded(Tensor apart, long dim) =>
        apart.IndexSelect(dim, Tensor.From((long[])[0, 2, 1, 3])).Transpose(dim, dim + 1).Contiguous();

    private static string Replaced(string name, params (string Pattern, string Replacement)[] rules) =>
        rules.Aggregate(name, (current, rule) => Regex.Replace(current, rule.Pattern, rule.Replacement));

    [Fact]
    public void A_SegFormer_by_the_names_of_transformers_loads_with_its_decoder()
    {
        using var scope = Torch.Scope();
        var source = new SegFormerOptions(16).Create(Encoder("MiT"), Classes);
        OrderedDictionary<string, Tensor> theirs = [];
        foreach (var (name, value) in source.StateDict())
        {
            var own = name;
            for (var stage = 1; stage <= 4; stage++)
                own = Replaced(
                    own,
                    ($@"^backbone\.patch_embed{stage}\.proj", $"segformer.encoder.patch_embeddings.{stage - 1}.proj"),
                    ($@"^backbone\.patch_embed{stage}\.norm", $"segformer.encoder.patch_embeddings.{stage - 1}.layer_norm"),
                    ($@"^backbone\.block{stage}\.", $"segformer.encoder.block.{stage - 1}."),
                    ($@"^backbone\.norm{stage}\.", $"segformer.encoder.layer_norm.{stage - 1}."),
                    ($@"^decode_head\.linear_c{stage}\.", $"decode_head.linear_c.{stage - 1}.")
                );
            own = Replaced(
                own,
                (@"\.norm([12])\.", ".layer_norm_$1."),
                (@"\.mlp\.fc([12])\.", ".mlp.dense$1."),
                (@"\.attn\.proj\.", ".attention.output.dense."),
                (@"\.attn\.q\.", ".attention.self.query."),
                (@"\.attn\.sr\.", ".attention.self.sr."),
                (@"\.attn\.norm\.", ".attention.self.layer_norm."),
                (@"\.linear_fuse\.conv\.", ".linear_fuse."),
                (@"\.linear_fuse\.bn\.", ".batch_norm."),
                (@"\.linear_pred\.", ".classifier.")
            );
            if (own.Contains(".attn.kv.", StringComparison.Ordinal))
                foreach (var (i, part) in new[] { "key", "value" }.Index())
                    theirs[own.Replace(".attn.kv.", $".attention.self.{part}.", StringComparison.Ordinal)] = value.Slice(
                        0,
                        i * value.Size(0) / 2,
                        (i + 1) * value.Size(0) / 2
                    );
            else
                theirs[own] = value;
        }
        Assert.Contains("decode_head.linear_c.0.proj.weight", theirs.Keys);
        Assert.Contains("segformer.encoder.block.1.0.attention.self.key.weight", theirs.Keys);
        var model = new SegFormerOptions(16).Create(Encoder("MiT"), Classes);
        var report = model.Load(theirs, new());
        Assert.Contains("transformers' SegFormer", report.Notes[0], StringComparison.Ordinal);
        foreach (var (name, value) in source.StateDict())
            Near.Identical(value, model.StateDict()[name]);
    }
}
