using Tessera.Testing;

namespace Tessera.Tests.Nn;

/// <summary>Attention of the shim against the same in elementary operations and float64.</summary>
public class FusedAttentionTests : LiveTensors
{
    [Theory]
    [InlineData(2, 3, 65, 65, 64, 64)]
    [InlineData(1, 1, 1, 1, 1, 1)]
    [InlineData(2, 2, 7, 130, 5, 19)]
    [InlineData(1, 4, 197, 49, 32, 32)]
    public void Values_and_gradients_are_those_of_the_plain_form(int batch, int heads, int queries, int keys, int dim, int valueDim)
    {
        using var scope = Torch.Scope();
        Torch.Seed(1);
        Tensor[] inputs =
        [
            Torch.Randn([batch, heads, queries, dim]),
            Torch.Randn([batch, heads, keys, dim]),
            Torch.Randn([batch, heads, keys, valueDim]),
        ];
        var direction = Torch.Randn([batch, heads, queries, valueDim]);
        Agree(inputs, direction);
    }

    [Theory]
    [InlineData(24, false)]
    [InlineData(24, true)]
    [InlineData(5, true)]
    public void Inputs_may_lie_in_any_order(int dim, bool across)
    {
        using var scope = Torch.Scope();
        Torch.Seed(2);
        // As a packed projection leaves them, and with channels apart: the values alone or all.
        var packed = Torch.Randn([2, 33, 3, 4, dim]).Permute(2, 0, 3, 1, 4).Unbind();
        Tensor Across(Tensor x) => x.Transpose(-2, -1).Contiguous().Transpose(-2, -1);
        Tensor[] inputs = [across ? Across(packed[0]) : packed[0], across ? Across(packed[1]) : packed[1], Across(packed[2])];
        var direction = Torch.Randn([2, 4, dim, 33]).Transpose(-2, -1);
        Agree(inputs, direction);
    }

    private static void Agree(Tensor[] inputs, Tensor direction)
    {
        var (expected, gradients) = Differentiated(inputs, direction, DType.Float64, Plain);
        var (actual, own) = Differentiated(inputs, direction, DType.Float32, Fused);
        Near.Equal(expected, actual.To(DType.Float64), 3e-6);
        foreach (var (a, b) in gradients.Zip(own))
            Near.Equal(a, b.To(DType.Float64), 1e-5);
        var (shorter, shortGradients) = Differentiated(inputs, direction, DType.BFloat16, Fused);
        Near.Equal(expected, shorter.To(DType.Float64), 0.03);
        foreach (var (a, b) in gradients.Zip(shortGradients))
            Near.Equal(a, b.To(DType.Float64), 0.04);
    }

    [Fact]
    public void Dropout_keeps_its_share_and_the_backward_finds_the_same_weights()
    {
        using var scope = Torch.Scope();
        // Equal scores and values of one: the result is the share of weights kept over the share expected.
        var (query, key, value) = (Torch.Zeros([4, 2, 100, 8]), Torch.Zeros([4, 2, 100, 8]), Torch.Ones([4, 2, 100, 3]).RequiresGrad_());
        Torch.Seed(5);
        var kept = Torch.Attention(query, key, value, 1, 0.25);
        Assert.InRange(kept.Mean().ToDouble(), 0.99, 1.01);
        Assert.InRange(kept.Std(true).ToDouble(), 0.04, 0.08); // sqrt(0.25 / 0.75 / 100) = 0.058
        // The result is linear in the values: the gradient's product with them is the result itself.
        kept.Sum().Backward();
        Near.Values((value.Grad! * value).Sum(), 1e-2, kept.Sum().ToDouble());
        Torch.Seed(5);
        Near.Identical(kept.Detach(), Torch.Attention(query, key, value, 1, 0.25).Detach());
        Assert.NotEqual(kept.Detach().ToArray<float>(), Torch.Attention(query, key, value, 1, 0.25).Detach().ToArray<float>());
    }

    [Fact]
    public void Gradients_with_dropout_are_those_of_small_changes()
    {
        using var scope = Torch.Scope();
        Torch.Seed(6);
        var (query, key, value) = (Torch.Randn([1, 2, 9, 8]).RequiresGrad_(), Torch.Randn([1, 2, 11, 8]), Torch.Randn([1, 2, 11, 8]));
        var direction = Torch.Randn([1, 2, 9, 8]);
        double Loss(Tensor q)
        {
            Torch.Seed(7);
            return (Torch.Attention(q, key, value, 0.3, 0.5) * direction).Sum().ToDouble();
        }
        Torch.Seed(7);
        (Torch.Attention(query, key, value, 0.3, 0.5) * direction).Sum().Backward();
        var step = Torch.Randn(query.Shape) * 1e-2;
        using var outside = Torch.NoGrad();
        var slope = (Loss(query + step) - Loss(query - step)) / 2;
        Assert.Equal((query.Grad! * step).Sum().ToDouble(), slope, 1e-4);
    }

