using Tessera.Training.Objectives.SelfSupervision;

namespace Tessera.Training.Tests.SelfSupervision;

/// <summary>Whitened embeddings, and the method around them.</summary>
[Collection("engine")]
public sealed class WhiteningTests : IDisposable
{
    private readonly Scope scope = new();

    public void Dispose() => scope.Dispose();

    private static void IsWhite(Tensor rows)
    {
        var (count, width) = (rows.Size(0), rows.Size(1));
        Assert.All(rows.Mean([0]).ToArray<double>(), mean => Assert.Equal(0, mean, 1e-10));
        var covariance = (rows.MT.Matmul(rows) / (count - 1.0)).ToArray<double>();
        for (var i = 0; i < covariance.Length; i++)
            Assert.Equal(i / width == i % width ? 1 : 0, covariance[i], 1e-9);
    }

    [Fact]
    public void Whitened_rows_have_mean_0_and_covariance_1()
    {
        Torch.Seed(2);
        var mixing = Torch.Randn([5, 5], DType.Float64);
        IsWhite(Whitening.Of(Torch.Randn([20, 5], DType.Float64).Matmul(mixing) + 3));
    }

    [Fact]
    public void Groups_are_white_each_by_itself_and_rows_keep_their_places()
    {
        Torch.Seed(3);
        var rows = Torch.Randn([12, 2], DType.Float64);
        var order = Torch.Randperm(12);
        var whitened = Whitening.InGroups(rows, order, 4);
        var places = order.ToArray<long>();
        foreach (var group in places.Chunk(4))
        {
            var own = whitened.IndexSelect(0, Tensor.From(group));
            IsWhite(own);
            Assert.Equal(Whitening.Of(rows.IndexSelect(0, Tensor.From(group))).ToArray<double>(), own.ToArray<double>());
        }
    }

    [Fact]
    public void Eps_of_1_only_centers()
    {
        Torch.Seed(4);
        var rows = Torch.Randn([3, 5], DType.Float64);
        var expected = (rows - rows.Mean([0], true)).ToArray<double>();
        Assert.All(Whitening.Of(rows, 1).ToArray<double>().Zip(expected), pair => Assert.Equal(pair.Second, pair.First, 1e-12));
    }

    [Fact]
    public void Half_precision_is_whitened_in_float32()
    {
        Torch.Seed(5);
        using var cast = Torch.Autocast();
        var whitened = Whitening.Of(Torch.Randn([64, 8]).To(DType.BFloat16));
        Assert.Equal(DType.Float32, whitened.DType);
        var covariance = (whitened.To(DType.Float64).MT.Matmul(whitened.To(DType.Float64)) / 63.0).ToArray<double>();
        Assert.Equal(1, covariance[0], 1e-4);
    }

    [Fact]
    public void Too_few_rows_are_refused() =>
        Assert.Contains(
            "4 rows of width 4",
            Assert.Throws<ShapeException>(() => Whitening.Of(Torch.Zeros([4, 4]))).Message,
            StringComparison.Ordinal
        );

    [Fact]
    public void Channels_that_depend_on_each_other_are_refused_in_a_sentence()
    {
        Torch.Seed(6);
        var one = Torch.Randn([20, 1]);
        var message = Assert.Throws<RunException>(() => Whitening.Of(Torch.Cat([one, one * 0], 1))).Message;
        Assert.Contains("2 channels cannot be whitened", message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', message);
    }

    [Fact]
    public void Embeddings_that_are_no_numbers_give_a_loss_that_is_none() =>
        Assert.All(Whitening.Of(Torch.Randn([6, 2]) * double.NaN).ToArray<float>(), value => Assert.True(float.IsNaN(value)));

    [Theory]
    [InlineData(64, null, 0, "64 channels of 64 samples")]
    [InlineData(64, 32, 0, "64 channels of 32 samples")]
    [InlineData(8, 48, 0, "groups of 48 samples")]
    public void A_recipe_that_cannot_be_whitened_is_refused(int dim, int? size, double eps, string reason) =>
        Assert.Contains(
            reason,
            Assert
                .Throws<ArgumentException>(() =>
                    new WMse(new(dim, Size: size, Eps: eps), new(Small.ResNet(), Device.Cpu) { StepSamples = 64 })
                )
                .Message,
            StringComparison.Ordinal
        );
}
