using Tessera.Nn;
using Tessera.Testing;

namespace Tessera.Tests.Nn;

/// <summary>Initialisers draw what they say: ranges exactly, moments of 10^5 draws within a few of their own deviations.</summary>
public sealed class InitTests : LiveTensors
{
    private const int Rows = 200,
        Columns = 500;

    public InitTests() => Torch.Seed(11);

    private static (double Mean, double Std, double Low, double High) Draw(Func<Tensor, Tensor> init)
    {
        using var scope = Torch.Scope();
        var x = init(Torch.Full([Rows, Columns], double.NaN, DType.Float64));
        return (x.Mean().ToDouble(), x.Std().ToDouble(), x.Min().ToDouble(), x.Max().ToDouble());
    }

    private static void Uniform(double bound, (double Mean, double Std, double Low, double High) drawn)
    {
        Assert.InRange(drawn.Low, -bound, -0.999 * bound);
        Assert.InRange(drawn.High, 0.999 * bound, bound);
        Assert.Equal(0, drawn.Mean, 0.01 * bound);
        Assert.Equal(bound / Math.Sqrt(3), drawn.Std, 0.01 * bound);
    }

    private static void Normal(double mean, double std, (double Mean, double Std, double Low, double High) drawn)
    {
        Assert.Equal(mean, drawn.Mean, 0.015 * std);
        Assert.Equal(std, drawn.Std, 0.015 * std);
        Assert.True(drawn.High > mean + 3.5 * std && drawn.Low < mean - 3.5 * std);
    }

    [Fact]
    public void Constants()
    {
        Assert.Equal((2.5, 0, 2.5, 2.5), Draw(x => Init.Constant(x, 2.5)));
        Assert.Equal((0, 0, 0, 0), Draw(Init.Zeros));
        Assert.Equal((1, 0, 1, 1), Draw(Init.Ones));
    }

    [Fact]
    public void Uniform_distributions()
    {
        Uniform(0.3, Draw(x => Init.Uniform(x, -0.3, 0.3)));
        Uniform(1 / Math.Sqrt(Columns), Draw(x => Init.FanInUniform(x, Columns)));
        Uniform(Math.Sqrt(6.0 / Columns), Draw(x => Init.KaimingUniform(x)));
        Uniform(Math.Sqrt(6.0 / (Rows + Columns)), Draw(x => Init.XavierUniform(x)));
    }

    [Fact]
    public void Normal_distributions()
    {
        Normal(1, 0.02, Draw(x => Init.Normal(x, 0.02, 1)));
        Normal(0, Math.Sqrt(2.0 / Columns), Draw(x => Init.KaimingNormal(x)));
        Normal(0, Math.Sqrt(2.0 / Rows), Draw(x => Init.KaimingNormal(x, fanOut: true)));
    }

    [Fact]
    public void Truncated_normal_distributions()
    {
        // Cut at one deviation, the deviation of what remains is 0.5396.
        var cut = Draw(x => Init.TruncatedNormal(x, 1, -1, 1));
        Assert.InRange(cut.Low, -1, -0.99);
        Assert.InRange(cut.High, 0.99, 1);
        Assert.Equal(0.5396, cut.Std, 0.005);
        Normal(0, 0.02, Draw(x => Init.TruncatedNormal(x, 0.02)));
        var lecun = Draw(x => Init.LecunNormal(x));
        Assert.Equal(Math.Sqrt(1.0 / Columns), lecun.Std, 0.01 * Math.Sqrt(1.0 / Columns));
        Assert.InRange(lecun.High, 0, 2.28 * Math.Sqrt(1.0 / Columns));
    }

    [Fact]
    public void Fans_of_convolutions()
    {
        Assert.Equal((4 * 9, 8 * 9), Init.Fans(Torch.Zeros([8, 4, 3, 3])));
        Assert.Throws<ShapeException>(() => Init.Fans(Torch.Zeros([8])));
    }

    [Fact]
    public void Defaults_of_layers_are_pytorchs()
    {
        using var scope = Torch.Scope();
        var linear = new Linear(400, 300);
        Assert.InRange(linear.Weight.Max().ToDouble(), 0.0499, 0.05);
        Assert.InRange(linear.Bias!.Max().ToDouble(), 0.048, 0.05);
        // fan-in 4 / 2 * 9
        var conv = new Conv2d(4, 400, 3, groups: 2);
        Assert.InRange(conv.Weight.Max().ToDouble(), 0.99 / Math.Sqrt(18), 1 / Math.Sqrt(18));
        Assert.Equal((1, 0), (new LayerNorm(3).Weight!.Min().ToDouble(), new LayerNorm(3).Bias!.Max().ToDouble()));
        Assert.Equal(1, new Embedding(1000, 50).Weight.Std().ToDouble(), 0.02);
    }

    [Fact]
    public void Gradients_and_identity_are_left_alone()
    {
        var parameter = new Parameter([2, 2]);
        Assert.Same(parameter, Init.Zeros(parameter));
        Assert.True(parameter is { RequiresGrad: true, IsLeaf: true });
    }

    [Fact]
    public void Initialisers_can_be_skipped()
    {
        Torch.Seed(0);
        var expected = Torch.Rand([2]);
        Torch.Seed(0);
        using (Init.Skip())
        {
            using (Init.Skip())
                _ = new Linear(10, 10);
            _ = new Linear(10, 10);
        }
        Near.Identical(expected, Torch.Rand([2]));
        Near.Values(Init.Ones(new Parameter(2)), 0, 1, 1);
    }
}
