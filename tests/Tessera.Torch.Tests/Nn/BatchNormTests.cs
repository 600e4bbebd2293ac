using Tessera.Nn;
using Tessera.Testing;

namespace Tessera.Tests.Nn;

/// <summary>BatchNorm against one of elementary operations, above all over memory layouts that could be read in two ways.</summary>
public sealed class BatchNormTests : LiveTensors
{
    private const double Eps = 1e-5;

    public enum Layout
    {
        Plain,
        ChannelsLast,
        Tokens,
        Unsqueezed,
        Sliced,
    }

    // [B, C, H, W] with the values of a plain tensor, lying in memory in another order.
    private static Tensor Lay(Tensor plain, Layout layout)
    {
        var (b, c, h, w) = plain.Shape;
        return layout switch
        {
            Layout.Plain => plain.Clone(),
            Layout.ChannelsLast => plain.Contiguous(MemoryFormat.ChannelsLast).Clone(),
            Layout.Tokens => plain.Flatten(2).Transpose(1, 2).Contiguous().Transpose(1, 2).Unflatten(2, [h, w]),
            // Channels vary fastest, and dimensions of size 1 have stride 1, as unsqueezing the last dimension leaves it.
            Layout.Unsqueezed => plain
                .Contiguous(MemoryFormat.ChannelsLast)
                .Clone()
                .AsStrided([b, c, h, w], [b == 1 ? 1 : h * w * c, 1, h == 1 ? 1 : w * c, w == 1 ? 1 : c]),
            _ => Torch.Cat([plain, plain], 3)[.., .., .., ..(int)w],
        };
    }

    private static Tensor Elementary(Tensor x, Tensor weight, Tensor bias)
    {
        long[] shape = [1, x.Size(1), 1, 1];
        var centred = x - x.Mean([0, 2, 3], keepdim: true);
        var variance = (centred * centred).Mean([0, 2, 3], keepdim: true);
        return centred / (variance + Eps).Sqrt() * weight.View(shape) + bias.View(shape);
    }

    private static double[][] Gradients(Func<Tensor, Tensor, Tensor, Tensor> norm, Tensor x, Tensor weight, Tensor bias, Tensor gradient)
    {
        var leaf = x.Detach().RequiresGrad_();
        var (w, b) = (weight.Detach().RequiresGrad_(), bias.Detach().RequiresGrad_());
        return [.. Autograd.Grad([norm(leaf, w, b)], [leaf, w, b], [gradient]).Select(g => g!.ToArray<double>())];
    }

    private static (Tensor X, Tensor Weight, Tensor Bias, Tensor Gradient) Case(
        long batch,
        long height,
        long width,
        Layout input,
        Layout gradient
    )
    {
        Torch.Seed(3);
        return (
            Lay(Torch.Randn([batch, 5, height, width], DType.Float64), input),
            Torch.Rand([5], DType.Float64) + 0.5,
            Torch.Randn([5], DType.Float64),
            Lay(Torch.Randn([batch, 5, height, width], DType.Float64), gradient)
        );
    }

    private static double Error(double[][] expected, double[][] actual) =>
        expected.Zip(actual, (e, a) => e.Zip(a, (x, y) => Math.Abs(x - y)).Max()).Max();

    public static IEnumerable<(long Batch, long Height, long Width)> Sizes =>
        [(1, 3, 4), (1, 1, 4), (1, 4, 1), (2, 1, 4), (2, 4, 1), (2, 3, 4), (4, 1, 1)];

