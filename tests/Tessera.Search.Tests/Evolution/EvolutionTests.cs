using Tessera.Data;
using Tessera.Search.Evolution;

namespace Tessera.Tests.Search.Evolution;

public sealed class EvolutionTests
{
    [Fact]
    public void The_crowding_distance_is_the_mean_share_of_the_gaps_around_an_individual()
    {
        double[][] front =
        [
            [0, 10],
            [1, 6],
            [4, 5],
            [10, 0],
            [1, 6],
        ];
        // Of 0..10: from 0 to 4, and from 5 to 10.
        Assert.Equal([1e14, 0.45, 0.75, 1e14, 0.45], CrowdingDistance.Of(front).Select(distance => Math.Round(distance, 12)));
        Assert.Equal(
            (double[])[7, 7],
            CrowdingDistance.Of(
                [
                    [1],
                    [2],
                ],
                7
            )
        );
        // What is the same for all says nothing.
        Assert.Equal(
            (double[])[1e14, 0.5, 1e14],
            CrowdingDistance.Of([
                [1, 3],
                [2, 3],
                [3, 3],
            ])
        );
        Assert.Empty(CrowdingDistance.Of([]));
    }

    [Fact]
    public void Fronts_hold_whom_nobody_outside_of_earlier_fronts_dominates()
    {
        var random = new SeededRandom(1);
        double[][] population = [.. Enumerable.Range(0, 60).Select(_ => (double[])[random.Next(8), random.Next(8)])];
        var fronts = NonDominatedSorting.Fronts(population);
        Assert.Equal(Enumerable.Range(0, 60), fronts.SelectMany(front => front).Order());
        foreach (var (number, front) in fronts.Index())
        {
            int[] others = [.. fronts.Skip(number).SelectMany(later => later)];
            foreach (var i in front)
                Assert.DoesNotContain(others, j => NonDominatedSorting.Dominates(population[j], population[i]));
            if (number > 0)
                foreach (var i in front)
                    Assert.Contains(fronts[number - 1], j => NonDominatedSorting.Dominates(population[j], population[i]));
        }
    }

    [Fact]
    public void Survivors_are_the_best_and_of_a_front_that_is_cut_those_with_most_room()
    {
        Assert.Equal(
            [2, 0, 3],
            new RankedPopulation([
                [2],
                [5],
                [1],
                [3],
                [4],
            ]).Survivors(3)
        );
        // One front: its ends stay, and in between the one that is far from the others.
        double[][] front =
        [
            [0, 10],
            [0.5, 9.5],
            [1, 9],
            [6, 4],
            [10, 0],
        ];
        Assert.Equal([0, 3, 4], new RankedPopulation(front).Survivors(3).Order());
    }

    [Fact]
    public void A_tournament_is_won_by_the_better_one()
    {
        var ranked = new RankedPopulation([
            [1],
            [2],
            [3],
            [4],
        ]);
        var random = new SeededRandom(3);
        var wins = new int[4];
        for (var i = 0; i < 4000; i++)
            wins[ranked.Tournament(random)]++;
        // Of two that are drawn the best wins with 7 of 16, and the worst only over itself.
        Assert.InRange(wins[0] / 4000.0, 0.40, 0.47);
        Assert.InRange(wins[3] / 4000.0, 0.04, 0.085);
        Assert.True(wins[0] > wins[1] && wins[1] > wins[2] && wins[2] > wins[3]);
    }

    [Fact]
    public void Mutation_stays_within_bounds_and_near_the_gene_and_reaches_both_ends()
    {
        var random = new SeededRandom(5);
        var seen = new int[10];
        for (var i = 0; i < 20_000; i++)
            seen[PolynomialMutation.Mutate(6, 0, 9, random.NextDouble(), 3)]++;
        Assert.True(seen[6] > seen[5] && seen[5] > seen[3] && seen[3] > seen[0] && seen[7] > seen[9]);
        Assert.All(seen, count => Assert.True(count > 0));
        Assert.Equal(0, PolynomialMutation.Mutate(0, 0, 0, 0.999, 3));
        Assert.Equal(-0.5, PolynomialMutation.Raw(4, 0, 9, 0, 3), 1e-12);
    }

    [Fact]
    public void One_gene_of_all_mutates_on_average()
    {
        var random = new SeededRandom(6);
        int[] genes = new int[40],
            most = [.. Enumerable.Repeat(99, 40)];
        // At the lower end half of the draws go below it, and one in a hundred others stays.
        var changed = Enumerable.Range(0, 4000).Average(_ => PolynomialMutation.Mutate(genes, most, random, 3).Count(gene => gene != 0));
        Assert.InRange(changed, 0.45, 0.53);
    }

    [Fact]
    public void Two_point_crossover_exchanges_one_range()
    {
        var random = new SeededRandom(7);
        int[] zeros = new int[8],
            ones = [.. Enumerable.Repeat(1, 8)];
        var starts = new HashSet<int>();
        for (var i = 0; i < 500; i++)
        {
            var (first, second) = Crossover.TwoPoint(zeros, ones, random);
            Assert.Equal(ones, first.Zip(second, (one, other) => one + other));
            var text = string.Concat(first);
            // The ones stand together, and there are some.
            Assert.DoesNotContain('0', text.Trim('0'));
            Assert.Contains('1', text);
            starts.Add(text.IndexOf('1', StringComparison.Ordinal));
        }
        Assert.Equal(8, starts.Count);
    }

    [Fact]
    public void Uniform_crossover_takes_every_gene_of_either()
    {
        var random = new SeededRandom(8);
        int[] zeros = new int[1000],
            ones = [.. Enumerable.Repeat(1, 1000)];
        Assert.InRange(Crossover.Uniform(zeros, ones, random).Sum(), 440, 560);
    }

    [Fact]
    public void Seeded_numbers_are_the_same_everywhere()
    {
        var random = new SeededRandom(9, 2, 1);
        int[] first = [random.Next(1000), random.Next(5, 9), random.Next()];
        random = new SeededRandom(9, 2, 1);
        Assert.Equal(first, (int[])[random.Next(1000), random.Next(5, 9), random.Next()]);
        Assert.NotEqual(first[0], new SeededRandom(9, 2, 2).Next(1000));
        Assert.Equal(0, random.Next(0));
        Assert.Equal(4, random.Next(4, 4));
        Assert.InRange(random.NextDouble(), 0, 1);
    }
}
