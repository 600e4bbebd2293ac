using Tessera.Native;
using Tessera.Testing;

namespace Tessera.Tests.Native;

/// <summary>Every kind of argument, through real operators.</summary>
public sealed class ArgumentTests : LiveTensors
{
    private readonly Tensor x = Tensor.From([1f, 2f, 3f, 4f, 5f, 6f], 2, 3);

    [Fact]
    public void A_tensor() => Near.Values(x.Add(x), 0, 2, 4, 6, 8, 10, 12);

    [Fact]
    public void An_optional_tensor_given_and_left_out()
    {
        var weight = Tensor.From([1f, 0, 0, 0, 1, 0], 2, 3);
        Near.Values(Torch.Linear(x, weight), 0, 1, 2, 4, 5);
        Near.Values(Torch.Linear(x, weight, Tensor.From([10f, 20f])), 0, 11, 22, 14, 25);
    }

    [Fact]
    public void A_list_of_tensors()
    {
        Near.Values(Torch.Cat([x, x[0..1]]), 0, 1, 2, 3, 4, 5, 6, 1, 2, 3);
        Assert.Throws<TorchException>(() => Torch.Stack([]));
    }

    [Fact]
    public void A_list_of_optional_tensors()
    {
        Near.Values(x.Index([null, Tensor.From([2L, 0L])]), 0, 3, 1, 6, 4);
        Near.Values(x.Index([Tensor.From([1L]), Tensor.From([1L])]), 0, 5);
    }

    [Fact]
    public void Numbers_of_every_kind_keep_their_kind()
    {
        Assert.Equal(DType.Int64, Torch.Full([2], 3).DType);
        Assert.Equal(DType.Float32, Torch.Full([2], 3.5).DType);
        Assert.Equal(DType.Bool, Torch.Full([2], true).DType);
        Near.Values(x.Add(0.5), 0, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5);
        Near.Values(Tensor.From([7L]).Add(long.MaxValue - 7), 0, long.MaxValue);
    }

    [Fact]
    public unsafe void A_complex_number()
    {
        var number = stackalloc double[2] { 3, -4 };
        var size = new IntList([2]);
        var value = Value.List(Tag.Complex, number, 2);
        var full = Raw.Call("aten::full", "", Value.Of(&size, Tag.None), value)[0].TakeTensor();
        Assert.Equal(DType.Complex64, full.DType);
        Near.Values(full.Abs(), 1e-6, 5, 5);
    }

    [Fact]
    public void An_integer() => Near.Values(x.Select(1, -1), 0, 3, 6);

    [Fact]
    public void An_optional_integer()
    {
        Assert.Equal(5, x.Argmax().ToInt64());
        Near.Values(x.Argmax(1), 0, 2, 2);
    }

    [Fact]
    public void A_list_of_integers_also_an_empty_one_and_none()
    {
        Near.Values(x.Sum([0, 1]), 0, 21);
        Near.Values(x.Sum((0, 1)), 0, 21);
        Near.Values(x.Sum([]), 0, 21);
        Near.Values(x.Sum(default(IntList)), 0, 21);
        Near.Values(x.Sum(1), 0, 6, 15);
        Near.Values(x.Sum(0), 0, 5, 7, 9);
        Near.Values(x.Mean(0), 0, 2.5, 3.5, 4.5);
        Assert.Equal(0, Torch.Zeros([]).Dim);
        Assert.Equal(new Shape(3, 2), x.Reshape(3, -1).Shape);
        Assert.Equal(new Shape(3, 2), x.Reshape([3, 2]).Shape);
        Assert.Equal(x.Shape, Torch.Ones(6).Reshape(x.Shape).Shape);
        Assert.Equal(x.Shape, Torch.Zeros(x.Shape).Shape);
    }

    [Fact]
    public void A_list_longer_than_any_tensor_has_dimensions_is_refused() =>
        Assert.Contains(
            "at most 12 entries, not 13",
            Assert.Throws<ArgumentException>(() => new IntList(new long[13])).Message,
            StringComparison.Ordinal
        );

    [Fact]
    public void A_floating_point_number() => Near.Values(Torch.Dropout(x, 1.0, true), 0, 0, 0, 0, 0, 0, 0);

    [Fact]
    public void An_optional_floating_point_number()
    {
        var odds = Tensor.From([0f, 0.5f]).Logit(0.25);
        Near.Values(odds, 1e-6, Math.Log(0.25 / 0.75), 0);
        Assert.Equal(double.NegativeInfinity, Tensor.From([0f]).Logit().ToDouble());
    }

    [Fact]
    public void A_list_of_floating_point_numbers_given_and_left_out()
    {
        var image = x.Reshape(1, 1, 2, 3);
        Assert.Equal(new Shape(1, 1, 4, 9), Torch.UpsampleNearest2d(image, default, [2.0, 3.0]).Shape);
        Assert.Equal(new Shape(1, 1, 4, 4), Torch.UpsampleNearest2d(image, (4, 4), null).Shape);
        Assert.Equal(new Shape(1, 1, 3, 5), Torch.UpsampleBicubic2d(image, (3, 5), false, null).Shape);
    }

    [Fact]
    public void A_truth_value() => Assert.Equal(new Shape(2, 1), x.Sum(1, keepdim: true).Shape);

