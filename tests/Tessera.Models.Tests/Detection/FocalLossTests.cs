using Tessera.Models.Detection;
using Tessera.Testing;

namespace Tessera.Tests.Models.Detection;

public sealed class FocalLossTests : LiveTensors
{
    public static TheoryData<FocalLoss> Settings =>
        new() { new FocalLoss(), new FocalLoss(0.4, 1.5), new FocalLoss(0.75, 0), new FocalLoss(1, 3) };

    // Easy and hard logits, every class and background.
    private static (Tensor Logits, Tensor Labels, Tensor Weights) Rows(int count, int classes)
    {
        Torch.Seed((ulong)(count + classes));
        var logits = Torch.Randn([count, classes], DType.Float64) * 6;
        var labels = Torch.Randint(0, classes + 1, [count], dtype: DType.Int64);
        return (logits.Detach(), labels, Torch.Rand([count], DType.Float64));
    }

    // The definition.
    private static double Expected(FocalLoss loss, double[] logits, long[] labels, double[] weights)
    {
        var classes = logits.Length / labels.Length;
        var sum = 0.0;
        for (var i = 0; i < logits.Length; i++)
        {
            // How probable the right answer is and how probable a wrong one, each without a difference.
            var z = labels[i / classes] == i % classes ? logits[i] : -logits[i];
            var (right, wrong) = (1 / (1 + Math.Exp(-z)), 1 / (1 + Math.Exp(z)));
            var share = labels[i / classes] == i % classes ? loss.Alpha : 1 - loss.Alpha;
            sum -= weights[i / classes] * share * Math.Pow(wrong, loss.Gamma) * Math.Log(right);
        }
        return sum;
    }

    [Theory]
    [MemberData(nameof(Settings))]
    public void Kernel_and_composition_compute_the_definition(FocalLoss loss)
    {
        using var scope = Torch.Scope();
        foreach (var (count, classes) in ((int, int)[])[(7, 5), (1, 1), (400, 3), (33, 80)])
        {
            var (logits, labels, weights) = Rows(count, classes);
            var expected = Expected(loss, logits.ToArray<double>(), labels.ToArray<long>(), weights.ToArray<double>());
            Near.Values(loss.Sum(logits, labels, weights), 1e-12, expected);
            Near.Values((loss.Elements(logits, labels) * weights.Unsqueeze(1)).Sum(), 1e-12, expected);
            Near.Values(loss.Sum(logits.To(DType.Float32), labels, weights.To(DType.Float32)), 1e-6, expected);
            var narrow = logits.To(DType.BFloat16);
            var rounded = Expected(loss, narrow.ToArray<double>(), labels.ToArray<long>(), weights.ToArray<double>());
            Near.Values(loss.Sum(narrow, labels, weights), 1e-6, rounded);
            Assert.Equal(DType.Float32, loss.Sum(narrow, labels).DType);
            Near.Equal(loss.Elements(logits, labels).Sum(), loss.Sum(logits, labels), 1e-12);
        }
    }

    [Theory]
    [MemberData(nameof(Settings))]
    public void Gradients_match_differences_of_values_and_those_of_the_composition(FocalLoss loss)
    {
        using var scope = Torch.Scope();
        var (logits, labels, weights) = Rows(9, 4);
        // At 0 too, where formulas by cases meet.
        logits[0].Fill_(0);
        logits.RequiresGrad = true;
        GradientCheck.Holds(x => loss.Sum(x[0], labels, weights), logits);
        var plain = Autograd.Grad([(loss.Elements(logits, labels) * weights.Unsqueeze(1)).Sum() * 3], [logits])[0]!;
        Near.Equal(plain, Autograd.Grad([loss.Sum(logits, labels, weights) * 3], [logits])[0]!, 1e-12);
        var single = logits.Detach().To(DType.Float32);
        single.RequiresGrad = true;
        Near.Equal(plain, Autograd.Grad([loss.Sum(single, labels, weights) * 3], [single])[0]!, 1e-6);
    }

    [Fact]
    public void Logits_far_from_zero_are_finite_and_exact()
    {
        using var scope = Torch.Scope();
        var logits = Tensor.From([-1000f, -90, -30, 0, 30, 90, 1000]).Reshape(-1, 1);
        logits.RequiresGrad = true;
        foreach (var label in (long[])[0, 1])
        {
            var loss = new FocalLoss().Sum(logits, Torch.Full([7], label, DType.Int64));
            var wrong = label == 0 ? 0.25 : 0.75;
            Near.Values(loss, 1e-5, wrong * (30 + 90 + 1000 + Math.Log(2) / 4));
            var gradient = Autograd.Grad([loss], [logits])[0]!.ToArray<float>();
            Assert.All(gradient, value => Assert.True(float.IsFinite(value)));
            Assert.Equal(label == 0 ? -wrong : wrong, gradient[label == 0 ? 0 : 6], 1e-6);
        }
    }

    [Fact]
    public void Value_and_gradient_do_not_depend_on_the_number_of_threads()
    {
        using var scope = Torch.Scope();
        var (logits, labels, weights) = Rows(20_000, 20);
        var single = logits.To(DType.Float32);
        single.RequiresGrad = true;
        var (one, two) = OneAndTwo.Threads(() =>
        {
            var loss = new FocalLoss().Sum(single, labels, weights);
            return [loss, Autograd.Grad([loss], [single])[0]!];
        });
        Near.Identical(one[0], two[0]);
        Near.Identical(one[1], two[1]);
    }

    [Fact]
    public void No_rows_lose_nothing()
    {
        using var scope = Torch.Scope();
        var logits = Torch.Zeros([0, 3]);
        logits.RequiresGrad = true;
        var loss = new FocalLoss().Sum(logits, Torch.Zeros([0], DType.Int64), Torch.Zeros(0));
        Assert.Equal(0, loss.ToDouble());
        Assert.Equal(logits.Shape, Autograd.Grad([loss], [logits])[0]!.Shape);
    }

    [Fact]
    public void What_does_not_fit_is_named()
    {
        using var scope = Torch.Scope();
        var loss = new FocalLoss();
        var (logits, labels) = (Torch.Zeros([4, 3]), Torch.Zeros([4], DType.Int64));
        void Refused<T>(Func<Tensor> call, string words)
            where T : Exception => Assert.Contains(words, Assert.Throws<T>(call).Message, StringComparison.Ordinal);
        Refused<ShapeException>(() => loss.Sum(logits[0], labels), "the logits have to be [n, classes]");
        Refused<ShapeException>(() => loss.Sum(logits, labels[..3]), "the labels have to be [4]");
        Refused<ShapeException>(() => loss.Sum(logits, labels, Torch.Ones(3)), "the weights have to be [4]");
        Refused<ShapeException>(() => loss.Elements(logits, labels[..3]), "labels [n]");
        Refused<TorchIndexException>(() => loss.Sum(logits, labels + 4), "row 0 has label 4, there are 3 classes");
        Refused<TorchIndexException>(() => loss.Sum(logits, labels - 1), "row 0 has label -1");
        Refused<TorchTypeException>(() => loss.Sum(logits, labels.To(DType.Float32)), "the labels have to be int64");
        Assert.Throws<ArgumentOutOfRangeException>(() => new FocalLoss(1.5));
        Assert.Throws<ArgumentOutOfRangeException>(() => new FocalLoss(Gamma: -1));
    }
}
