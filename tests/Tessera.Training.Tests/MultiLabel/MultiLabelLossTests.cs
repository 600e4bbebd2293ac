using Tessera.Training.Losses;
using Tessera.Training.Tasks.MultiLabel;

namespace Tessera.Training.Tests.MultiLabel;

[Collection("engine")]
public sealed class MultiLabelLossTests
{
    private static readonly double[] logits = [-3.1, 0.4, 2.2, -0.7, 5, -6, 1.3, -2.95, 0];
    private static readonly double[] hot = [0, 1, 1, 0, 0, 1, 0, 0, 1];
    private static readonly double[] soft = [0.1, 0.9, 1, 0, 0.35, 0.6, 0, 0.05, 0.5];

    private static double Sigmoid(double x) => 1 / (1 + Math.Exp(-x));

    // The formulas of the papers, number by number.
    private static double Asymmetric(double x, double y, double gammaNegative, double gammaPositive, double clip)
    {
        var p = Sigmoid(x);
        var shifted = Math.Max(p - clip, 0);
        return -y * Math.Pow(1 - p, gammaPositive) * Math.Log(p) - (1 - y) * Math.Pow(shifted, gammaNegative) * Math.Log(1 - shifted);
    }

    private static double Bce(double x, double y, double weight = 1) =>
        -weight * y * Math.Log(Sigmoid(x)) - (1 - y) * Math.Log(1 - Sigmoid(x));

    private static Tensor Rows(double[] values) => Tensor.From(values, 3, 3);

    [Theory]
    [InlineData(4, 0, 0.05)]
    [InlineData(4, 1, 0.05)]
    [InlineData(2, 2, 0)]
    [InlineData(0, 0, 0.2)]
    [InlineData(0.5, 3, 0.1)]
    public void The_asymmetric_loss_is_the_formula_of_the_paper(double gammaNegative, double gammaPositive, double clip)
    {
        using var scope = new Scope();
        foreach (var targets in (double[][])[hot, soft])
        {
            var loss = MultiLabelLosses.Asymmetric(Rows(logits), Rows(targets), gammaNegative, gammaPositive, clip).ToArray<double>();
            for (var i = 0; i < logits.Length; i++)
                Assert.Equal(Asymmetric(logits[i], targets[i], gammaNegative, gammaPositive, clip), loss[i], 1e-12);
        }
    }

    [Fact]
    public void Without_focus_and_shift_it_is_binary_cross_entropy()
    {
        using var scope = new Scope();
        var asymmetric = MultiLabelLosses.Asymmetric(Rows(logits), Rows(soft), 0, 0, 0).ToArray<double>();
        Assert.Equal(MultiLabelLosses.BinaryCrossEntropy(Rows(logits), Rows(soft)).ToArray<double>(), asymmetric);
    }

    [Fact]
    public void Binary_cross_entropy_weighs_present_classes()
    {
        using var scope = new Scope();
        var loss = MultiLabelLosses.BinaryCrossEntropy(Rows(logits), Rows(soft), 2.5).ToArray<double>();
        for (var i = 0; i < logits.Length; i++)
            Assert.Equal(Bce(logits[i], soft[i], 2.5), loss[i], 1e-12);
    }

    [Fact]
    public void An_absent_class_below_the_shift_counts_nothing()
    {
        using var scope = new Scope();
        var x = Tensor.From([-3.0, -2.0], 1, 2); // probabilities of 0.047 and 0.119
        x.RequiresGrad = true;
        var loss = MultiLabelLosses.Asymmetric(x, Tensor.From([0.0, 0.0], 1, 2));
        loss.Sum().Backward();
        Assert.Equal(0, loss.ToArray<double>()[0]);
        Assert.Equal(0, x.Grad!.ToArray<double>()[0]);
        Assert.True(loss.ToArray<double>()[1] > 0);
        Assert.True(x.Grad.ToArray<double>()[1] > 0);
    }

    [Theory]
    [InlineData(4, 0, 0.05)]
    [InlineData(3, 2, 0.1)]
    public void With_focus_gradient_the_gradient_is_that_of_finite_differences(double gammaNegative, double gammaPositive, double clip)
    {
        using var scope = new Scope();
        var gradient = Gradient(gammaNegative, gammaPositive, clip, focusGradient: true);
        const double h = 1e-6;
        for (var i = 0; i < logits.Length; i++)
        {
            var slope =
                Asymmetric(logits[i] + h, hot[i], gammaNegative, gammaPositive, clip)
                - Asymmetric(logits[i] - h, hot[i], gammaNegative, gammaPositive, clip);
            Assert.Equal(slope / (2 * h), gradient[i], 1e-8);
        }
    }

