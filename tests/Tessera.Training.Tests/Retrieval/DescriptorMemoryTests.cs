using Tessera.Testing;
using Tessera.Training.Objectives.Retrieval;

namespace Tessera.Training.Tests.Retrieval;

/// <summary>The ring of descriptors, beside the authors' code as a list of numbers.</summary>
[Collection("engine")]
public sealed class DescriptorMemoryTests : IDisposable
{
    private readonly Scope scope = new();

    public void Dispose() => scope.Dispose();

    private static Tensor Rows(int count, double value) => Torch.Full([count, 2], value);

    private static Tensor Labels(int count, long value) => Torch.Full([count], value, DType.Int64);

    [Theory]
    [InlineData(10, new[] { 4, 4, 4, 4 })]
    [InlineData(12, new[] { 4, 4, 4, 4, 4, 4, 4 })]
    [InlineData(7, new[] { 7, 7, 3, 2, 1, 6, 7, 1 })]
    [InlineData(5, new[] { 2, 1, 3, 3, 5, 4, 1, 1 })]
    [InlineData(1, new[] { 1, 1, 1 })]
    public void The_ring_is_that_of_the_published_code(int size, int[] batches)
    {
        var memory = new DescriptorMemory(size, 2);
        var (slots, pointer, full) = (new long[size], 0, false);
        foreach (var (number, count) in batches.Index())
        {
            var label = number + 1L;
            // As it would be, before it is.
            var coming = memory.With(Rows(count, label), Labels(count, label));
            if (pointer + count > size)
            {
                Array.Fill(slots, label, size - count, count);
                pointer = 0;
                full = true;
            }
            else
            {
                Array.Fill(slots, label, pointer, count);
                pointer += count;
            }
            full |= slots[^1] != 0;
            memory.Enqueue(Rows(count, label), Labels(count, label));
            Assert.Equal(pointer, memory.Pointer);
            Assert.Equal(full ? size : pointer, memory.Count);
            long[] expected = full ? slots : slots[..pointer];
            Assert.Equal(expected, memory.Labels.ToArray<long>());
            Assert.Equal(expected.SelectMany(value => (double[])[value, value]), memory.Features.ToArray<double>());
            Assert.Equal(expected.Order(), coming.SelectMany(part => part.Labels.ToArray<long>()).Order());
            Assert.Equal(
                expected.Select(value => (double)value).Order(),
                coming.SelectMany(part => part.Features.Select(1, 0).ToArray<double>()).Order()
            );
        }
    }

    [Fact]
    public void A_class_of_number_0_in_the_last_place_is_there()
    {
        var memory = new DescriptorMemory(4, 2);
        memory.Enqueue(Rows(4, 1), Labels(4, 0));
        memory.Enqueue(Rows(3, 2), Labels(3, 0));
        Assert.Equal(4, memory.Count);
        Assert.Equal(0, memory.Pointer);
    }

    [Fact]
    public void What_comes_in_has_no_gradient_and_is_part_of_the_state()
    {
        var memory = new DescriptorMemory(6, 2);
        var rows = Rows(3, 1);
        rows.RequiresGrad = true;
        memory.Enqueue(rows * 2, Labels(3, 5));
        Assert.False(memory.Features.RequiresGrad);
        var other = new DescriptorMemory(6, 2);
        other.LoadStateDict(memory.StateDict());
        Near.Identical(memory.Features, other.Features);
        Assert.Equal(memory.Pointer, other.Pointer);
        Assert.Equal([5L, 5, 5], other.Labels.ToArray<long>());
    }

    [Fact]
    public void What_does_not_fit_is_refused()
    {
        var memory = new DescriptorMemory(4, 2);
        Assert.Contains(
            "5 descriptors for a memory of 4",
            Assert.Throws<ShapeException>(() => memory.Enqueue(Rows(5, 1), Labels(5, 1))).Message,
            StringComparison.Ordinal
        );
        Assert.Throws<ShapeException>(() => memory.Enqueue(Torch.Zeros([2, 3]), Labels(2, 1)));
        Assert.Throws<ShapeException>(() => memory.With(Rows(2, 1), Labels(3, 1)));
        Assert.Throws<ArgumentOutOfRangeException>(() => new DescriptorMemory(0, 2));
        Assert.Throws<ArgumentOutOfRangeException>(() => new DescriptorMemory(2, 0));
    }
}
