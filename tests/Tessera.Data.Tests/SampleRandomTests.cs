namespace Tessera.Data.Tests;

public class SampleRandomTests
{
    private const int Draws = 200_000;

    private static double[] Take(Func<SampleRandom, (double, SampleRandom)> draw)
    {
        var random = new SampleRandom(7, 1, 2);
        var result = new double[Draws];
        for (var i = 0; i < Draws; i++)
            (result[i], random) = draw(random);
        return result;
    }

    private static void Moments(double[] values, double mean, double deviation)
    {
        var average = values.Average();
        Assert.Equal(mean, average, 5 * deviation / Math.Sqrt(Draws));
        Assert.Equal(deviation, Math.Sqrt(values.Average(value => (value - average) * (value - average))), 0.02 * deviation);
    }

    [Fact]
    public void Uniform_draws_have_their_mean_and_deviation_and_stay_inside()
    {
        var values = Take(random => (random.Uniform(-1, 3), random));
        Moments(values, 1, 4 / Math.Sqrt(12));
        Assert.All(values, value => Assert.InRange(value, -1, 3));
    }

    [Fact]
    public void Normal_draws_have_their_mean_and_deviation() => Moments(Take(random => (random.Normal(), random)), 0, 1);

    [Theory]
    [InlineData(1, 1)]
    [InlineData(0.8, 0.8)]
    [InlineData(0.2, 0.2)]
    [InlineData(2, 5)]
    public void Beta_draws_have_their_mean_and_deviation(double alpha, double beta)
    {
        var values = Take(random => (random.Beta(alpha, beta), random));
        Moments(values, alpha / (alpha + beta), Math.Sqrt(alpha * beta / (alpha + beta + 1)) / (alpha + beta));
        Assert.All(values, value => Assert.InRange(value, 0, 1));
    }

    [Fact]
    public void Integers_are_equally_frequent()
    {
        var counts = new int[7];
        foreach (var value in Take(random => (random.Between(-3, 3), random)))
            counts[(int)value + 3]++;
        Assert.All(counts, count => Assert.Equal(Draws / 7.0, count, 5 * Math.Sqrt(Draws / 7.0)));
    }

    [Fact]
    public void Neighbouring_keys_give_unrelated_numbers()
    {
        var seen = new HashSet<ulong>();
        for (ulong seed = 0; seed < 10; seed++)
        for (var epoch = 0; epoch < 10; epoch++)
        for (var index = 0; index < 100; index++)
        for (var stream = 0; stream < 3; stream++)
        {
            var random = new SampleRandom(seed, epoch, index, stream);
            Assert.True(seen.Add(random.NextBits()));
            Assert.True(seen.Add(random.NextBits()));
        }
        var means = Enumerable.Range(0, 20_000).Select(index => new SampleRandom(0, 0, index).NextDouble()).ToArray();
        Assert.Equal(0.5, means.Average(), 0.01);
    }

    [Fact]
    public void Equal_keys_give_equal_numbers()
    {
        var (a, b) = (new SampleRandom(1, 2, 3), new SampleRandom(1, 2, 3));
        for (var i = 0; i < 100; i++)
            Assert.Equal(a.NextBits(), b.NextBits());
    }
}