    [Theory]
    [InlineData(4, 0, 0.05)]
    [InlineData(3, 2, 0.1)]
    public void Without_it_the_weights_of_the_focus_are_constants(double gammaNegative, double gammaPositive, double clip)
    {
        using var scope = new Scope();
        var gradient = Gradient(gammaNegative, gammaPositive, clip, focusGradient: false);
        const double h = 1e-6;
        for (var i = 0; i < logits.Length; i++)
        {
            var p = Sigmoid(logits[i]);
            var weight = hot[i] == 1 ? Math.Pow(1 - p, gammaPositive) : Math.Pow(Math.Max(p - clip, 0), gammaNegative);
            var slope = Asymmetric(logits[i] + h, hot[i], 0, 0, clip) - Asymmetric(logits[i] - h, hot[i], 0, 0, clip);
            Assert.Equal(weight * slope / (2 * h), gradient[i], 1e-8);
        }
    }

    private static double[] Gradient(double gammaNegative, double gammaPositive, double clip, bool focusGradient)
    {
        var x = Rows(logits);
        x.RequiresGrad = true;
        MultiLabelLosses.Asymmetric(x, Rows(hot), gammaNegative, gammaPositive, clip, focusGradient).Sum().Backward();
        return x.Grad!.ToArray<double>();
    }

    [Fact]
    public void Sure_answers_have_finite_losses_and_gradients()
    {
        using var scope = new Scope();
        foreach (var clip in (double[])[0, 0.05])
        foreach (var focusGradient in (bool[])[false, true])
        {
            var x = Tensor.From([200f, -200, 200, -200], 1, 4);
            x.RequiresGrad = true;
            var loss = MultiLabelLosses.Asymmetric(x, Tensor.From([1f, 1, 0, 0], 1, 4), 4, 1, clip, focusGradient);
            loss.Sum().Backward();
            Assert.All(loss.ToArray<float>(), value => Assert.True(float.IsFinite(value)));
            Assert.All(x.Grad!.ToArray<float>(), value => Assert.True(float.IsFinite(value)));
            // A missed label still learns.
            Assert.Equal(-1, x.Grad!.ToArray<float>()[1], 1e-3);
        }
    }

    [Fact]
    public void Short_types_are_computed_in_single_precision()
    {
        using var scope = new Scope();
        var halves = Rows(logits).To(DType.BFloat16);
        foreach (var loss in (MultiLabelLoss[])[new BinaryCrossEntropyLoss(), new AsymmetricLoss()])
        {
            var result = loss.Compute(halves, Rows(hot));
            Assert.Equal(DType.Float32, result.DType);
            Assert.Equal(loss.Compute(halves.To(DType.Float32), Rows(hot).To(DType.Float32)).ToDouble(), result.ToDouble());
        }
    }

    [Fact]
    public void Classes_are_averaged_or_summed_and_samples_averaged()
    {
        using var scope = new Scope();
        var expected = logits.Zip(soft).Sum(pair => Bce(pair.First, pair.Second));
        Assert.Equal(expected / 9, new BinaryCrossEntropyLoss().Compute(Rows(logits), Rows(soft)).ToDouble(), 1e-12);
        Assert.Equal(expected / 3, new BinaryCrossEntropyLoss(SumClasses: true).Compute(Rows(logits), Rows(soft)).ToDouble(), 1e-12);
        var asymmetric = logits.Zip(hot).Sum(pair => Asymmetric(pair.First, pair.Second, 4, 0, 0.05));
        Assert.Equal(asymmetric / 3, new AsymmetricLoss().Compute(Rows(logits), Rows(hot)).ToDouble(), 1e-12);
        Assert.Equal(asymmetric / 9, new AsymmetricLoss(SumClasses: false).Compute(Rows(logits), Rows(hot)).ToDouble(), 1e-12);
    }

    [Fact]
    public void Targets_of_another_shape_are_refused()
    {
        using var scope = new Scope();
        var targets = Tensor.From([0.0, 1, 0], 3);
        Assert.Contains("[3, 3]", Assert.Throws<ShapeException>(() => new AsymmetricLoss().Compute(Rows(logits), targets)).Message);
    }

    [Fact]
    public void A_gradient_through_weights_that_would_be_infinite_is_refused()
    {
        var error = Assert.Throws<ArgumentException>(() => new AsymmetricLoss(GammaNeg: 0.5, FocusGradient: true));
        Assert.Contains("focus_gradient", error.Message);
        _ = new AsymmetricLoss(GammaNeg: 0.5);
        _ = new AsymmetricLoss(GammaNeg: 1, GammaPos: 0, FocusGradient: true);
    }
}
