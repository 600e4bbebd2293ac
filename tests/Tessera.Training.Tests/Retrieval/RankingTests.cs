using FsCheck;
using FsCheck.Fluent;
using Tessera.Training.Tasks.Retrieval;

namespace Tessera.Training.Tests.Retrieval;

/// <summary>Ranks and the figures of one query.</summary>
public sealed class RankingTests
{
    // By sorting everything, as the definition says.
    private static int[] Sorted(double[] similarities, ItemRole[] roles) =>
        [
            .. Enumerable
                .Range(0, roles.Length)
                .Where(item => roles[item] != ItemRole.Ignored)
                .OrderByDescending(item => similarities[item])
                .ThenBy(item => item)
                .Index()
                .Where(one => roles[one.Item] == ItemRole.Relevant)
                .Select(one => one.Index),
        ];

    // Few values, so that many are equal.
    private static readonly Arbitrary<List<(int Similarity, int Role)>> items = Gen.Choose(-2, 2)
        .Zip(Gen.Choose(0, 2))
        .ListOf(12)
        .ToArbitrary();

    private static ItemRole[] Roles(IEnumerable<(int Similarity, int Role)> of) => [.. of.Select(item => (ItemRole)item.Role)];

    private static double[] Similarities(IEnumerable<(int Similarity, int Role)> of) => [.. of.Select(item => item.Similarity / 2.0)];

    [Fact]
    public void Ranks_are_those_of_a_stable_sort_also_among_equal_similarities() =>
        Prop.ForAll(items, drawn =>
            {
                var (similarities, roles) = (Similarities(drawn), Roles(drawn));
                Assert.Equal(Sorted(similarities, roles), Ranking.Relevant<double>(similarities, roles));
                int[] nearest =
                [
                    .. Enumerable
                        .Range(0, roles.Length)
                        .Where(item => roles[item] != ItemRole.Ignored)
                        .OrderByDescending(item => similarities[item])
                        .ThenBy(item => item)
                        .Take(3),
                ];
                Assert.Equal(nearest, Ranking.Nearest<double>(similarities, roles, 3));
            })
            .QuickCheckThrowOnFailure();

    [Fact]
    public void Ignored_items_change_nothing_wherever_they_come() =>
        Prop.ForAll(items, Gen.Choose(-2, 2).ToArbitrary(), (drawn, moved) =>
            {
                var (before, roles) = (Similarities(drawn), Roles(drawn));
                double[] after = [.. before.Select((similarity, item) => roles[item] == ItemRole.Ignored ? moved / 2.0 : similarity)];
                Assert.Equal(Ranking.Relevant<double>(before, roles), Ranking.Relevant<double>(after, roles));
            })
            .QuickCheckThrowOnFailure();

    [Fact]
    public void What_is_not_a_number_is_never_found_and_takes_no_place()
    {
        double[] similarities = [double.NaN, 0.5, double.NaN, 0.9];
        Assert.Equal([1], Ranking.Relevant<double>(similarities, [ItemRole.Relevant, ItemRole.Relevant, ItemRole.Other, ItemRole.Other]));
        Assert.Empty(Ranking.Relevant<double>(similarities, [ItemRole.Relevant, ItemRole.Other, ItemRole.Other, ItemRole.Other]));
        Assert.Equal([3, 1], Ranking.Nearest<double>(similarities, new ItemRole[4], 4));
    }

    [Fact]
    public void Figures_are_those_worked_out_by_hand()
    {
        // Three of four relevant items at the 1st, 3rd and 6th place; the fourth was never found.
        int[] ranks = [0, 2, 5];
        Assert.True(RankMeasures.IsFound(ranks, 1));
        Assert.False(RankMeasures.IsFound([2], 2));
        Assert.False(RankMeasures.IsFound([], 9));
        Assert.Equal(2 / 4.0, RankMeasures.RPrecision(ranks, 4));
        Assert.Equal((1 + 2 / 3.0) / 4, RankMeasures.MapAtR(ranks, 4), 1e-15);
        Assert.Equal((1 + 2 / 3.0 + 3 / 6.0) / 4, RankMeasures.AveragePrecision(ranks, 4), 1e-15);
        Assert.Equal((1 + (1 / 2.0 + 2 / 3.0) / 2 + (2 / 5.0 + 3 / 6.0) / 2) / 4, RankMeasures.TrapezoidPrecision(ranks, 4), 1e-15);
        Assert.Equal(1, RankMeasures.PrecisionAt(ranks, 1));
        Assert.Equal(2 / 5.0, RankMeasures.PrecisionAt(ranks, 5));
        // Up to the last that is relevant.
        Assert.Equal(3 / 6.0, RankMeasures.PrecisionAt(ranks, 10));
        Assert.Equal(0, RankMeasures.PrecisionAt([], 10));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(17)]
    public void A_perfect_ranking_is_worth_one(int count)
    {
        int[] ranks = [.. Enumerable.Range(0, count)];
        Assert.Equal(1, RankMeasures.RPrecision(ranks, ranks.Length));
        Assert.Equal(1, RankMeasures.MapAtR(ranks, ranks.Length), 1e-14);
        Assert.Equal(1, RankMeasures.AveragePrecision(ranks, ranks.Length), 1e-14);
        Assert.Equal(1, RankMeasures.TrapezoidPrecision(ranks, ranks.Length), 1e-14);
    }
}
