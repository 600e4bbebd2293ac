using Tessera.Models;
using Tessera.Models.Layers;
using Tessera.Testing;

namespace Tessera.Training.Tests;

[Collection("engine")]
public sealed class BootstrappingTests
{
    [Fact]
    public void A_step_changes_agent_and_vit_alike_and_checkpoints_keep_the_tie()
    {
        using var scope = Torch.Scope();
        Torch.Seed(1);
        var vit = Small.Bootstrap();
        var method = new Bootstrapping(new(Stem: AgentStem.VitLike, Init: BootstrapInit.Corrected), vit);
        var optimizer = new AdamWOptions(1e-2).Optimizer(method);
        var names = optimizer.Groups.SelectMany(g => g.Parameters).Select(p => p.Name).ToArray();
        Assert.Contains("transformer.layers.0.attention.linear_qkv.weight", names);
        Assert.DoesNotContain(names, name => name.Contains("mhsa", StringComparison.Ordinal));
        var before = vit.Transformer[0].Qkv.Weight.ToArray<float>();
        using (var batch = Small.Source().Epoch(0).First())
            method.Compute(batch, new(0, 10, 0, 3)).Total.Backward();
        optimizer.Step();
        Assert.NotEqual(before, vit.Transformer[0].Qkv.Weight.ToArray<float>());
        const string Agents = "agent.layers.0.cnn_block.mhsa.linear_qkv.weight";
        Assert.Same(vit.Transformer[0].Qkv.Weight, method.StateDict()[Agents]);

        var other = Small.Bootstrap();
        var loaded = new Bootstrapping(new(Stem: AgentStem.VitLike), other);
        other.LoadStateDict(vit.StateDict());
        loaded.LoadOwnStateDict(method.OwnStateDict());
        Near.Equal(method.StateDict()[Agents], other.Transformer[0].Qkv.Weight, 0);
        Assert.Same(other.Transformer[0].Qkv.Weight, loaded.StateDict()[Agents]);
    }

    [Fact]
    public void Attention_that_shifts_by_one_place_is_the_agents_convolution()
    {
        using var scope = Torch.Scope();
        Torch.Seed(2);
        var (heads, dim, side) = (9, 18, 5);
        var (qkv, output, bias) = (
            Torch.Randn([3 * dim, dim], DType.Float64),
            Torch.Randn([dim, dim], DType.Float64),
            Torch.Randn(dim, DType.Float64)
        );
        var map = Torch.Randn([2, dim, side, side], DType.Float64);
        var convolved = GridConvolution.Apply(map, GridConvolution.Kernel(qkv, output, heads), bias);
        var values = Torch.Linear(map.ToTokens(), qkv.Slice(0, 2 * dim)).Reshape(2, side, side, heads, dim / heads);
        var padded = values.ConstantPadNd([0, 0, 0, 0, 1, 1, 1, 1]);
        var shifted = Enumerable
            .Range(0, heads)
            .Select(h => padded.Slice(1, h / 3, h / 3 + side).Slice(2, h % 3, h % 3 + side).Select(3, h))
            .ToArray();
        var attended = Torch.Linear(Torch.Cat(shifted, 3), output, bias); // [B, H, W, C]
        Near.Equal(attended.Permute(0, 3, 1, 2), convolved, 1e-10);
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(6, 3)]
    [InlineData(9, 3)]
    [InlineData(17, 5)]
    public void Heads_make_an_odd_kernel(int heads, int side) => Assert.Equal(side, GridConvolution.Side(heads));

    [Theory]
    [InlineData(2)]
    [InlineData(4)]
    [InlineData(12)]
    public void An_even_kernel_is_refused(int heads) =>
        Assert.Contains(
            "has no centre",
            Assert.Throws<ArgumentException>(() => GridConvolution.Side(heads)).Message,
            StringComparison.Ordinal
        );

    [Fact]
    public void Hints_fade_along_a_straight_line() =>
        Assert.Equal([1, 0.5, 0], new[] { 0, 5, 10 }.Select(epoch => FeatureHints.Decay(epoch, 10)));

    [Fact]
    public void A_model_without_plain_blocks_is_refused() =>
        Assert.Contains(
            "plain ViT",
            Assert.Throws<ArgumentException>(() => new Bootstrapping(new(), Small.Swin())).Message,
            StringComparison.Ordinal
        );

    [Fact]
    public void The_labels_of_the_agent_leave_queries_and_keys_alone()
    {
        using var scope = Torch.Scope();
        Torch.Seed(3);
        var vit = Small.Bootstrap();
        var method = new Bootstrapping(new(Stem: AgentStem.VitLike, Weights: new(1, 0, 0, 0, 0, 0), Init: BootstrapInit.Corrected), vit);
        using (var batch = Small.Source().Epoch(0).First())
            method.Compute(batch, new(0, 10, 0, 3)).Total.Backward();
        var gradient = vit.Transformer[0].Qkv.Weight.Grad!;
        Assert.Equal(0, gradient.Slice(0, 0, 36).Abs().Max().ToDouble());
        Assert.NotEqual(0, gradient.Slice(0, 36).Abs().Max().ToDouble());
    }

    [Fact]
    public void Entmax_is_sparse_sums_to_one_and_has_the_gradients_of_its_values()
    {
        using var scope = Torch.Scope();
        Torch.Seed(4);
        var entmax = new Nn.Entmax();
        entmax.To(dtype: DType.Float64);
        var scores = (Torch.Randn([3, 7], DType.Float64) * 3).Detach();
        var values = entmax.Call(scores);
        Near.Equal(Torch.Ones(3, DType.Float64), values.Sum(-1), 1e-9);
        Assert.Contains(0.0, values.ToArray<double>());
        scores.RequiresGrad = true;
        GradientCheck.Holds(x => entmax.Call(x[0]), scores, entmax.Parameters().Single());
    }
}
