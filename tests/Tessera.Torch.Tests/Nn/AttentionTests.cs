using Tessera.Nn;
using Tessera.Testing;

namespace Tessera.Tests.Nn;

public sealed class AttentionTests : LiveTensors
{
    private static readonly double[][] keep =
    [
        [1, 1, 0],
        [0, 1, 0],
        [1, 1, 1],
        [0, 0, 0],
    ];

    private static (Tensor Q, Tensor K, Tensor V) Inputs(DType type = DType.Float64)
    {
        Torch.Seed(5);
        return (Torch.Randn([2, 2, 4, 5], type), Torch.Randn([2, 2, 3, 5], type), Torch.Randn([2, 2, 3, 6], type));
    }

    // By its definition, a query at a time; mask [4, 3] is added to the scores.
    private static Tensor ByDefinition(Tensor q, Tensor k, Tensor v, double scale, double[][]? mask = null)
    {
        var rows = new List<Tensor>();
        for (var n = 0; n < 4; n++)
        {
            var scores = (q[.., .., n..(n + 1)] * k).Sum([3]) * scale;
            if (mask is not null)
                scores += Tensor.From(mask[n]);
            var weights = (scores - scores.Amax([2], keepdim: true)).Exp();
            weights /= weights.Sum([2], keepdim: true);
            rows.Add((weights.Unsqueeze(3) * v).Sum([2]));
        }
        return Torch.Stack(rows, 2);
    }

    [Fact]
    public void Without_a_mask()
    {
        using var scope = Torch.Scope();
        var (q, k, v) = Inputs();
        Near.Equal(ByDefinition(q, k, v, 1 / Math.Sqrt(5)), Attention.Apply(q, k, v), 1e-12);
        Near.Equal(ByDefinition(q, k, v, 0.3), Attention.Apply(q, k, v, scale: 0.3), 1e-12);
        Near.Equal(Torch.Ones([2, 2, 4], DType.Float64), Attention.Weights(q, k).Sum(3), 1e-12);
    }

    [Fact]
    public void A_mask_of_numbers_is_added()
    {
        using var scope = Torch.Scope();
        var (q, k, v) = Inputs();
        double[][] bias =
        [
            [0.5, -1, 2],
            [0, 0, 0],
            [1e3, 0, 0],
            [-3, -3, -2],
        ];
        Near.Equal(
            ByDefinition(q, k, v, 1 / Math.Sqrt(5), bias),
            Attention.Apply(q, k, v, Tensor.From(bias.SelectMany(r => r).ToArray(), 4, 3)),
            1e-12
        );
    }

    [Fact]
    public void Gradients_under_a_mask_are_those_of_the_definition_also_of_an_empty_row()
    {
        using var scope = Torch.Scope();
        // Values as wide as queries, as the fused kernels want them.
        var (q, k, wide) = Inputs();
        var v = wide[.., .., .., ..5];
        var mask = Tensor.From(keep.SelectMany(r => r.Select(x => x == 1)).ToArray(), 4, 3);
        var direction = Torch.Randn([2, 2, 4, 5], DType.Float64);
        // The masked softmax written out: an empty row is a mean of the values, whatever the scores.
        Tensor Written(Tensor query, Tensor key, Tensor value)
        {
            var scores = query.Matmul(key.MT) / Math.Sqrt(5);
            var kept = scores.Exp() * mask.To(DType.Float64);
            var weights = kept / kept.Sum([3], keepdim: true).ClampMin(1e-300);
            return (weights + mask.Any(-1, keepdim: true).LogicalNot().To(DType.Float64) / 3).Matmul(value);
        }
        Tensor[] Gradients(Func<Tensor, Tensor, Tensor, Tensor> attention)
        {
            Tensor[] own = [.. new[] { q, k, v }.Select(x => x.Detach().Clone().RequiresGrad_())];
            attention(own[0], own[1], own[2]).Backward(direction);
            return [.. own.Select(x => x.Grad!)];
        }
        foreach (var (expected, found) in Gradients(Written).Zip(Gradients((a, b, c) => Attention.Apply(a, b, c, mask))))
            Near.Equal(expected, found, 1e-12);
    }

    [Fact]
    public void False_entries_of_a_mask_are_left_out_and_an_empty_row_attends_to_all_alike()
    {
        using var scope = Torch.Scope();
        var (q, k, v) = Inputs();
        var mask = Tensor.From(keep.SelectMany(r => r.Select(x => x == 1)).ToArray(), 4, 3);
        var output = Attention.Apply(q, k, v, mask);
        var expected = ByDefinition(
            q,
            k,
            v,
            1 / Math.Sqrt(5),
            [.. keep.Select(r => r.Select(x => x == 1 ? 0 : double.MinValue).ToArray())]
        );
        Near.Equal(expected, output, 1e-12);
        Near.Equal(v.Mean([2]), output[.., .., 3], 1e-12);
        Near.Equal(v[.., .., 1], output[.., .., 1], 1e-12);
    }

    [Theory]
    [InlineData(DType.Float32)]
    [InlineData(DType.BFloat16)]
    public void An_empty_row_is_finite_in_short_types_too(DType type)
    {
        using var scope = Torch.Scope();
        var (q, k, v) = Inputs(type);
        var output = Attention.Apply(q, k, v, Torch.Zeros([4, 3], DType.Bool));
        Assert.Equal(type, output.DType);
        Near.Equal(v.To(DType.Float64).Mean([2], keepdim: true).Expand([2, 2, 4, 6]), output.To(DType.Float64), 0.02);
    }

    [Fact]
    public void An_empty_row_is_finite_under_autocast()
    {
        using var scope = Torch.Scope();
        var (q, k, v) = Inputs(DType.Float32);
        using var mode = Torch.Autocast();
        Assert.True(Attention.Apply(q, k, v, Torch.Zeros([4, 3], DType.Bool)).Isfinite().All().ToInt64() == 1);
    }

    [Fact]
    public void Gradients_agree_with_differences()
    {
        using var scope = Torch.Scope();
        var (q, k, v) = Inputs();
        var mask = Tensor.From(keep.SelectMany(r => r.Select(x => x == 1)).ToArray(), 4, 3);
        GradientCheck.Holds(x => Attention.Apply(x[0], x[1], x[2], mask), q.RequiresGrad_(), k.RequiresGrad_(), v.RequiresGrad_());
    }

    [Fact]
    public void Dropout_drops_weights()
    {
        using var scope = Torch.Scope();
        var ones = Torch.Ones([1, 1, 64, 64]);
        var output = Attention.Apply(ones, ones, ones, dropout: 0.5);
        Assert.Equal(1, output.Mean().ToDouble(), 0.1);
        Assert.True(output.Std().ToDouble() > 0.01);
    }
}