    [Fact]
    public void Gradients_of_gradients_agree_and_are_refused_with_dropout()
    {
        using var scope = Torch.Scope();
        Torch.Seed(8);
        double Curvature(DType type, Func<Tensor, Tensor, Tensor, Tensor> attention)
        {
            Torch.Seed(9);
            var query = Torch.Randn([1, 2, 5, 4]).To(type).RequiresGrad_();
            var (key, value) = (Torch.Randn([1, 2, 6, 4]).To(type), Torch.Randn([1, 2, 6, 3]).To(type));
            var gradient = Autograd.Grad([attention(query, key, value).Square().Sum()], [query], createGraph: true)[0]!;
            gradient.Square().Sum().Backward();
            return query.Grad!.Square().Sum().ToDouble();
        }
        var expected = Curvature(DType.Float64, Plain);
        Assert.InRange(Curvature(DType.Float32, Fused), expected * 0.9999, expected * 1.0001);
        var error = Assert.ThrowsAny<TorchException>(() => Curvature(DType.Float32, (q, k, v) => Torch.Attention(q, k, v, 0.5, 0.1)));
        Assert.Contains("dropout", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Wrong_shapes_and_types_are_refused()
    {
        using var scope = Torch.Scope();
        var (a, b) = (Torch.Zeros([1, 2, 3, 4]), Torch.Zeros([1, 2, 3, 5]));
        Assert.Contains(
            "[B, h, M, d]",
            Assert.ThrowsAny<TorchException>(() => Torch.Attention(a, b, a, 1)).Message,
            StringComparison.Ordinal
        );
        Assert.Contains(
            "float32",
            Assert.ThrowsAny<TorchException>(() => Torch.Attention(a.To(DType.Float64), a, a, 1)).Message,
            StringComparison.Ordinal
        );
        Assert.Contains(
            "below 1",
            Assert.ThrowsAny<TorchException>(() => Torch.Attention(a, a, a, 1, 1)).Message,
            StringComparison.Ordinal
        );
    }

    [Theory]
    [InlineData(DType.Float32, 2e-6)]
    [InlineData(DType.BFloat16, 0.02)]
    public void Gelu_and_its_gradients_are_the_exact_ones(DType type, double tolerance)
    {
        using var scope = Torch.Scope();
        Torch.Seed(3);
        var values = Torch
            .Cat([Torch.Randn([5, 131]) * 2, Tensor.From<float>([-9, -5, -1e-3f, 0, 1e-3f, 5, 9], 1, 7).Expand([5, -1])], 1)
            .To(type);
        var direction = Torch.Randn([138, 5]).T().To(type); // lies across
        Tensor Run(Tensor x, bool engine)
        {
            var input = x.Detach().RequiresGrad_();
            var result = engine ? input * 0.5 * (1 + (input / Math.Sqrt(2)).Erf()) : input.Gelu();
            (result * direction.To(x.DType)).Sum().Backward();
            return Torch.Stack([result.Detach(), input.Grad!]);
        }
        Near.Equal(Run(values.To(DType.Float64), true), Run(values, false).To(DType.Float64), tolerance);
    }

    private static Tensor Plain(Tensor query, Tensor key, Tensor value) =>
        (query * (1 / Math.Sqrt(query.Size(-1)))).Matmul(key.MT).Softmax(-1).Matmul(value);

    private static Tensor Fused(Tensor query, Tensor key, Tensor value) =>
        Torch.Attention(query, key, value, 1 / Math.Sqrt(query.Size(-1)));

    private static (Tensor Result, Tensor[] Gradients) Differentiated(
        Tensor[] inputs,
        Tensor direction,
        DType type,
        Func<Tensor, Tensor, Tensor, Tensor> attention
    )
    {
        // Detached copies in the same memory order.
        var own = inputs.Select(x => (x.DType == type ? x.Detach().Clone() : x.Detach().To(type)).RequiresGrad_()).ToArray();
        var result = attention(own[0], own[1], own[2]);
        result.Backward(direction.To(type));
        return (result.Detach(), [.. own.Select(x => x.Grad!)]);
    }
}
