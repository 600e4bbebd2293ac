using Tessera.Native;
using Tessera.Testing;

namespace Tessera.Tests.Native;

/// <summary>Every kind of result, through real operators.</summary>
public sealed class ReturnTests : LiveTensors
{
    private readonly Tensor x = Tensor.From([3f, 1f, 2f]);

    [Fact]
    public void A_tensor() => Near.Values(x.Neg(), 0, -3, -1, -2);

    [Fact]
    public void A_tuple_with_names()
    {
        var sorted = x.Sort();
        Near.Values(sorted.Values, 0, 1, 2, 3);
        Near.Values(sorted.Indices, 0, 1, 2, 0);
        var (largest, where) = x.Max(0);
        Assert.Equal((3, 0), (largest.ToDouble(), where.ToInt64()));
    }

    [Fact]
    public void A_list_of_tensors()
    {
        var parts = x.Unbind();
        Assert.Equal([3, 1, 2], parts.Select(p => p.ToDouble()));
        Assert.Empty(Torch.Zeros([0, 2]).Unbind());
    }

    [Fact]
    public void A_number_keeps_its_kind()
    {
        Assert.Equal("3", Tensor.Of(3L).Item().ToString());
        Assert.Equal("true", Tensor.From([true]).Item().ToString());
        Assert.Equal("0.5", Tensor.Of(0.5f).Item().ToString());
        Assert.Equal(long.MaxValue, Tensor.Of(long.MaxValue).ToInt64());
    }

    [Fact]
    public void A_complex_number_is_refused_rather_than_misread()
    {
        using var scope = Torch.Scope();
        Assert.Throws<TorchNotSupportedException>(() => Torch.Zeros([], DType.Complex128).Item());
    }

    [Fact]
    public void A_truth_value()
    {
        Assert.True(x.Equal(x.Clone()));
        Assert.False(x.Allclose(x + 1));
    }

    [Fact]
    public void An_integer_and_a_floating_point_number()
    {
        const int quint8 = 13;
        var quantised = Raw.Call("aten::quantize_per_tensor", "", Value.Of(x), Value.Of(0.25), Value.Of(7L), Value.Of((long)quint8))[0]
            .TakeTensor();
        Assert.Equal(0.25, Raw.Call("aten::q_scale", "", Value.Of(quantised))[0].TakeDouble());
        Assert.Equal(7, Raw.Call("aten::q_zero_point", "", Value.Of(quantised))[0].TakeInt());
    }

    [Fact]
    public void Nothing()
    {
        var a = Torch.Ones(2);
        Torch.ForeachAdd_([a, x], 1);
        Near.Values(a, 0, 2, 2);
        Near.Values(x, 0, 4, 2, 3);
    }

    [Fact]
    public void In_place_operators_give_back_the_same_object()
    {
        var y = x.Clone();
        var before = Tensor.LiveCount;
        Assert.Same(y, y.Add_(1).Mul_(2));
        Assert.Equal(before, Tensor.LiveCount);
        Near.Values(y, 0, 8, 4, 6);
    }
}
