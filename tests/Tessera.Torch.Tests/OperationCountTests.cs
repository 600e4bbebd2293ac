using Tessera.Nn;
using Tessera.Testing;

namespace Tessera.Tests;

public sealed class OperationCountTests : LiveTensors
{
    private static (long Weight, long Attention, long Activations) Count(Action body)
    {
        using var scope = Torch.Scope();
        using var count = new OperationCount();
        body();
        Assert.Equal(count.Macs, count.WeightMacs + count.AttentionMacs);
        return (count.WeightMacs, count.AttentionMacs, count.Activations);
    }

    [Fact]
    public void Linear_maps() => Assert.Equal((2 * 5 * 3 * 4, 0, 2 * 5 * 4), Count(() => new Linear(3, 4).Call(Torch.Zeros([2, 5, 3]))));

    [Fact]
    public void Convolutions()
    {
        // 8 outputs of 6 x 6, each over 4 inputs of 3 x 3
        Assert.Equal((8 * 36 * 4 * 9, 0, 8 * 36), Count(() => new Conv2d(4, 8, 3).Call(Torch.Zeros([1, 4, 8, 8]))));
        Assert.Equal((8 * 36 * 2 * 9, 0, 8 * 36), Count(() => new Conv2d(4, 8, 3, groups: 2).Call(Torch.Zeros([1, 4, 8, 8]))));
        Assert.Equal((4 * 64 * 9, 0, 4 * 64), Count(() => new Conv2d(4, 4, 3, padding: 1, groups: 4).Call(Torch.Zeros([1, 4, 8, 8]))));
        Assert.Equal((2 * 6 * 4 * 3 * 3, 0, 2 * 6 * 3), Count(() => new Conv1d(4, 6, 3).Call(Torch.Zeros([2, 4, 5]))));
    }

    [Fact]
    public void Transposed_convolutions() =>
        Assert.Equal((4 * 9 * 6 * 4, 0, 6 * 36), Count(() => new ConvTranspose2d(4, 6, 2, stride: 2).Call(Torch.Zeros([1, 4, 3, 3]))));

    [Fact]
    public void Products()
    {
        Assert.Equal((0, 2 * 3 * 4 * 5, 2 * 3 * 5), Count(() => Torch.Zeros([2, 3, 4]).Matmul(Torch.Zeros([2, 4, 5]))));
        Assert.Equal((0, 2 * 3 * 4 * 5, 2 * 3 * 5), Count(() => Torch.Zeros([2, 3, 4]).Bmm(Torch.Zeros([2, 4, 5]))));
        Assert.Equal((0, 3 * 4 * 5, 3 * 5), Count(() => Torch.Zeros([3, 4]).Mm(Torch.Zeros([4, 5]))));
        Assert.Equal((0, 3 * 4, 3), Count(() => Torch.Zeros([3, 4]).Matmul(Torch.Zeros([4]))));
        Assert.Equal((0, 3 * 4 * 5, 3 * 5), Count(() => Torch.Zeros([5]).Addmm(Torch.Zeros([3, 4]), Torch.Zeros([4, 5]))));
    }

    [Fact]
    public void Einsum_counts_each_letter_once_and_what_an_ellipsis_stands_for()
    {
        Assert.Equal(
            (0, 2 * 3 * 4 * 5, 2 * 3 * 5),
            Count(() => Torch.Einsum("bij,bjk->bik", [Torch.Zeros([2, 3, 4]), Torch.Zeros([2, 4, 5])]))
        );
        Assert.Equal(
            (0, 7 * 2 * 3 * 4 * 5, 7 * 2 * 3 * 5),
            Count(() => Torch.Einsum("...ij,...jk->...ik", [Torch.Zeros([7, 2, 3, 4]), Torch.Zeros([2, 4, 5])]))
        );
    }

    [Fact]
    public void Attention_is_two_products_however_it_is_computed()
    {
        var (_, attention, _) = Count(() =>
            Attention.Apply(Torch.Zeros([2, 3, 5, 8]), Torch.Zeros([2, 3, 7, 8]), Torch.Zeros([2, 3, 7, 6]))
        );
        Assert.Equal(2 * 3 * 5 * 7 * (8 + 6), attention);
    }

    [Fact]
    public void Counts_nest_and_end()
    {
        using var scope = Torch.Scope();
        var linear = new Linear(2, 2);
        var x = Torch.Zeros([1, 2]);
        using var outer = new OperationCount();
        using (var inner = new OperationCount())
        {
            linear.Call(x);
            Assert.Equal(4, inner.Macs);
        }
        linear.Call(x);
        outer.Dispose();
        linear.Call(x);
        Assert.Equal(8, outer.Macs);
    }
}
