using Tessera.Training.Probes;

namespace Tessera.Training.Tests;

public sealed class NearestNeighborTests
{
    [Fact]
    public void One_hot_features_of_the_classes_are_all_right()
    {
        using var scope = Torch.Scope();
        var labels = Tensor.From<long>([0, 1, 2, 0, 1, 2]);
        var features = labels.OneHot(3).To(DType.Float32);
        var queries = Tensor.From<long>([2, 0, 1]);
        var scores = NearestNeighbors.WeightedScores(queries.OneHot(3).To(DType.Float32), features, labels, 3, k: 2, temperature: 0.07);
        Assert.Equal([2L, 0L, 1L], NearestNeighbors.Predictions(scores).ToArray<long>());
        // Two neighbours of similarity 1 each.
        Assert.Equal(2 * Math.Exp(1 / 0.07), scores[0][2].ToDouble(), 1e-4 * Math.Exp(1 / 0.07));
        Assert.Equal(0, scores[0][0].ToDouble());
    }

    [Fact]
    public void A_bank_smaller_than_k_counts_as_a_whole()
    {
        using var scope = Torch.Scope();
        var bank = Tensor.From<float>([1, 0, 0, 1], 2, 2);
        var scores = NearestNeighbors.WeightedScores(Tensor.From<float>([3, 4], 1, 2), bank, Tensor.From<long>([0, 1]), 2, 200, 1);
        Assert.Equal(Math.Exp(0.6), scores[0][0].ToDouble(), 1e-6);
        Assert.Equal(Math.Exp(0.8), scores[0][1].ToDouble(), 1e-6);
    }

    [Fact]
    public void Equal_votes_go_to_the_smallest_class()
    {
        using var scope = Torch.Scope();
        var bank = Tensor.From<float>([1, 2, 3, 4], 4, 1);
        var votes = NearestNeighbors.Votes(Tensor.From<float>([2.4f], 1, 1), bank, Tensor.From<long>([2, 1, 2, 1]), 3, 4);
        Assert.Equal([0f, 2f, 2f], votes.ToArray<float>());
        Assert.Equal([1L], NearestNeighbors.Predictions(votes).ToArray<long>());
    }

    [Fact]
    public void Plain_neighbours_are_near_where_products_of_matrices_would_cancel()
    {
        using var scope = Torch.Scope();
        const float far = 1e4f;
        var bank = Tensor.From([.. Enumerable.Range(0, 64).Select(i => far + i / 64f)], 64, 1);
        var labels = Tensor.From([.. Enumerable.Range(0, 64).Select(i => (long)i)]);
        var votes = NearestNeighbors.Votes(bank, bank, labels, 64, 1);
        Assert.Equal(Enumerable.Range(0, 64).Select(i => (long)i), NearestNeighbors.Predictions(votes).ToArray<long>());
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Scores_do_not_depend_on_the_length_of_features(int seed)
    {
        using var scope = Torch.Scope();
        Torch.Seed((ulong)(uint)seed);
        var (bank, queries) = (Torch.Randn([30, 5]), Torch.Randn([7, 5]));
        var labels = Torch.Randint(4, [30]);
        var lengths = Torch.Rand([30, 1]) + 0.5;
        var scores = NearestNeighbors.WeightedScores(queries, bank, labels, 4, 30, 1);
        var longer = NearestNeighbors.WeightedScores(queries * 3, bank * lengths, labels, 4, 30, 1);
        Assert.True((scores - longer).Abs().Max().ToDouble() < 1e-4);
    }

    [Fact]
    public void More_queries_than_are_compared_at_once_give_the_same()
    {
        using var scope = Torch.Scope();
        Torch.Seed(1);
        var (bank, queries, labels) = (Torch.Randn([20, 4]), Torch.Randn([1500, 4]), Torch.Randint(3, [20]));
        var all = NearestNeighbors.WeightedScores(queries, bank, labels, 3, 5, 0.1);
        var last = NearestNeighbors.WeightedScores(queries.Slice(0, 1400), bank, labels, 3, 5, 0.1);
        Assert.Equal(new Shape(1500, 3), all.Shape);
        Assert.True(((all.Slice(0, 1400) - last).Abs() / (last + 1)).Max().ToDouble() < 1e-4);
    }

    [Fact]
    public void Shapes_that_do_not_fit_and_empty_banks_are_refused()
    {
        using var scope = Torch.Scope();
        var (two, three, labels) = (Torch.Zeros([4, 2]), Torch.Zeros([4, 3]), Torch.Zeros([4], DType.Int64));
        Assert.Throws<ShapeException>(() => NearestNeighbors.Votes(two, three, labels, 2));
        Assert.Throws<ShapeException>(() => NearestNeighbors.Votes(two, two, labels.Slice(0, 1), 2));
        Assert.Throws<ShapeException>(() => NearestNeighbors.Votes(two, two.Slice(0, 0, 0), labels.Slice(0, 0, 0), 2));
        Assert.Throws<ArgumentOutOfRangeException>(() => NearestNeighbors.Votes(two, two, labels, 2, 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => NearestNeighbors.WeightedScores(two, two, labels, 2, 1, 0));
    }
}