    public static TheoryData<long, long, long, Layout, Layout> Cases
    {
        get
        {
            var data = new TheoryData<long, long, long, Layout, Layout>();
            foreach (var (b, h, w) in Sizes)
            foreach (var input in Enum.GetValues<Layout>())
            foreach (var gradient in Enum.GetValues<Layout>())
                data.Add(b, h, w, input, gradient);
            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Gradients_are_right_whatever_the_layout(long batch, long height, long width, Layout inputLayout, Layout gradientLayout)
    {
        using var scope = Torch.Scope();
        var (x, weight, bias, gradient) = Case(batch, height, width, inputLayout, gradientLayout);
        var expected = Gradients(Elementary, x, weight, bias, gradient);
        var norm = Ours(weight, bias);
        var leaf = x.Detach().RequiresGrad_();
        var output = norm.Call(leaf);
        Near.Equal(Elementary(x, weight, bias), output.Detach(), 1e-12);
        output.Backward(gradient);
        var actual = new[] { leaf.Grad!, norm.Weight!.Grad!, norm.Bias!.Grad! }.Select(g => g.ToArray<double>()).ToArray();
        Assert.InRange(Error(expected, actual), 0, 1e-10);
    }

    // A layer whose own parameters stand for the given ones.
    private static BatchNorm Ours(Tensor weight, Tensor bias)
    {
        var norm = new BatchNorm(weight.Size(0), Eps);
        norm.To(dtype: DType.Float64);
        norm.LoadStateDict(new Dictionary<string, Tensor> { ["weight"] = weight.Detach(), ["bias"] = bias.Detach() }, strict: false);
        return norm;
    }

    private static Tensor Raw(Tensor x, Tensor weight, Tensor bias) => Torch.BatchNorm(x, weight, bias, null, null, true, 0, Eps, true);

    /// <summary>
    /// The engine's own operator is wrong in these cases, which is why the layer guards against it (docs/engine-defects.md). When this
    /// test fails on a new libtorch, the defect is gone there, and the guard may go once no older one is supported.
    /// </summary>
    [Fact]
    public void The_engines_own_operator_is_wrong_for_ambiguous_layouts()
    {
        var wrong = new List<string>();
        foreach (var (b, h, w) in Sizes)
        foreach (var input in Enum.GetValues<Layout>())
        foreach (var gradient in Enum.GetValues<Layout>())
        {
            using var scope = Torch.Scope();
            var (x, weight, bias, given) = Case(b, h, w, input, gradient);
            if (Error(Gradients(Elementary, x, weight, bias, given), Gradients(Raw, x, weight, bias, given)) > 1e-6)
                wrong.Add($"[{b}, 5, {h}, {w}] {input} {gradient}");
        }
        string[] expected =
        [
            .. new[] { "[1, 5, 3, 4]", "[1, 5, 1, 4]", "[1, 5, 4, 1]" }.SelectMany(size =>
                new[] { $"{size} Plain Tokens", $"{size} Plain Unsqueezed", $"{size} Tokens Plain", $"{size} Unsqueezed Plain" }
            ),
            .. new[] { "[2, 5, 1, 4]", "[2, 5, 4, 1]" }.SelectMany(size =>
                new[] { $"{size} Plain Unsqueezed", $"{size} Unsqueezed Plain" }
            ),
        ];
        Assert.Equal(expected, wrong);
    }

    [Fact]
    public void Running_statistics_follow_the_batches_and_serve_in_evaluation()
    {
        using var scope = Torch.Scope();
        var norm = new BatchNorm(2);
        norm.Call(Tensor.From([1f, 10f, 3f, 30f], 2, 2));
        Near.Values(norm.RunningMean!, 1e-6, 0.2, 2);
        Near.Values(norm.RunningVar!, 1e-6, 0.9 + 0.1 * 2, 0.9 + 0.1 * 200);
        Assert.Equal(1, norm.StateDict()["num_batches_tracked"].ToInt64());
        norm.Eval();
        Near.Values(norm.Call(Tensor.From([0.2f, 2f], 1, 2)).Detach(), 1e-6, 0, 0);
        Assert.Equal(1, norm.StateDict()["num_batches_tracked"].ToInt64());
        Assert.Equal(["weight", "bias", "running_mean", "running_var", "num_batches_tracked"], norm.StateDict().Keys);
    }

    [Fact]
    public void Without_momentum_the_statistics_are_averages()
    {
        using var scope = Torch.Scope();
        var norm = new BatchNorm(1, momentum: null);
        foreach (var mean in new[] { 1f, 2f, 6f })
            norm.Call(Tensor.From([mean - 1, mean + 1], 2, 1));
        Near.Values(norm.RunningMean!, 1e-6, 3);
    }

    [Fact]
    public void Without_statistics_evaluation_uses_the_batch()
    {
        using var scope = Torch.Scope();
        var norm = new BatchNorm(1, affine: false, trackRunningStats: false);
        norm.Eval();
        Near.Values(norm.Call(Tensor.From([1f, 3f], 2, 1)), 1e-4, -1, 1);
        Assert.Empty(norm.StateDict());
    }

    [Fact]
    public void Vectors_sequences_and_maps()
    {
        using var scope = Torch.Scope();
        foreach (long[] shape in new long[][] { [6, 3], [4, 3, 5], [2, 3, 4, 5] })
        {
            var output = new BatchNorm(3).Call(Torch.Randn(shape) * 3 + 2).Detach();
            var perChannel = output.Transpose(0, 1).Flatten(1);
            Near.Values(perChannel.Mean(1), 1e-5, 0, 0, 0);
            Near.Values(perChannel.Var(1, unbiased: false), 1e-3, 1, 1, 1);
        }
        Assert.Throws<ShapeException>(() => new BatchNorm(3).Call(Torch.Zeros(3)));
    }

    [Fact]
    public void The_output_can_be_changed_in_place()
    {
        using var scope = Torch.Scope();
        var norm = new BatchNorm(2);
        var x = Torch.Randn([2, 2, 3, 3]).RequiresGrad_();
        norm.Call(x).Relu_().Sum().Backward();
        Assert.NotNull(x.Grad);
    }

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(6)]
    public void Groups_of_a_batch_are_normalised_as_if_each_were_a_batch(int splits)
    {
        using var scope = new Scope();
        Torch.Seed(3);
        var x = Torch.Randn([6, 4, 3, 2], DType.Float64).RequiresGrad_();
        var given = Torch.Randn([6, 4, 3, 2], DType.Float64);
        BatchNorm Norm(int groups)
        {
            var norm = new BatchNorm(4) { Splits = groups };
            norm.To(dtype: DType.Float64);
            using var outside = Torch.NoGrad();
            norm.Weight!.Copy_(Tensor.From<double>([1, 2, 3, 4]));
            norm.RunningMean!.Fill_(0.5);
            return norm;
        }
        var together = Norm(splits);
        var output = together.Call(x);
        var parts = Enumerable.Range(0, splits).Select(_ => Norm(1)).ToArray();
        // Sample n is in group n mod s.
        var apart = parts.Select((norm, group) => norm.Call(x.Slice(0, group, 6, splits))).ToArray();
        for (var n = 0; n < 6; n++)
            Near.Equal(apart[n % splits][n / splits], output[n], 1e-12);
        Near.Equal(Torch.Stack([.. parts.Select(norm => (Tensor)norm.RunningMean!)]).Mean(0), together.RunningMean!, 1e-12);
        Near.Equal(Torch.Stack([.. parts.Select(norm => (Tensor)norm.RunningVar!)]).Mean(0), together.RunningVar!, 1e-12);
        var gradients = Autograd.Grad([output], [x, together.Weight!, together.Bias!], [given]);
        var byParts = Autograd.Grad(
            [.. apart],
            [x, .. parts.Select(norm => norm.Weight!)],
            [.. Enumerable.Range(0, splits).Select(group => given.Slice(0, group, 6, splits))]
        );
        Near.Equal(byParts[0]!, gradients[0]!, 1e-11);
        Near.Equal(Torch.Stack([.. byParts[1..].Select(gradient => gradient!)]).Sum(0), gradients[1]!, 1e-11);
        together.Eval();
        var plain = Norm(1);
        plain.LoadStateDict(together.StateDict());
        plain.Eval();
        Near.Identical(plain.Call(x), together.Call(x));
    }

    [Fact]
    public void A_batch_that_groups_do_not_divide_is_refused()
    {
        using var scope = new Scope();
        var norm = new BatchNorm(2) { Splits = 4 };
        Assert.Contains(
            "4 groups cannot divide 6 samples",
            Assert.Throws<ShapeException>(() => norm.Call(Torch.Zeros([6, 2]))).Message,
            StringComparison.Ordinal
        );
        Assert.Throws<ArgumentOutOfRangeException>(() => norm.Splits = 0);
    }
}
