using System.Runtime.InteropServices;
using Tessera.Testing;

namespace Tessera.Tests;

/// <summary>Values in and out.</summary>
public sealed class DataTests : LiveTensors
{
    [Fact]
    public void From_copies()
    {
        var values = new[] { 1f, 2f, 3f, 4f };
        var x = Tensor.From(values, 2, 2);
        values[0] = 9;
        Near.Values(x, 0, 1, 2, 3, 4);
        Assert.Equal(new Shape(4), Tensor.From(values).Shape);
        Assert.Equal(new Shape(0), Tensor.From(Array.Empty<float>()).Shape);
        Assert.Contains(
            "4 values do not fill a tensor of shape [3]",
            Assert.Throws<ShapeException>(() => Tensor.From(values, 3)).Message,
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void Every_element_type_goes_in_and_out()
    {
        void Check<T>(DType type, params T[] values)
            where T : unmanaged
        {
            var x = Tensor.From(values);
            Assert.Equal(type, x.DType);
            Assert.Equal(values, x.ToArray<T>());
            Assert.Equal(values, x.Span<T>().ToArray());
            Assert.Equal(values.Length * type.Size(), x.Bytes);
        }

        Check(DType.Float32, 1.5f, float.NaN, float.PositiveInfinity);
        Check(DType.Float64, 1.5, double.Epsilon);
        Check(DType.Int64, long.MinValue, 3L);
        Check(DType.Int32, int.MinValue, 3);
        Check<short>(DType.Int16, -3, 4);
        Check<sbyte>(DType.Int8, -3, 4);
        Check<byte>(DType.UInt8, 255, 4);
        Check(DType.Bool, true, false);
        Check(DType.Float16, (Half)1.5, Half.MaxValue);
        Check(DType.BFloat16, (BFloat16)1.5f, (BFloat16)(-3f));
        Assert.Throws<NotSupportedException>(() => Tensor.From(['a']));
    }

    [Fact]
    public void Bfloat16_rounds_as_the_engine_does()
    {
        float[] values = [1.00390625f, 1.01171875f, -0.1f, 3.4e38f, float.NaN, float.NegativeInfinity, 1e-40f];
        var engine = Tensor.From(values).To(DType.BFloat16).ToArray<BFloat16>();
        foreach (var (value, expected) in values.Zip(engine))
            Assert.Equal((float)expected, (float)(BFloat16)value);
    }

    [Fact]
    public void A_scalar()
    {
        var before = Tensor.LiveCount;
        var x = Tensor.Of(2.5);
        Assert.Equal(before + 1, Tensor.LiveCount);
        Assert.Equal((0, 1L, DType.Float64), (x.Dim, x.Elements, x.DType));
        Assert.Equal(2.5, x.ToDouble());
        Assert.ThrowsAny<TorchException>(() => Torch.Zeros(2).ToDouble());
    }

    [Fact]
    public void A_span_is_the_memory_itself()
    {
        var x = Torch.Zeros([2, 2]);
        x.Span<float>()[3] = 7;
        Near.Values(x, 0, 0, 0, 0, 7);
        x.Fill_(2);
        Assert.Equal([2f, 2f, 2f, 2f], x.Span<float>().ToArray());
        Near.Values(x[1], 0, 2, 2);
        x[1].Span<float>()[0] = 5;
        Near.Values(x, 0, 2, 2, 5, 2);
    }

    [Fact]
    public void A_span_that_would_be_wrong_is_refused()
    {
        var x = Torch.Zeros([2, 3]);
        Assert.Contains(
            "float32",
            Assert
                .Throws<InvalidOperationException>(() =>
                {
                    x.Span<double>();
                })
                .Message,
            StringComparison.Ordinal
        );
        Assert.Contains(
            "contiguous",
            Assert
                .Throws<InvalidOperationException>(() =>
                {
                    x.MT.Span<float>();
                })
                .Message,
            StringComparison.Ordinal
        );
        Assert.Contains(
            "meta",
            Assert
                .Throws<InvalidOperationException>(() =>
                {
                    Torch.Zeros([2], device: new Device(DeviceType.Meta)).Span<float>();
                })
                .Message,
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void An_array_comes_in_row_major_order_and_converted()
    {
        var x = Tensor.From([1f, 2f, 3f, 4f, 5f, 6f], 2, 3).MT;
        Assert.Equal([1f, 4f, 2f, 5f, 3f, 6f], x.ToArray<float>());
        Assert.Equal([1L, 4L, 2L, 5L, 3L, 6L], x.ToArray<long>());
        Assert.Equal(x.ToArray<float>(), MemoryMarshal.Cast<byte, float>(x.ToBytes()).ToArray());
        Assert.Empty(Torch.Zeros([0]).ToArray<float>());
        Assert.Equal([1f], Torch.Ones([1]).RequiresGrad_().ToArray<float>());
    }

    [Fact]
    public void Over_shares_the_memory_of_an_array()
    {
        var memory = new[] { 1.0, 2.0, 3.0, 4.0 };
        var x = Tensor.Over(memory, 2, 2);
        memory[1] = 20;
        Near.Values(x, 0, 1, 20, 3, 4);
        x.Mul_(2);
        Assert.Equal([2, 40, 6, 8], memory);
        Assert.Throws<ShapeException>(() => Tensor.Over(memory, 3));
    }

    [Fact]
    public unsafe void Foreign_memory_is_let_go_when_the_last_view_is_gone()
    {
        var freed = 0;
        var memory = stackalloc float[4] { 1, 2, 3, 4 };
        var x = Tensor.Over(memory, [4], DType.Float32, () => freed++);
        var view = x[1..3];
        x.Dispose();
        Assert.Equal(0, freed);
        Near.Values(view, 0, 2, 3);
        view.Dispose();
        Assert.Equal(1, freed);
        var at = (nint)memory;
        Assert.Throws<ShapeException>(() => Tensor.Over((void*)at, [-1], DType.Float32, () => freed++));
        Assert.Equal(1, freed);
    }

    [Fact]
    public void Values_are_copied_into_a_tensor()
    {
        var x = Torch.Zeros([3, 2]).MT;
        x.Fill<float>([1, 2, 3, 4, 5, 6]);
        Near.Values(x, 0, 1, 2, 3, 4, 5, 6);
        Assert.Throws<ShapeException>(() => x.Fill<float>([1]));
    }

    [Fact]
    public void What_a_tensor_tells_of_itself()
    {
        var x = Torch.Zeros([2, 3, 4], DType.Float16);
        Assert.Equal((3, 24L, 48L, 4L, 2L), (x.Dim, x.Elements, x.Bytes, x.Size(-1), x.Size(0)));
        Assert.Equal([12, 4, 1], x.Strides);
        Assert.Equal(Device.Cpu, x.Device);
        Assert.Equal(x.StorageAddress, x[1].StorageAddress);
        Assert.NotEqual(x.StorageAddress, x.Clone().StorageAddress);
    }

    [Fact]
    public void Text_is_readable_and_cut_in_the_middle()
    {
        Assert.Equal("float32[2, 2] [[1, 2.5], [-3, 1E-05]]", Tensor.From([1f, 2.5f, -3f, 1e-5f], 2, 2).ToString());
        Assert.Equal("int64[] 7", Tensor.Of(7L).ToString());
        Assert.Equal("bool[2] [true, false]", Tensor.From([true, false]).ToString());
        Assert.Equal("float32[0] []", Torch.Zeros([0]).ToString());
        Assert.Equal("int64[5000] [0, 1, 2, ..., 4997, 4998, 4999]", Torch.Arange(5000).ToString());
        Assert.Equal("bfloat16[1] [1.5]", Tensor.From([(BFloat16)1.5f]).ToString());
        Assert.Equal("float32[1] [1]", Torch.Ones([1]).RequiresGrad_().ToString());
        var freed = Torch.Zeros(1);
        freed.Dispose();
        Assert.Equal("tensor (freed)", freed.ToString());
    }

    [Fact]
    public void Shapes()
    {
        var x = Torch.Zeros([2, 3, 4, 5]);
        var (b, c, h, w) = x.Shape;
        Assert.Equal((2, 3, 4, 5), (b, c, h, w));
        Assert.Equal((5, 120, "[2, 3, 4, 5]"), (x.Shape[^1], x.Shape.Elements, x.Shape.ToString()));
        Assert.Contains(
            "the shape must have 3 dimensions, not be [2, 3, 4, 5]",
            Assert
                .Throws<ShapeException>(() =>
                {
                    var (_, _, _) = x.Shape;
                })
                .Message,
            StringComparison.Ordinal
        );
        Assert.Throws<ShapeException>(() =>
        {
            var (_, _) = x.Shape;
        });
        Assert.Throws<ShapeException>(() =>
        {
            var (_, _, _, _, _) = x.Shape;
        });
        Assert.True(x.Shape == new Shape(2, 3, 4, 5));
        Assert.True(x.Shape != new Shape(2, 3));
        Assert.Equal(1, default(Shape).Elements);
        Assert.Equal(x.Shape.GetHashCode(), new Shape(2, 3, 4, 5).GetHashCode());
    }

    [Theory]
    [InlineData("cpu", DeviceType.Cpu, -1)]
    [InlineData("cuda", DeviceType.Cuda, -1)]
    [InlineData("cuda:3", DeviceType.Cuda, 3)]
    public void Devices_are_read_and_written(string text, DeviceType type, int index)
    {
        Assert.Equal(new Device(type, index), Device.Parse(text));
        Assert.Equal(text, Device.Parse(text).ToString());
    }

    [Theory]
    [InlineData("")]
    [InlineData("tpu")]
    [InlineData("0")]
    [InlineData("cuda:")]
    [InlineData("cuda:-1")]
    [InlineData("cuda:1:2")]
    public void What_is_no_device_is_refused(string text) => Assert.Throws<FormatException>(() => Device.Parse(text));

    [Fact]
    public void Arithmetic_reads_as_it_is_written()
    {
        var x = Tensor.From([1.0, 2.0, 4.0]);
        Near.Values(1 + x * 2 - x / 2, 0, 2.5, 4, 7);
        Near.Values(-x + 1.0, 0, 0, -1, -3);
        Near.Values(8 / x, 0, 8, 4, 2);
        Near.Values(10 - x, 0, 9, 8, 6);
        Assert.Equal([false, true, true], (x >= 2).ToArray<bool>());
        Assert.Equal([true, false, false], (x < 2).ToArray<bool>());
        Assert.Equal([true, true, false], (x <= 2).ToArray<bool>());
    }
}
