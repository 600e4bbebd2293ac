using Tessera.Nn;
using Tessera.Testing;

namespace Tessera.Tests.Nn;

/// <summary>Layers against elementary formulas and known values.</summary>
public sealed class LayerTests : LiveTensors
{
    private static void Set(Parameter parameter, params double[] values)
    {
        using var scope = Torch.Scope();
        using var quiet = Torch.NoGrad();
        parameter.Copy_(Tensor.From(values).Reshape(parameter.Shape));
    }

    private static double[] Apply(Layer layer, Tensor input)
    {
        using var quiet = Torch.NoGrad();
        return layer.Call(input).ToArray<double>();
    }

    private static void Is(double[] actual, double tolerance, params double[] expected)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (var i = 0; i < expected.Length; i++)
            Assert.Equal(expected[i], actual[i], tolerance);
    }

    [Fact]
    public void Linear_is_x_times_the_transposed_weight_plus_bias()
    {
        using var scope = Torch.Scope();
        var linear = new Linear(2, 3);
        Set(linear.Weight, 1, 2, 3, 4, 5, 6);
        Set(linear.Bias!, 10, 20, 30);
        Is(Apply(linear, Tensor.From([1f, 1f, 2f, 0f], 2, 2)), 0, 13, 27, 41, 12, 26, 40);
        Assert.Null(new Linear(2, 3, bias: false).Bias);
        Assert.Throws<ShapeException>(() => linear.Call(Torch.Zeros([1, 3])));
    }

    // Convolution by its definition; [B, C, H, W], any stride, padding, dilation and groups.
    private static Tensor Convolve(Tensor x, Tensor weight, int stride, int padding, int dilation, int groups)
    {
        var (b, c, h, w) = x.Shape;
        var (outputs, perGroup, kh, kw) = weight.Shape;
        var (input, kernel) = (x.ToArray<double>(), weight.ToArray<double>());
        var (oh, ow) = ((h + 2 * padding - dilation * (kh - 1) - 1) / stride + 1, (w + 2 * padding - dilation * (kw - 1) - 1) / stride + 1);
        var result = new double[b * outputs * oh * ow];
        for (var n = 0; n < b; n++)
        for (var o = 0; o < outputs; o++)
        for (var y = 0; y < oh; y++)
        for (var z = 0; z < ow; z++)
        for (var i = 0; i < perGroup; i++)
        for (var p = 0; p < kh; p++)
        for (var q = 0; q < kw; q++)
        {
            var (row, column) = (y * stride - padding + p * dilation, z * stride - padding + q * dilation);
            if (row < 0 || row >= h || column < 0 || column >= w)
                continue;
            var channel = o / (outputs / groups) * perGroup + i;
            result[((n * outputs + o) * oh + y) * ow + z] +=
                input[((n * c + channel) * h + row) * w + column] * kernel[((o * perGroup + i) * kh + p) * kw + q];
        }
        return Tensor.From(result, b, outputs, oh, ow);
    }

    [Theory]
    [InlineData(4, 6, 3, 1, 0, 1, 1)]
    [InlineData(4, 6, 3, 2, 1, 1, 1)]
    [InlineData(4, 6, 3, 1, 2, 2, 2)]
    [InlineData(4, 4, 3, 1, 1, 1, 4)]
    [InlineData(4, 8, 5, 2, 2, 1, 4)]
    [InlineData(3, 5, 1, 1, 0, 1, 1)]
    public void Conv2d_is_its_definition(int inputs, int outputs, int kernel, int stride, int padding, int dilation, int groups)
    {
        using var scope = Torch.Scope();
        var conv = new Conv2d(inputs, outputs, kernel, stride, padding, dilation, groups);
        conv.To(dtype: DType.Float64);
        var x = Torch.Randn([2, inputs, 7, 6], DType.Float64);
        Near.Equal(
            Convolve(x, conv.Weight.Detach(), stride, padding, dilation, groups) + conv.Bias!.Detach().View(1, -1, 1, 1),
            conv.Call(x).Detach(),
            1e-12
        );
    }

    [Fact]
    public void Conv2d_with_kernels_that_are_not_square()
    {
        using var scope = Torch.Scope();
        var conv = new Conv2d(2, 3, (1, 3), stride: (2, 1), padding: (0, 1), bias: false);
        Assert.Equal(new Shape(3, 2, 1, 3), conv.Weight.Shape);
        Assert.Equal(new Shape(1, 3, 2, 4), conv.Call(Torch.Zeros([1, 2, 4, 4])).Shape);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(4)]
    public void Conv1d_is_a_convolution_of_height_one(int groups)
    {
        using var scope = Torch.Scope();
        var conv = new Conv1d(4, 8, 3, stride: 2, padding: 1, groups: groups);
        conv.To(dtype: DType.Float64);
        var x = Torch.Randn([2, 4, 9], DType.Float64);
        using var quiet = Torch.NoGrad();
        var expected = Torch.Conv2d(x.Unsqueeze(2), conv.Weight.Unsqueeze(2), conv.Bias, (1, 2), (0, 1), 1, groups).Squeeze(2);
        Near.Equal(expected, conv.Call(x), 1e-12);
    }

    [Theory]
    [InlineData(1, 0, 1)]
    [InlineData(2, 1, 1)]
    [InlineData(2, 1, 2)]
    public void ConvTranspose2d_is_the_gradient_of_a_convolution(int stride, int padding, int groups)
    {
        using var scope = Torch.Scope();
        var transposed = new ConvTranspose2d(4, 6, 3, stride, padding, groups: groups, bias: false);
        transposed.To(dtype: DType.Float64);
        var x = Torch.Randn([2, 4, 5, 5], DType.Float64);
        var output = transposed.Call(x).Detach();
        // <conv(y), x> = <y, conv_transpose(x)> for all y
        var y = Torch.Zeros(output.Shape, DType.Float64).RequiresGrad_();
        var product = (Torch.Conv2d(y, transposed.Weight, null, stride, padding, 1, groups) * x).Sum();
        Near.Equal(Autograd.Grad([product], [y])[0]!, output, 1e-12);
    }

    [Fact]
    public void LayerNorm_over_the_last_dimensions()
    {
        using var scope = Torch.Scope();
        var x = Torch.Randn([3, 4, 5], DType.Float64);
        var norm = new LayerNorm((4, 5), eps: 1e-3);
        norm.To(dtype: DType.Float64);
        Init.Normal(norm.Weight!, 1);
        Init.Normal(norm.Bias!, 1);
        var centred = x - x.Mean([1, 2], keepdim: true);
        var expected =
            centred / ((centred * centred).Mean([1, 2], keepdim: true) + 1e-3).Sqrt() * norm.Weight!.Detach() + norm.Bias!.Detach();
        Near.Equal(expected, norm.Call(x).Detach(), 1e-12);
        Assert.Empty(new LayerNorm(4, affine: false).StateDict());
        Assert.Equal(["weight"], new LayerNorm(4, bias: false).StateDict().Keys);
    }

    [Fact]
    public void GroupNorm_over_groups_of_channels()
    {
        using var scope = Torch.Scope();
        var x = Torch.Randn([2, 6, 3, 4], DType.Float64);
        var norm = new GroupNorm(3, 6);
        norm.To(dtype: DType.Float64);
        Init.Normal(norm.Weight!, 1);
        Init.Normal(norm.Bias!, 1);
        var grouped = x.Reshape(2, 3, -1);
        var centred = grouped - grouped.Mean([2], keepdim: true);
        var plain = (centred / ((centred * centred).Mean([2], keepdim: true) + 1e-5).Sqrt()).Reshape(x.Shape);
        Near.Equal(plain * norm.Weight!.Detach().View(1, 6, 1, 1) + norm.Bias!.Detach().View(1, 6, 1, 1), norm.Call(x).Detach(), 1e-12);
    }

    [Fact]
    public void Dropout_drops_its_share_and_keeps_the_mean()
    {
        using var scope = Torch.Scope();
        Torch.Seed(0);
        var dropout = new Dropout(0.25);
        var output = dropout.Call(Torch.Ones([100_000]));
        Assert.Equal(0.25, (output.Eq(0)).To(DType.Float64).Mean().ToDouble(), 0.01);
        Assert.Equal(1, output.Mean().ToDouble(), 0.01);
        Assert.Equal(1 / 0.75, output.Max().ToDouble(), 1e-6);
        dropout.Eval();
        Assert.Equal(1, dropout.Call(Torch.Ones([100])).Min().ToDouble());
    }

    [Fact]
    public void DropPath_drops_whole_samples()
    {
        using var scope = Torch.Scope();
        Torch.Seed(0);
        var path = new DropPath(0.2);
        var output = path.Call(Torch.Ones([10_000, 3, 2]));
        var perSample = output.Flatten(1);
        Near.Equal(perSample.Amin([1]), perSample.Amax([1]), 0);
        Assert.Equal(0.2, perSample[.., 0].Eq(0).To(DType.Float64).Mean().ToDouble(), 0.02);
        Assert.Equal(1.25, output.Max().ToDouble(), 1e-6);
        path.Eval();
        Assert.Equal(1, path.Call(Torch.Ones([100, 1])).Min().ToDouble());
        Assert.Equal(0, new DropPath(1).Call(Torch.Ones([4, 2])).Max().ToDouble());
        Assert.Equal([0, 0.05, 0.1], DropPath.Rates(0.1, 3));
        Assert.Equal([0], DropPath.Rates(0.1, 1));
    }

    [Fact]
    public void Embedding_picks_rows_and_its_padding_row_learns_nothing()
    {
        using var scope = Torch.Scope();
        var embedding = new Embedding(5, 3, padding: 2);
        var output = embedding.Call(Tensor.From([2L, 4L, 4L, 0L], 2, 2));
        Assert.Equal(new Shape(2, 2, 3), output.Shape);
        Near.Equal(embedding.Weight[4].Detach(), output[0, 1].Detach(), 0);
        Near.Values(output[0, 0].Detach(), 0, 0, 0, 0);
        output.Sum().Backward();
        Near.Values(embedding.Weight.Grad!.Sum(1), 0, 3, 0, 0, 0, 6);
        Assert.Equal(0, new Embedding(3, 2).Call(Tensor.From([1L])).Isnan().Sum().ToInt64());
    }

    [Fact]
    public void Pooling()
    {
        using var scope = Torch.Scope();
        var x = Torch.Arange(16.0).Reshape(1, 1, 4, 4);
        Is(Apply(new MaxPool2d(2), x), 0, 5, 7, 13, 15);
        Is(Apply(new MaxPool2d(3, stride: 2, padding: 1), -x), 0, 0, -1, -4, -5);
        Is(Apply(new AvgPool2d(2), x), 0, 2.5, 4.5, 10.5, 12.5);
        Is(Apply(new AvgPool2d(3, stride: 2, padding: 1), x)[..1], 1e-6, 10.0 / 9);
        Is(Apply(new AvgPool2d(3, stride: 2, padding: 1, countPadding: false), x)[..1], 1e-6, 2.5);
        Is(Apply(new AdaptiveAvgPool2d(1), x), 0, 7.5);
        Is(Apply(new AdaptiveAvgPool2d((2, 1)), x), 0, 3.5, 11.5);
        Assert.Equal(new Shape(1, 1, 2, 2), new MaxPool2d(3, stride: 2, ceil: true).Call(x).Shape);
        Assert.Equal(new Shape(1, 16), new Flatten().Call(x).Shape);
        Assert.Equal(new Shape(1, 1, 16), new Flatten(2).Call(x).Shape);
    }

    [Fact]
    public void Activations()
    {
        using var scope = Torch.Scope();
        double[] at = [-4, -1, 0, 0.5, 3, 8];
        var x = Tensor.From(at);
        void Check(Layer layer, Func<double, double> formula) => Is(Apply(layer, x), 1e-6, [.. at.Select(formula)]);
        double Sigmoid(double v) => 1 / (1 + Math.Exp(-v));

        Check(new Identity(), v => v);
        Check(new Relu(), v => Math.Max(v, 0));
        Check(new Relu6(), v => Math.Clamp(v, 0, 6));
        Check(new LeakyRelu(0.1), v => v > 0 ? v : 0.1 * v);
        Check(new Gelu(tanh: true), v => 0.5 * v * (1 + Math.Tanh(Math.Sqrt(2 / Math.PI) * (v + 0.044715 * v * v * v))));
        Check(new Silu(), v => v * Sigmoid(v));
        Check(new Sigmoid(), Sigmoid);
        Check(new Tanh(), Math.Tanh);
        Check(new Hardswish(), v => v * Math.Clamp(v + 3, 0, 6) / 6);
        // Values of the normal distribution function from tables.
        Is(Apply(new Gelu(), Tensor.From([-1.0, 0, 1, 2])), 1e-8, -0.15865525, 0, 0.84134475, 1.95449974);
        Is(Apply(new Softmax(), Tensor.From([0.0, Math.Log(3)])), 1e-12, 0.25, 0.75);
        Is(Apply(new Softmax(0), Tensor.From([1.0, 1.0, 1.0, 1.0], 2, 2)), 1e-12, 0.5, 0.5, 0.5, 0.5);
    }

    [Fact]
    public void Gradients_of_layers_agree_with_differences()
    {
        using var scope = Torch.Scope();
        Torch.Seed(1);
        Layer[] layers =
        [
            new Linear(3, 2),
            new LayerNorm(3),
            new Gelu(),
            new Gelu(tanh: true),
            new Silu(),
            new Softmax(),
            new Tanh(),
            new Sequential([new Linear(3, 4), new Tanh(), new Linear(4, 2)]),
        ];
        foreach (var layer in layers)
        {
            layer.To(dtype: DType.Float64);
            GradientCheck.Holds(
                inputs => layer.Call(inputs[0]),
                [Torch.Randn([2, 3], DType.Float64).RequiresGrad_(), .. Array.Empty<Tensor>()]
            );
        }
    }
}
