using Tessera.Checkpoints;
using Tessera.Models;
using Tessera.Models.Fitting;
using Tessera.Testing;

namespace Tessera.Tests.Models;

/// <summary>Weights under the names that transformers' modules have load into the models of the authors' names.</summary>
public class HuggingFaceNamesTests
{
    // Parts of the authors' names, in the order in which they are replaced; maps that transformers splits stay for later.
    private static readonly (string, string)[] vit =
    [
        ("cls_token", "vit.embeddings.cls_token"),
        ("dist_token", "vit.embeddings.distillation_token"),
        ("pos_embed", "vit.embeddings.position_embeddings"),
        ("patch_embed.proj.", "vit.embeddings.patch_embeddings.projection."),
        ("blocks.", "vit.encoder.layer."),
        (".norm1.", ".layernorm_before."),
        (".norm2.", ".layernorm_after."),
        (".attn.qkv.", ".attention.attention.QUERY,KEY,VALUE."),
        (".attn.proj.", ".attention.output.dense."),
        (".mlp.fc1.", ".intermediate.dense."),
        (".mlp.fc2.", ".output.dense."),
        ("norm.", "vit.layernorm."),
    ];

    private static readonly (string, string)[] swin =
    [
        ("absolute_pos_embed", "swin.embeddings.position_embeddings"),
        ("patch_embed.proj.", "swin.embeddings.patch_embeddings.projection."),
        ("patch_embed.norm.", "swin.embeddings.norm."),
        ("layers.", "swin.encoder.layers."),
        (".norm1.", ".layernorm_before."),
        (".norm2.", ".layernorm_after."),
        (".attn.qkv.", ".attention.self.QUERY,KEY,VALUE."),
        (".attn.proj.", ".attention.output.dense."),
        (".attn.relative", ".attention.self.relative"),
        (".mlp.fc1.", ".intermediate.dense."),
        (".mlp.fc2.", ".output.dense."),
        ("norm.", "swin.layernorm."),
    ];

    private static readonly (string, string)[] cvt =
    [
        ("stage", "cvt.encoder.stages."),
        (".patch_embed.proj.", ".embedding.convolution_embeddings.projection."),
        (".patch_embed.norm.", ".embedding.convolution_embeddings.normalization."),
        (".blocks.", ".layers."),
        (".norm1.", ".layernorm_before."),
        (".norm2.", ".layernorm_after."),
        .. Projections("q", "query"),
        .. Projections("k", "key"),
        .. Projections("v", "value"),
        (".attn.proj.", ".attention.output.dense."),
        (".mlp.fc1.", ".intermediate.dense."),
        (".mlp.fc2.", ".output.dense."),
        ("norm.", "layernorm."),
    ];

    private static (string, string)[] Projections(string shortly, string name) =>
        [
            ($".attn.conv_proj_{shortly}.conv.", $".attention.attention.convolution_projection_{name}.convolution_projection.convolution."),
            ($".attn.conv_proj_{shortly}.bn.", $".attention.attention.convolution_projection_{name}.convolution_projection.normalization."),
            ($".attn.proj_{shortly}.", $".attention.attention.projection_{name}."),
        ];

    private static (string, string)[] Pyramid(string network, string projection, string reduction, string norm) =>
        [
            ("cls_token", $"{network}.encoder.patch_embeddings.3.cls_token"),
            .. Enumerable
                .Range(0, 4)
                .SelectMany(i =>
                    ((string, string)[])
                        [
                            ($"pos_embed{i + 1}", $"{network}.encoder.patch_embeddings.{i}.position_embeddings"),
                            ($"patch_embed{i + 1}.proj.", $"{network}.encoder.patch_embeddings.{i}.{projection}."),
                            ($"patch_embed{i + 1}.norm.", $"{network}.encoder.patch_embeddings.{i}.layer_norm."),
                            ($"block{i + 1}.", $"{network}.encoder.block.{i}."),
                            ($"norm{i + 1}.", norm.Replace("N", $"{i}", StringComparison.Ordinal)),
                        ]
                ),
            (".norm1.", ".layer_norm_1."),
            (".norm2.", ".layer_norm_2."),
            (".attn.q.", ".attention.self.query."),
            (".attn.kv.", ".attention.self.KEY,VALUE."),
            (".attn.sr.", $".attention.self.{reduction}."),
            (".attn.norm.", ".attention.self.layer_norm."),
            (".attn.proj.", ".attention.output.dense."),
            (".mlp.fc1.", ".mlp.dense1."),
            (".mlp.fc2.", ".mlp.dense2."),
            ("norm.", $"{network}.encoder.layer_norm."),
        ];

