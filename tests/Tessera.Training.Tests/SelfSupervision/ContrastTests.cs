using Tessera.Training.Objectives.SelfSupervision;

namespace Tessera.Training.Tests.SelfSupervision;

/// <summary>The contrastive loss, and SimCLR around it.</summary>
[Collection("engine")]
public sealed class ContrastTests : IDisposable
{
    private readonly Scope scope = new();

    public void Dispose() => scope.Dispose();

    private static double[][] Rows(Tensor of) => [.. of.ToArray<double>().Chunk((int)of.Size(1))];

    // The loss by its formula, sample by sample.
    private static double Plainly(Tensor first, Tensor second, double temperature)
    {
        double[][] rows = [.. Rows(first), .. Rows(second)];
        var unit = rows.Select(row => row.Select(v => v / Math.Sqrt(row.Sum(w => w * w))).ToArray()).ToArray();
        double Similar(int a, int b) => unit[a].Zip(unit[b], (v, w) => v * w).Sum() / temperature;
        var count = rows.Length / 2;
        return Enumerable
            .Range(0, 2 * count)
            .Average(i =>
                Math.Log(Enumerable.Range(0, 2 * count).Where(j => j != i).Sum(j => Math.Exp(Similar(i, j))))
                - Similar(i, (i + count) % (2 * count))
            );
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(9)]
    public void The_loss_is_that_of_the_formula(int count)
    {
        Torch.Seed(3);
        var (first, second) = (Torch.Randn([count, 7], DType.Float64), Torch.Randn([count, 7], DType.Float64));
        var loss = NtXent.Of(first, second, 0.3);
        Assert.Equal(Plainly(first, second, 0.3), loss.Mean.ToDouble(), 1e-12);
        Assert.Equal(2 * loss.Mean.ToDouble(), loss.Sum.ToDouble(), 1e-12);
    }

    [Theory]
    [InlineData(DType.BFloat16)]
    [InlineData(DType.Float16)]
    public void Embeddings_of_16_bits_give_the_loss_and_gradients_of_full_precision(DType type)
    {
        Torch.Seed(4);
        var (first, second) = (Torch.Randn([16, 32]).To(type), Torch.Randn([16, 32]).To(type));
        var exact = NtXent.Of(first.To(DType.Float64), second.To(DType.Float64), 0.1).Mean.ToDouble();
        first.RequiresGrad = true;
        using (Torch.Autocast())
        {
            var loss = NtXent.Of(first, second, 0.1).Mean;
            Assert.Equal(DType.Float32, loss.DType);
            Assert.Equal(exact, loss.ToDouble(), 1e-5);
            loss.Backward();
        }
        Assert.All(first.Grad!.ToArray<float>(), value => Assert.True(float.IsFinite(value)));
        Assert.Contains(first.Grad!.ToArray<float>(), value => value != 0);
    }

    [Fact]
    public void Views_of_different_shapes_are_refused() =>
        Assert.Contains(
            "[4, 6]",
            Assert.Throws<ShapeException>(() => NtXent.Of(Torch.Zeros([4, 6]), Torch.Zeros([5, 6]), 0.1)).Message,
            StringComparison.Ordinal
        );

    private static Batch Pair(int count, int side)
    {
        var images = Torch.Randn([2, count, 3, side, side]);
        return new(
            [new(images.Select(0, 0)), new(images.Select(0, 1))],
            new ClassTargets(Torch.Zeros([count], DType.Int64)),
            [.. Enumerable.Range(0, count)]
        );
    }

    public static TheoryData<SimClrForm, bool> Beginnings =>
        new()
        {
            { SimClrForm.Official, false },
            { SimClrForm.Official, true },
            { SimClrForm.Htdt, false },
            { SimClrForm.Htdt, true },
        };

    // Views here have nothing in common, so that nothing but chance finds a partner.
    [Theory]
    [MemberData(nameof(Beginnings))]
    public void The_loss_begins_near_that_of_guessing(SimClrForm form, bool transformer)
    {
        Torch.Seed(5);
        var student = transformer ? (Models.Backbone)Small.Vit() : Small.ResNet();
        var method = new SimClr(new(1, form, Hidden: 64, Dim: 64), new(student, Device.Cpu));
        var loss = method.Compute(Pair(32, Small.Side), new(0, 1, 0, 1));
        Assert.InRange(loss.Total.ToDouble(), Math.Log(63) - 0.25, Math.Log(63) + 0.25);
        var right = loss.Scores["contrast_top1"];
        Assert.Equal(32, right.Weight);
        Assert.InRange(right.Sum, 0, 16);
    }

    [Fact]
    public void The_sum_of_both_views_is_twice_the_mean()
    {
        double Loss(bool sum)
        {
            Torch.Seed(6);
            var method = new SimClr(new(0.5, Dim: 8, SumViews: sum), new(Small.ResNet(), Device.Cpu));
            return method.Compute(Pair(6, Small.Side), new(0, 1, 0, 1)).Total.ToDouble();
        }
        Assert.Equal(2 * Loss(false), Loss(true), 1e-5);
    }

    [Fact]
    public void The_official_form_sees_both_views_as_one_batch_and_the_other_each_by_itself()
    {
        Torch.Seed(7);
        var batch = Pair(4, Small.Side);
        var (a, b) = (batch.Views[0].Inputs, batch.Views[1].Inputs * 3);
        var student = Small.ResNet();
        var together = student.ForwardEmbedding(Torch.Cat([a, b], 0)).Slice(0, 0, 4).ToArray<float>();
        var alone = student.ForwardEmbedding(a).ToArray<float>();
        float[] First(SimClrForm form) => new SimClr(new(Form: form, Dim: 8), new(student, Device.Cpu)).Features(a, b)[0].ToArray<float>();
        Assert.Equal(together, First(SimClrForm.Official));
        Assert.Equal(alone, First(SimClrForm.Htdt));
        Assert.NotEqual(together, alone);
    }

    [Fact]
    public void A_batch_of_one_sample_is_refused() =>
        Assert.Contains(
            "data.batch must be at least 2",
            Assert.Throws<ArgumentException>(() => new SimClr(new(), new(Small.ResNet(), Device.Cpu) { StepSamples = 1 })).Message,
            StringComparison.Ordinal
        );
}
