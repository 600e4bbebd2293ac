using Tessera.Data;
using Tessera.Models;
using Tessera.Search.Evolution;
using Tessera.Training;

namespace Tessera.Search.Methods;

/// <summary>ViTAS's evolution: NSGA-II with two-point crossover and polynomial mutation of the genome.</summary>
/// <param name="Method">The method.</param>
/// <param name="Context">The search.</param>
internal sealed record VitasStage(VitasMethod Method, SearchContext Context) : CandidateStage(VitasMethod.EvolutionStage)
{
    // Of a child that was there before, another is made; so many times the population at most.
    private const int Tries = 100;

    private readonly NetworkCosts costs = new(Context);

    /// <inheritdoc/>
    public override int? Generations => Method.Generations;

    /// <inheritdoc/>
    public override IReadOnlyList<Proposal>? Propose(IReadOnlyList<IReadOnlyList<Candidate>> before, CancellationToken stop)
    {
        if (before.Count >= Method.Generations)
            return null;
        var random = new SeededRandom(Context.Recipe.Seed, before.Count);
        if (before.Count == 0)
        {
            var identity = Method.IdentityFor(Context);
            return
            [
                .. Draws
                    .Within(Method.Population, costs, () => Method.Draw(random, identity).ToString(), stop)
                    .Select(genome => Proposed(genome, [])),
            ];
        }
        var population = Survivors(before);
        var children = population.Count == 0 ? [] : Children(population, before, random, stop);
        return children.Count == 0 ? null : children;
    }

    private Proposal Proposed(string genome, IReadOnlyList<string> parents)
    {
        var cost = costs.Of(genome);
        return new(genome, cost) { Parents = parents, Score = costs.ScoreOutside(cost) };
    }

    // What is left after each generation, replayed; one that failed was never there.
    private List<Candidate> Survivors(IReadOnlyList<IReadOnlyList<Candidate>> generations)
    {
        List<Candidate> population = [];
        foreach (var generation in generations)
        {
            List<Candidate> all = [.. population, .. generation.Where(one => one.Score is not null)];
            population = [.. new RankedPopulation(Objectives(all)).Survivors(Method.Population).Select(i => all[i])];
        }
        return population;
    }

    // Smaller is better. Networks outside of the budget may cost little: none of them is better for it than one within.
    private IReadOnlyList<IReadOnlyList<double>> Objectives(IReadOnlyList<Candidate> candidates)
    {
        if (Method.Lessen == LessenedCost.None)
            return [.. candidates.Select(one => (double[])[1 - one.Score!.Value])];
        double[] lessened = [.. candidates.Select(one => Lessened(one.Cost))];
        var most = lessened.Append(0).Max();
        return
        [
            .. candidates.Select((one, i) => (double[])[1 - one.Score!.Value, costs.ScoreOutside(one.Cost) is null ? lessened[i] : most]),
        ];
    }

    private double Lessened(CandidateCost cost) =>
        Method.Lessen switch
        {
            LessenedCost.Published => cost.Published,
            LessenedCost.Macs => cost.Macs,
            LessenedCost.Parameters => cost.Parameters,
            _ => cost.LatencyMs,
        } ?? throw new RunException("search.lessen: latency_ms needs budget.latency_table, which `tessera search measure` writes");

    private List<Proposal> Children(
        IReadOnlyList<Candidate> population,
        IReadOnlyList<IReadOnlyList<Candidate>> before,
        Random random,
        CancellationToken stop
    )
    {
        var seen = before.SelectMany(generation => generation).Select(one => one.Genome).ToHashSet(StringComparer.Ordinal);
        var ranked = new RankedPopulation(Objectives(population));
        var most = Genes(Method.Space.Most);
        var children = new List<Proposal>();
        for (var i = 0; i < Tries * Method.Population && children.Count < Method.Population; i++)
        {
            stop.ThrowIfCancellationRequested();
            var (first, second) = (population[ranked.Tournament(random)], population[ranked.Tournament(random)]);
            var crossed = Crossover.TwoPoint(
                Genes(Method.Space.Decode(first.Genome).Numbers),
                Genes(Method.Space.Decode(second.Genome).Numbers),
                random
            );
            foreach (var genes in (int[][])[crossed.First, crossed.Second])
            {
                var child = Method.Canonical(Network(PolynomialMutation.Mutate(genes, most, random, Method.Eta))).ToString();
                if (children.Count < Method.Population && seen.Add(child))
                    children.Add(Proposed(child, [.. new[] { first.Genome, second.Genome }.Distinct()]));
            }
        }
        return children;
    }

    // Where all positions have the same block, its numbers are there once.
    private IReadOnlyList<int> Genes(IReadOnlyList<int> numbers)
    {
        var depth = Method.Space.Depth;
        return Method.Space.EqualBlocks ? [numbers[0], numbers[1], .. numbers.Skip(depth + 1).Take(5)] : numbers;
    }

    private VitasGenome Network(IReadOnlyList<int> genes)
    {
        var (space, depth) = (Method.Space, Method.Space.Depth);
        return space.Decode(
            space.EqualBlocks
                ?
                [
                    genes[0],
                    .. Enumerable.Repeat(genes[1], depth),
                    .. genes.Skip(2).Take(3),
                    .. Enumerable.Repeat((int[])[genes[5], genes[6]], depth).SelectMany(pair => pair),
                ]
                : genes
        );
    }

    /// <inheritdoc/>
    public override CandidateScorer CreateScorer() => new VitasScorer(Method, Context);
}