    private static readonly (string, string)[] pvt = Pyramid("pvt", "projection", "sequence_reduction", "norm_of_stage.");
    private static readonly (string, string)[] segformer = Pyramid("segformer", "proj", "sr", "segformer.encoder.layer_norm.N.");

    public static TheoryData<string, string> Families =>
        new()
        {
            { nameof(Vit), "vit." },
            { nameof(Deit), "deit." },
            { nameof(Swin), "swin." },
            { nameof(CvT), "cvt." },
            { nameof(Pvt), "pvt." },
            { nameof(Mit), "segformer." },
        };

    [Theory]
    [MemberData(nameof(Families))]
    public void A_model_takes_the_weights_that_transformers_has_of_it(string type, string network)
    {
        using var scope = new Scope();
        var (source, target) = (Create(type), Create(type));
        var table = type switch
        {
            nameof(Vit) or nameof(Deit) => vit,
            nameof(Swin) => swin,
            nameof(CvT) => cvt,
            nameof(Pvt) => pvt,
            _ => segformer,
        };
        var state = new OrderedDictionary<string, Tensor>();
        foreach (var (name, tensor) in source.StateDict())
            Add(state, Renamed(name, table, type, network), tensor);
        Assert.Contains(state.Keys, name => name.StartsWith(network, StringComparison.Ordinal));

        using (var folder = new TempFolder())
        {
            Checkpoint.SaveSafetensors(folder["w.safetensors"], state.ToCheckpoint());
            using var file = Checkpoint.Open(folder["w.safetensors"]);
            var shapes = WeightShapes.Of(file, file.FindStateDict());
            Assert.Equal((FitKind.Complete, true), (ModelFits.Of(type, target, shapes).Kind, shapes.Note is not null));
        }
        var report = target.Load(state);

        Assert.Contains("transformers", Assert.Single(report.Notes), StringComparison.Ordinal);
        foreach (var (name, tensor) in source.StateDict())
            Assert.True(tensor.Equal(target.StateDict()[name]), name);
    }

    private static Backbone Create(string type) =>
        Reduced
            .Names.Where(name => !Reduced.IsDense(name) && !name.Contains("_positions", StringComparison.Ordinal))
            .Select(Reduced.Create)
            .First(model => model.GetType().Name == type && (type != nameof(Vit) || Plain((Vit)model)));

    private static bool Plain(Vit model) =>
        model
            .StateDict()
            .Keys.All(name => name.Split('.')[0] is "cls_token" or "pos_embed" or "patch_embed" or "blocks" or "norm" or "head")
        && model.StateDict().ContainsKey("cls_token")
        && model.StateDict().ContainsKey("blocks.0.attn.qkv.bias")
        && !model.StateDict().Keys.Any(name => name.Contains(".ls1.", StringComparison.Ordinal));

    private static string Renamed(string name, (string, string)[] table, string type, string network)
    {
        if (name.StartsWith("head.", StringComparison.Ordinal))
            return (type == nameof(Deit) ? "cls_classifier." : "classifier.") + name[5..];
        if (name.StartsWith("head_dist.", StringComparison.Ordinal))
            return "distillation_classifier." + name[10..];
        var result = "." + name;
        foreach (var (own, theirs) in table)
        {
            // A part without a dot in front begins the name.
            var from = own[0] == '.' ? own : "." + own;
            if (own[0] == '.' || result.StartsWith(from, StringComparison.Ordinal))
                result = result.Replace(from, own[0] == '.' ? theirs : "." + theirs, StringComparison.Ordinal);
        }
        return result[1..]
            .Replace("vit.", network.StartsWith("deit", StringComparison.Ordinal) ? network : "vit.", StringComparison.Ordinal);
    }

    // QUERY,KEY,VALUE: the parts of a joined map, in order.
    private static void Add(OrderedDictionary<string, Tensor> state, string name, Tensor tensor)
    {
        var joined = name.Split('.').FirstOrDefault(part => part.Contains(',', StringComparison.Ordinal));
        if (joined is null)
        {
            state.Add(name, tensor);
            return;
        }
        var parts = joined.Split(',');
        var size = tensor.Size(0) / parts.Length;
        foreach (var (i, part) in parts.Index())
            state.Add(name.Replace(joined, part.ToLowerInvariant(), StringComparison.Ordinal), tensor.Slice(0, i * size, (i + 1) * size));
    }
}
