using Tessera.Optim;
using Tessera.Testing;

namespace Tessera.Tests.Optim;

/// <summary>Dynamic loss scaling by PyTorch's rules.</summary>
public sealed class GradientScalerTests : LiveTensors
{
    private static Parameter WithGradient(params float[] gradient)
    {
        var parameter = new Parameter(Torch.Zeros(gradient.Length));
        parameter.Grad = Tensor.From(gradient);
        return parameter;
    }

    [Fact]
    public void It_begins_as_PyTorch_does()
    {
        var scaler = new GradientScaler();
        Assert.Equal(65536, scaler.Scale);
        for (var i = 0; i < 1999; i++)
            scaler.Update(true);
        Assert.Equal(65536, scaler.Scale);
        scaler.Update(true);
        Assert.Equal(131072, scaler.Scale);
        scaler.Update(false);
        Assert.Equal(65536, scaler.Scale);
    }

    [Fact]
    public void An_overflow_begins_the_count_anew()
    {
        var scaler = new GradientScaler(8, growth: 4, backoff: 0.25, interval: 3);
        foreach (var finite in (bool[])[true, true, false, true, true])
            scaler.Update(finite);
        Assert.Equal(2, scaler.Scale);
        scaler.Update(true);
        Assert.Equal(8, scaler.Scale);
    }

    [Fact]
    public void Finite_gradients_are_divided_by_the_scale()
    {
        using var scope = new Scope();
        var scaler = new GradientScaler(8);
        using var parameter = WithGradient(8, -4, 0);
        using var without = new Parameter(Torch.Zeros(1));
        Assert.True(scaler.Unscale([without, parameter]));
        Assert.Equal([1, -0.5f, 0], parameter.Grad!.ToArray<float>());
    }

    [Theory]
    [InlineData(float.PositiveInfinity)]
    [InlineData(float.NegativeInfinity)]
    [InlineData(float.NaN)]
    public void One_entry_that_is_not_finite_leaves_all_as_they_are(float bad)
    {
        using var scope = new Scope();
        var scaler = new GradientScaler(8);
        using var first = WithGradient(8, 16);
        using var second = WithGradient(1, bad, 3);
        Assert.False(scaler.Unscale([first, second]));
        Assert.Equal([8, 16], first.Grad!.ToArray<float>());
        Assert.Same(second, GradientClipping.FirstNotFinite([first, second]));
        Assert.Null(GradientClipping.FirstNotFinite([first]));
    }

    [Fact]
    public void A_loss_times_the_scale_gives_the_same_gradients_after_unscaling()
    {
        using var scope = new Scope();
        var scaler = new GradientScaler();
        using var parameter = new Parameter(Tensor.From([1.25f, -3f]));
        (parameter.Square().Sum() * scaler.Scale).Backward();
        Assert.Equal([2.5f * 65536, -6f * 65536], parameter.Grad!.ToArray<float>());
        Assert.True(scaler.Unscale([parameter]));
        Assert.Equal([2.5f, -6f], parameter.Grad!.ToArray<float>());
    }

    [Fact]
    public void Its_state_goes_on_where_it_was()
    {
        using var scope = new Scope();
        var one = new GradientScaler(1024, interval: 3);
        foreach (var finite in (bool[])[false, true, true])
            one.Update(finite);
        var two = new GradientScaler(7, interval: 3);
        two.LoadStateDict(one.StateDict());
        one.Update(true);
        two.Update(true);
        Assert.Equal(1024, one.Scale);
        Assert.Equal(one.Scale, two.Scale);
        Assert.Throws<ArgumentException>(() => two.LoadStateDict(new Dictionary<string, Tensor>()));
        Assert.Throws<ArgumentException>(() =>
            two.LoadStateDict(new Dictionary<string, Tensor> { ["scale"] = Tensor.Of(-1.0), ["_growth_tracker"] = Tensor.Of(0L) })
        );
        Assert.Equal(1024, two.Scale);
    }

    [Fact]
    public void The_scale_stays_finite_in_float32()
    {
        var scaler = new GradientScaler(float.MaxValue, interval: 1);
        scaler.Update(true);
        Assert.Equal(float.MaxValue, scaler.Scale);
    }

    [Fact]
    public void Settings_out_of_range_are_refused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => new GradientScaler(0));
        Assert.Throws<ArgumentOutOfRangeException>(() => new GradientScaler(growth: 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => new GradientScaler(backoff: 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => new GradientScaler(interval: 0));
    }

    [Fact]
    public void Clipping_leaves_gradients_alone_whose_norm_is_not_finite()
    {
        using var scope = new Scope();
        using var one = WithGradient(3, 4);
        using var bad = WithGradient(float.NaN);
        Assert.True(double.IsNaN(GradientClipping.ByNorm([one, bad], 1)));
        Assert.Equal([3, 4], one.Grad!.ToArray<float>());
    }
}
