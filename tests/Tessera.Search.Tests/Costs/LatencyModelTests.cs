using Tessera.Search.Costs;
using Tessera.Training;

namespace Tessera.Tests.Search;

public class LatencyModelTests
{
    private static readonly LatencyModel model = new(MadeUpTable.Of(200));

    [Fact]
    public void A_part_that_was_measured_has_its_own_time()
    {
        var measured = MadeUpTable.Blocks(1, 200);
        foreach (var block in measured)
            Assert.Equal(MadeUpTable.Law(block), model.RatioOf([block]));
        Assert.Equal(measured.Take(3).Sum(MadeUpTable.Law) * 2 * 1.5, model.Milliseconds(measured.Take(3)), 12);
    }

    [Fact]
    public void Parts_that_nobody_has_measured_are_interpolated()
    {
        var others = MadeUpTable.Blocks(2, 200).Except(MadeUpTable.Blocks(1, 200)).ToArray();
        Assert.True(others.Length > 100);
        double[] errors = [.. others.Select(block => Math.Abs(model.RatioOf([block]) / MadeUpTable.Law(block) - 1)).Order()];
        Assert.InRange(errors[errors.Length / 2], 0, 0.005);
        Assert.InRange(errors[^1], 0, 0.03);
    }

    [Fact]
    public void Held_out_errors_tell_how_good_predictions_are()
    {
        Assert.Equal(200, model.HeldOutErrors.Count);
        Assert.InRange(model.HeldOutErrors.Average(), 1e-6, 0.01);
        // Noise of 20 % cannot be predicted.
        var random = new Random(5);
        var table = MadeUpTable.Of(200);
        var noisy = table with
        {
            Entries = [.. table.Entries.Select(entry => entry with { Ratio = entry.Ratio * (0.8 + 0.4 * random.NextDouble()) })],
        };
        Assert.InRange(new LatencyModel(noisy).HeldOutErrors.Average(), 0.05, 0.3);
    }

    [Fact]
    public void More_work_takes_longer()
    {
        double Of(int tokens, int dim, int heads, int qkv, int mlp) =>
            model.RatioOf([TransformerParts.Block(tokens, dim, heads, qkv, mlp)]);
        double[] smaller = [Of(17, 96, 2, 240, 120), Of(65, 48, 2, 240, 120), Of(65, 96, 2, 120, 120), Of(65, 96, 2, 240, 60)];
        Assert.All(smaller, time => Assert.InRange(time, 1e-6, Of(65, 96, 2, 240, 120)));
    }

    [Fact]
    public void Parts_of_another_space_are_refused()
    {
        var other = TransformerParts.Surroundings(65, 48, 96, 10);
        Assert.Contains("surroundings", Assert.Throws<RunException>(() => model.RatioOf([other])).Message, StringComparison.Ordinal);
        var far = TransformerParts.Block(65, 4096, 4, 240, 120);
        Assert.Contains("dim", Assert.Throws<RunException>(() => model.RatioOf([far])).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Coefficients_below_0_do_not_occur()
    {
        // Without the bound the second would be -1.
        var found = NonNegative.Fit([
            [1, 0.5],
            [2, 3],
            [1.5, 1.4],
        ]);
        Assert.All(found, value => Assert.True(value >= 0));
        var exact = NonNegative.Fit([
            [2, 0, 1],
            [0, 4, 1],
            [1, 1, 1],
            [3, 2, 1],
        ]);
        Assert.Equal(1, 2 * exact[0] + exact[2], 0.3);
    }

    [Fact]
    public void The_inverse_of_a_matrix_times_the_matrix_is_one()
    {
        double[][] matrix =
        [
            [4, 1, 0.5],
            [1, 3, 0.2],
            [0.5, 0.2, 2],
        ];
        double[][] inverse = [.. matrix.Select(row => row.ToArray())];
        Symmetric.Invert(inverse);
        for (var i = 0; i < 3; i++)
        for (var j = 0; j < 3; j++)
            Assert.Equal(i == j ? 1 : 0, Enumerable.Range(0, 3).Sum(k => matrix[i][k] * inverse[k][j]), 12);
    }
}
