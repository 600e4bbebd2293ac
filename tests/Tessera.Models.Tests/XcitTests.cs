using Tessera.Models;
using Tessera.Models.Layers;

namespace Tessera.Tests.Models;

public class XcitTests
{
    private static readonly Xcit.Config Small = new((32, 32), 8, 24, 2, 3, 5);

    [Theory]
    [InlineData(QkvEmbedding.Linear)]
    [InlineData(QkvEmbedding.Separate)]
    [InlineData(QkvEmbedding.PartiallyShared)]
    [InlineData(QkvEmbedding.FullyShared)]
    [InlineData(QkvEmbedding.FullySharedAdded)]
    public void Attention_of_permuted_tokens_is_the_permuted_attention(QkvEmbedding embedding)
    {
        using var scope = Torch.Scope();
        Torch.Seed(1);
        var layer = new CrossCovarianceAttention(24, 3, embedding: embedding);
        var x = Torch.Randn([2, 10, 24]);
        var order = Torch.Randperm(10);
        Assert.True(layer.Call(x.IndexSelect(1, order)).Allclose(layer.Call(x).IndexSelect(1, order), 1e-4, 1e-6));
    }

    [Fact]
    public void The_fully_shared_network_sees_the_token_and_then_its_code()
    {
        using var scope = Torch.Scope();
        Torch.Seed(2);
        var layer = new CrossCovarianceAttention(6, 2, embedding: QkvEmbedding.FullyShared, hidden: 5, codeDim: 4);
        var state = layer.StateDict();
        var x = Torch.Randn([2, 7, 6]);
        using var taps = new Taps(layer, "*");
        layer.Call(x);
        foreach (var (role, code) in new[] { ("queries", "code_q"), ("keys", "code_k"), ("values", "code_v") })
        {
            var joined = Torch.Cat([x, state[code].Expand([2, 7, -1])], 2);
            var hidden = Torch.Linear(joined, state["shared.fc1.weight"], state["shared.fc1.bias"]).Relu();
            Assert.True(taps[role].Allclose(Torch.Linear(hidden, state["shared.fc2.weight"], state["shared.fc2.bias"]), 1e-5, 1e-6), role);
        }
    }

    [Fact]
    public void Codes_of_another_length_cannot_be_added() =>
        Assert.Throws<ArgumentException>(() => new CrossCovarianceAttention(8, 2, embedding: QkvEmbedding.FullySharedAdded, codeDim: 4));

    [Fact]
    public void Features_blocks_maps_and_attention_have_their_shapes()
    {
        using var scope = Torch.Scope();
        var model = new Xcit(Small);
        model.Eval();
        var image = Torch.Randn([2, 3, 32, 48]);
        Assert.Equal(new Shape(2, 25, 24), model.ForwardFeatures(image).Shape);
        Assert.All(model.ForwardIntermediates(image, prefixTokens: false), block => Assert.Equal(new Shape(2, 24, 24), block.Shape));
        Assert.Equal(new Shape(2, 25, 24), model.ForwardIntermediates(image, prefixTokens: true, -1)[0].Shape);
        var map = Assert.Single(model.ForwardFeatureMaps(image));
        Assert.Equal((8, new Shape(2, 24, 4, 6)), (map.Stride, map.Map.Shape));
        var attention = model.AttentionMaps(image);
        Assert.Equal(
            ["blocks.0.attn.attention", "blocks.1.attn.attention", "cls_attn_blocks.0.attn.attention", "cls_attn_blocks.1.attn.attention"],
            attention.Keys
        );
        Assert.Equal(new Shape(2, 3, 8, 8), attention["blocks.0.attn.attention"].Shape);
        Assert.Equal(new Shape(2, 3, 1, 25), attention["cls_attn_blocks.1.attn.attention"].Shape);
        Assert.All(attention.Values, weights => Assert.True(weights.Sum(-1).Allclose(Torch.Ones([1]))));
    }

    [Fact]
    public void Another_classifier_and_any_size_will_do()
    {
        using var scope = Torch.Scope();
        var model = new Xcit(Small);
        model.Eval();
        model.ResetClassifier(7);
        model.Resize(40, 33);
        Assert.Equal((40, 33), model.ImageSize);
        Assert.Equal(new Shape(1, 7), model.Call(Torch.Zeros([1, 3, 40, 33])).Shape);
        model.ResetClassifier(0);
        Assert.Equal(new Shape(1, 24), model.Call(Torch.Zeros([1, 3, 32, 32])).Shape);
    }

    [Fact]
    public void Weights_in_timms_names_load()
    {
        using var scope = Torch.Scope();
        var source = new Xcit(Small);
        var state = new OrderedDictionary<string, Tensor>(source.StateDict());
        foreach (var part in new[] { "weight", "bias" })
        {
            state.Remove($"pos_embeder.token_projection.{part}", out var projection);
            state[$"pos_embed.token_projection.{part}"] = projection!;
            for (var i = 0; i < 2; i++)
            {
                state.Remove($"cls_attn_blocks.{i}.attn.qkv.{part}", out var packed);
                foreach (var (j, role) in new[] { "q", "k", "v" }.Index())
                    state[$"cls_attn_blocks.{i}.attn.{role}.{part}"] = packed!.Slice(0, 24 * j, 24 * (j + 1));
            }
        }
        var target = new Xcit(Small);
        target.Load(state);
        Assert.All(source.StateDict(), e => Assert.True(target.StateDict()[e.Key].Equal(e.Value), e.Key));
    }

    [Fact]
    public void A_frozen_stem_stays_as_it_is_in_training()
    {
        using var scope = Torch.Scope();
        var model = new Xcit(Small with { FrozenStem = true });
        model.Train();
        var mean = model.StateDict()["patch_embed.proj.0.1.running_mean"].Clone();
        model.Call(Torch.Randn([2, 3, 32, 32])).Sum().Backward();
        Assert.True(model.StateDict()["patch_embed.proj.0.1.running_mean"].Equal(mean));
        Assert.All(model.NamedParameters().Where(p => p.Name.StartsWith("patch_embed", StringComparison.Ordinal)), p =>
            Assert.Null(p.Parameter.Grad)
        );
        Assert.NotNull(model.NamedParameters().First(p => p.Name == "blocks.0.attn.qkv.weight").Parameter.Grad);
    }
}
