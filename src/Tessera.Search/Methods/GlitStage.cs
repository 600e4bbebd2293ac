using Tessera.Data;
using Tessera.Models;
using Tessera.Search.Evolution;

namespace Tessera.Search.Methods;

/// <summary>An evolution of one level of GLiT: the best networks so far are mutated and crossed.</summary>
/// <param name="Name">Of the stage.</param>
/// <param name="Method">The method.</param>
/// <param name="Context">The search.</param>
internal sealed record GlitStage(string Name, GlitMethod Method, SearchContext Context) : CandidateStage(Name)
{
    // Tries of a child before a network is drawn, and draws of one; a small space may be used up.
    private const int Tries = 10,
        DrawnTries = 1000;

    private readonly NetworkCosts costs = new(Context);

    private bool IsFirst => Name == GlitMethod.DistributionStage;

    private int Choices => IsFirst ? 4 : Glit.BlockOptions.DetailCount;

    /// <inheritdoc/>
    public override int? Generations => Method.Generations;

    /// <inheritdoc/>
    public override IReadOnlyList<Proposal>? Propose(IReadOnlyList<IReadOnlyList<Candidate>> before, CancellationToken stop)
    {
        if (before.Count >= Method.Generations)
            return null;
        var thirds = IsFirst ? null : Method.Distribution(Context);
        var random = new SeededRandom(Context.Recipe.Seed, before.Count, IsFirst ? 1 : 2);
        if (before.Count == 0)
            return
            [
                .. Draws
                    .Within(Method.Population, costs, () => Text(Method.Numbers(random, Choices), thirds), stop)
                    .Select(genome => new Proposal(genome, costs.Of(genome))),
            ];
        Candidate[] all = [.. before.SelectMany(generation => generation)];
        // The earlier ones of equals.
        Candidate[] parents = [.. all.Where(one => one.Score is not null).OrderByDescending(one => one.Score).Take(Method.Parents)];
        if (parents.Length == 0)
            return null;
        var seen = all.Select(one => one.Genome).ToHashSet(StringComparer.Ordinal);
        var children = new List<Proposal>();
        for (var i = 0; i < Method.Population; i++)
        {
            stop.ThrowIfCancellationRequested();
            if (Child(parents, i < Method.Population / 2, thirds, seen, random) is { } child)
                children.Add(child);
        }
        return children.Count == 0 ? null : children;
    }

    private static string Text(IReadOnlyList<int> genes, IReadOnlyList<int>? thirds) =>
        (thirds is null ? new GlitGenome(genes) : new(thirds, genes)).ToString();

    // Null where nothing new is to be had.
    private Proposal? Child(IReadOnlyList<Candidate> parents, bool mutated, IReadOnlyList<int>? thirds, HashSet<string> seen, Random random)
    {
        for (var i = 0; i < Tries; i++)
        {
            var (first, second) = (parents[random.Next(parents.Count)], parents[random.Next(parents.Count)]);
            var genes = mutated ? Mutated(Genes(first), random) : Crossover.Uniform(Genes(first), Genes(second), random);
            if (New(genes) is { } child)
                return child with { Parents = mutated || first == second ? [first.Genome] : [first.Genome, second.Genome] };
        }
        for (var i = 0; i < DrawnTries; i++)
            if (New(Method.Numbers(random, Choices)) is { } drawn)
                return drawn;
        return null;

        Proposal? New(IReadOnlyList<int> genes)
        {
            var genome = Text(genes, thirds);
            return !seen.Contains(genome) && costs.Allows(genome) && seen.Add(genome) ? new(genome, costs.Of(genome)) : null;
        }
    }

    private IReadOnlyList<int> Genes(Candidate candidate) => GlitGenome.Parse(candidate.Genome, Method.Depth).Path;

    private int[] Mutated(IReadOnlyList<int> genes, Random random) =>
        [.. genes.Select(gene => random.NextDouble() < Method.Mutation ? random.Next(Choices) : gene)];

    /// <inheritdoc/>
    public override CandidateScorer CreateScorer() =>
        new GlitScorer(Method, Context, IsFirst ? GlitMethod.DistributionSupernet : GlitMethod.DetailSupernet);
}
