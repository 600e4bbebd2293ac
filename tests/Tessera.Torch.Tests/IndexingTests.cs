using Tessera.Testing;

namespace Tessera.Tests;

public sealed class IndexingTests : LiveTensors
{
    // [2, 3, 4] of 0 .. 23
    private readonly Tensor x = Torch.Scope(() => Torch.Arange(24.0, dtype: DType.Float64).Reshape(2, 3, 4));

    private static void Is(Tensor actual, long[] shape, params double[] values)
    {
        Assert.Equal(new Shape(shape), actual.Shape);
        Near.Values(actual, 0, values);
    }

    [Fact]
    public void Numbers() => Is(x[1, 2], [4], 20, 21, 22, 23);

    [Fact]
    public void Numbers_from_the_end()
    {
        Is(x[-1, -1, -1], [], 23);
        Is(x[^1, ^1, ^1], [], 23);
    }

    [Fact]
    public void Ranges()
    {
        Is(x[0, 1.., 1..3], [2, 2], 5, 6, 9, 10);
        Is(x[0, ..^1, ^1..], [2, 1], 3, 7);
        Is(x[0, 0, ..], [4], 0, 1, 2, 3);
        Is(x[0, 0, ^0..], [0]);
        Is(x[0, 0, ^3..^1], [2], 1, 2);
    }

    [Fact]
    public void Steps()
    {
        Is(x[0, 0, TensorIndex.Slice(step: 2)], [2], 0, 2);
        Is(x[0, 0, TensorIndex.Slice(1, -1)], [2], 1, 2);
        Is(x[0, TensorIndex.Slice(0, 3, 2), 0], [2], 0, 8);
    }

    [Fact]
    public void An_ellipsis_and_new_axes()
    {
        Is(x[TensorIndex.Ellipsis, 0], [2, 3], 0, 4, 8, 12, 16, 20);
        Is(x[1, TensorIndex.Ellipsis, 1..2], [3, 1], 13, 17, 21);
        Is(x[0, 0, TensorIndex.NewAxis, ..2], [1, 2], 0, 1);
        Assert.Equal(new Shape(1, 2, 3, 4, 1), x[TensorIndex.NewAxis, TensorIndex.Ellipsis, TensorIndex.NewAxis].Shape);
    }

    [Fact]
    public void Tensors_of_indices()
    {
        var picked = Tensor.From([2L, 0L]);
        Is(x[0, picked, 0], [2], 8, 0);
        Is(x[.., picked, 1], [2, 2], 9, 1, 21, 13);
        Is(x[Tensor.From([0L, 1L]), Tensor.From([1L, 2L])], [2, 4], 4, 5, 6, 7, 20, 21, 22, 23);
    }

    [Fact]
    public void Masks()
    {
        Is(x[x > 20.5], [3], 21, 22, 23);
        Is(x[1, Tensor.From([true, false, true]), 0], [2], 12, 20);
        Is(x[x[TensorIndex.Ellipsis, 0] > 15.0], [2, 4], 16, 17, 18, 19, 20, 21, 22, 23);
    }

    [Fact]
    public void Numbers_and_ranges_are_views()
    {
        x[1, 0].Fill_(-1);
        Near.Values(x[1, 0], 0, -1, -1, -1, -1);
        Assert.Equal(x.StorageAddress, x[.., 1..].StorageAddress);
    }

    [Fact]
    public void Assignment()
    {
        x[0, 0] = Tensor.From([7.0, 7, 7, 7]);
        x[1, .., 0] = Tensor.Of(-5.0);
        x[x > 22.5] = Tensor.Of(100.0);
        x[0, Tensor.From([1L, 2L]), 3] = Tensor.From([50.0, 60.0]);
        Near.Values(x, 0, 7, 7, 7, 7, 4, 5, 6, 50, 8, 9, 10, 60, -5, 13, 14, 15, -5, 17, 18, 19, -5, 21, 22, 100);
        Assert.Throws<ShapeException>(() => x[0, 0] = Torch.Zeros([3], DType.Float64));
    }

    [Fact]
    public void Gradients_flow_through_positions()
    {
        var leaf = Torch.Zeros([2, 3]).RequiresGrad_();
        (leaf[1, ..2] * 3 + leaf[.., Tensor.From([0L, 0L])].Sum()).Sum().Backward();
        Near.Values(leaf.Grad!, 0, 4, 0, 0, 7, 3, 0);
    }

    [Fact]
    public void Too_many_positions_are_refused()
    {
        Assert.Contains("[2, 3, 4]", Assert.Throws<ShapeException>(() => x[0, 0, 0, 0]).Message, StringComparison.Ordinal);
        Assert.Throws<ShapeException>(() => x[TensorIndex.Ellipsis, TensorIndex.Ellipsis]);
        Assert.Throws<TorchIndexException>(() => x[2]);
        Assert.ThrowsAny<TorchException>(() => x[Tensor.From([5L])]);
    }

    [Fact]
    public void Indexing_leaves_one_tensor_behind()
    {
        var before = Tensor.LiveCount;
        var y = x[0, 1.., TensorIndex.NewAxis, ..2];
        Assert.Equal(before + 1, Tensor.LiveCount);
        y.Dispose();
    }
}
