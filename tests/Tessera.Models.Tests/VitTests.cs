using Tessera.Checkpoints;
using Tessera.Models;
using Tessera.Models.Layers;

namespace Tessera.Tests.Models;

public class VitTests
{
    private static readonly Vit.Config Small = new((16, 16), 4, 24, 2, 3, 5);

    [Fact]
    public void A_permutation_of_patches_leaves_pooled_logits_unchanged_without_positions()
    {
        using var scope = Torch.Scope();
        Torch.Seed(1);
        var vit = new Vit(Small with { Pool = "avg", ClassToken = false });
        vit.Eval();
        using (Torch.NoGrad())
            vit.StateDict()["pos_embed"].Zero_();
        var image = Torch.Randn([1, 3, 16, 16]);
        // Rows of patches change places: 4 pixels each.
        var permuted = Torch.Cat([image[.., .., 8..12], image[.., .., 0..8], image[.., .., 12..16]], 2);
        Assert.True(vit.Call(image).Allclose(vit.Call(permuted), 1e-4, 1e-5));
    }

    [Fact]
    public void An_image_of_another_size_is_refused_until_the_model_is_resized()
    {
        using var scope = Torch.Scope();
        var vit = new Vit(Small);
        vit.Eval();
        var refusal = Assert.Throws<ShapeException>(() => vit.Call(Torch.Zeros([1, 3, 24, 16])));
        Assert.Contains("[B, 3, 16, 16]", refusal.Message, StringComparison.Ordinal);
        Assert.Contains("[1, 3, 24, 16]", refusal.Message, StringComparison.Ordinal);
        vit.Resize(24, 16);
        Assert.Equal(new Shape(1, 5), vit.Call(Torch.Zeros([1, 3, 24, 16])).Shape);
        Assert.Throws<ShapeException>(() => vit.Resize(18, 16));
    }

    [Fact]
    public void Features_blocks_maps_and_attention_have_their_shapes()
    {
        using var scope = Torch.Scope();
        var vit = new Vit(Small);
        vit.Eval();
        var image = Torch.Randn([2, 3, 16, 16]);
        Assert.Equal(new Shape(2, 17, 24), vit.ForwardFeatures(image).Shape);
        Assert.Equal(new Shape(2, 24), vit.ForwardHead(vit.ForwardFeatures(image), preLogits: true).Shape);
        var blocks = vit.ForwardIntermediates(image, prefixTokens: false, 0, -1);
        Assert.Equal(2, blocks.Count);
        Assert.All(blocks, block => Assert.Equal(new Shape(2, 16, 24), block.Shape));
        var map = Assert.Single(vit.ForwardFeatureMaps(image));
        Assert.Equal(4, map.Stride);
        Assert.Equal(new Shape(2, 24, 4, 4), map.Map.Shape);
        var attention = vit.AttentionMaps(image);
        Assert.Equal(["blocks.0.attn.attention", "blocks.1.attn.attention"], attention.Keys);
        Assert.All(attention.Values, weights => Assert.True(weights.Sum(-1).Allclose(Torch.Ones([2, 3, 17]))));
    }

    [Fact]
    public void Published_weights_of_another_head_and_resolution_load_on_request()
    {
        using var scope = Torch.Scope();
        var source = new Vit(Small);
        var path = Path.Combine(Path.GetTempPath(), $"vit-{Guid.NewGuid():N}.safetensors");
        try
        {
            Checkpoint.SaveSafetensors(path, source.StateDict().ToCheckpoint());
            var target = new Vit(Small with { ImageSize = (24, 24), Classes = 9 });
            var refusal = Assert.Throws<StateDictException>(() => target.Load(path));
            Assert.Contains("head.weight", refusal.Message, StringComparison.Ordinal);
            var report = target.Load(path, new() { ReplaceHead = true });
            Assert.Equal(["head.weight", "head.bias"], report.ReplacedHead);
            Assert.True(target.StateDict()["blocks.1.mlp.fc2.weight"].Equal(source.StateDict()["blocks.1.mlp.fc2.weight"]));
            var expected = PositionTable.Resample(
                source.StateDict()["pos_embed"],
                (4, 4),
                (6, 6),
                1,
                PositionResampling.BicubicAntialiased
            );
            Assert.True(target.StateDict()["pos_embed"].Equal(expected));
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Weights_in_the_layout_of_JAX_load(bool newer)
    {
        using var scope = Torch.Scope();
        var vit = new Vit(Small);
        var state = vit.StateDict();
        var path = Path.Combine(Path.GetTempPath(), $"vit-{Guid.NewGuid():N}.npz");
        try
        {
            NumpyArchive.Write(path, NumpyArchive.OfVit(vit, newer).ToDictionary(a => $"opt/target/{a.Key}", a => a.Value));
            var loaded = new Vit(Small);
            loaded.Load(path);
            Assert.All(state, e => Assert.True(loaded.StateDict()[e.Key].Equal(e.Value), e.Key));
        }
        finally
        {
            File.Delete(path);
        }
    }
}