    [Fact]
    public void A_list_of_truth_values()
    {
        // output_mask says which of three gradients are computed.
        var shape = new IntList([3]);
        var mean = Torch.Zeros([2, 1]);
        var deviation = Torch.Ones([2, 1]);
        var weight = Torch.Ones([3]);
        using var mask = new BoolList([true, false, true]);
        Value[] results;
        unsafe
        {
            results = Raw.Call(
                "aten::native_layer_norm_backward",
                "",
                Value.Of(x),
                Value.Of(x),
                Value.Of(&shape, Tag.None),
                Value.Of(mean),
                Value.Of(deviation),
                Value.Of(weight),
                Value.Of(weight),
                mask.Value
            );
        }
        var tensors = Array.ConvertAll(results, r => r.TakeTensor());
        Assert.Equal([true, false, true], tensors.Select(t => t.IsAlive));
        GC.KeepAlive(mean);
        GC.KeepAlive(deviation);
        GC.KeepAlive(weight);
    }

    [Fact]
    public void A_string_also_an_optional_one()
    {
        Near.Values(Tensor.From([1.0]).Gelu("tanh"), 1e-12, 0.5 * (1 + Math.Tanh(Math.Sqrt(2 / Math.PI) * 1.044715)));
        Near.Values(Tensor.From([7.0, -7.0]).Div(2, roundingMode: "floor"), 0, 3, -4);
        Near.Values(Tensor.From([7.0]).Div(2, roundingMode: null), 0, 3.5);
        Near.Values(Torch.Einsum("ij,ij->", [x, x]), 0, 91);
    }

    [Fact]
    public void A_list_of_numbers_of_mixed_kinds()
    {
        var (a, b) = (Torch.Ones(2), Torch.Ones(2));
        Torch.ForeachMul_([a, b], [2, 0.5]);
        Near.Values(a, 0, 2, 2);
        Near.Values(b, 0, 0.5, 0.5);
    }

    [Fact]
    public void An_element_type()
    {
        Assert.Equal(DType.BFloat16, Torch.Zeros([1], DType.BFloat16).DType);
        Assert.Equal(DType.Float64, x.To(DType.Float64).DType);
        Assert.Equal(DType.Int64, x.Sum(1, dtype: DType.Int64).DType);
        Assert.Equal(DType.Float64, x.Softmax(-1, DType.Float64).DType);
    }

    [Fact]
    public void A_device()
    {
        var shapeOnly = Torch.Zeros([3, 4], device: new Device(DeviceType.Meta));
        Assert.Equal(DeviceType.Meta, shapeOnly.Device.Type);
        Assert.Equal(new Shape(3, 5), shapeOnly.Matmul(Torch.Zeros([4, 5], device: new Device(DeviceType.Meta))).Shape);
        Assert.Equal(Device.Cpu, x.To(Device.Cpu).Device);
        Assert.Equal("float32[3, 4] on meta", shapeOnly.ToString());
    }

    [Fact]
    public void A_layout() => Assert.Equal(new Shape(2), Torch.Zeros([2], layout: Layout.Strided).Shape);

    [Fact]
    public void A_memory_format()
    {
        var image = Torch.Zeros([2, 3, 4, 5]).Contiguous(MemoryFormat.ChannelsLast);
        Assert.Equal([60, 1, 15, 3], image.Strides);
        Assert.False(image.IsContiguous);
        Assert.True(image.Contiguous().IsContiguous);
    }

    [Fact]
    public void A_generator()
    {
        using var one = new Generator(5);
        using var two = new Generator(5);
        Near.Identical(Torch.Randn([4], one), Torch.Randn([4], two));
    }

    [Fact]
    public void Arguments_left_out_take_the_schemas_defaults() =>
        Near.Values(Raw.Call("aten::add", "Tensor", Value.Of(x), Value.Of(x))[0].TakeTensor(), 0, 2, 4, 6, 8, 10, 12);

    [Fact]
    public void Too_many_arguments_are_refused()
    {
        var error = Assert.Throws<TorchTypeException>(() => Raw.Call("aten::neg", "", Value.Of(x), Value.Of(x)));
        Assert.Contains("aten::neg takes 1 arguments", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_missing_argument_is_named()
    {
        var error = Assert.Throws<TorchTypeException>(() => Raw.Call("aten::add", "Tensor", Value.Of(x)));
        Assert.Contains("'other'", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void None_for_a_tensor_that_is_not_optional_is_refused()
    {
        var error = Assert.Throws<TorchTypeException>(() => x.Add((Tensor)null!));
        Assert.Contains("'other' is of type Tensor, none was given", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("int")]
    [InlineData("double")]
    [InlineData("bool")]
    [InlineData("list")]
    [InlineData("string")]
    [InlineData("device")]
    [InlineData("doubles")]
    [InlineData("bools")]
    [InlineData("tensors")]
    public unsafe void An_argument_of_another_kind_is_named(string kind)
    {
        var list = new IntList([1]);
        using var text = new Utf8("text");
        using var doubles = new DoubleList([1.0]);
        using var bools = new BoolList([true]);
        using var tensors = new TensorList([x]);
        var wrong = kind switch
        {
            "int" => Value.Of(1L),
            "double" => Value.Of(1.0),
            "bool" => Value.Of(true),
            "list" => Value.Of(&list),
            "string" => text.Value,
            "device" => Value.Of(Device.Cpu),
            "doubles" => doubles.Value,
            "bools" => bools.Value,
            _ => tensors.Value,
        };
        var error = Assert.Throws<TorchTypeException>(() => Raw.Call("aten::add", "Tensor", Value.Of(x), wrong));
        Assert.Contains("aten::add.Tensor: argument 'other' is of type Tensor", error.Message, StringComparison.Ordinal);
        GC.KeepAlive(x);
    }

    [Fact]
    public void A_tensor_where_something_else_belongs_is_refused()
    {
        Assert.Throws<TorchTypeException>(() => Raw.Call("aten::select", "int", Value.Of(x), Value.Of(x), Value.Of(0L)));
        Assert.Throws<TorchTypeException>(() => Raw.Call("aten::select", "int", Value.Of(x), Value.Of(0.5), Value.Of(0L)));
    }
}
