using System.Diagnostics;
using System.Globalization;
using Tessera.Models;
using Tessera.Search;
using Tessera.Training.Recipes;

namespace Tessera.Tests.Search.Toys;

/// <summary>A search over pairs of numbers by a formula and a draw from the engine's generator.</summary>
/// <param name="Generations">In all.</param>
/// <param name="Size">Candidates of each.</param>
/// <param name="NanEvery">Of how many networks one has a score that is not a number; 0 for none.</param>
/// <param name="Range">The numbers are below it.</param>
[RecipeName("toy_formula")]
public sealed record ToyFormula(int Generations = 3, int Size = 6, int NanEvery = 0, int Range = 16) : SearchMethod
{
    internal const string StageName = "evolve";

    /// <summary>A process of which the variable is n kills itself when it begins its n-th candidate.</summary>
    internal const string KillVariable = "TESSERA_TOY_KILL_AT";

    public override string? RankedStage => StageName;

    public override IReadOnlyList<SearchStage> Stages(SearchContext context) => [new Evolve(this, context)];

    public override ArchitectureOptions Network(string genome, SearchContext context) => new ToyNetwork(Parse(genome).First + 1);

    public override string Draw(Random random, SearchContext context) => Drawn(random);

    private string Drawn(Random random) => FormattableString.Invariant($"{random.Next(Range)}-{random.Next(Range)}");

    internal static (int First, int Second) Parse(string genome) =>
        genome.Split('-') is [var first, var second]
        && int.TryParse(first, NumberStyles.None, CultureInfo.InvariantCulture, out var a)
        && int.TryParse(second, NumberStyles.None, CultureInfo.InvariantCulture, out var b)
            ? (a, b)
            : throw new FormatException($"'{genome}' must be two numbers");

    private sealed record Evolve(ToyFormula Method, SearchContext Context) : CandidateStage(StageName)
    {
        public override int? Generations => Method.Generations;

        public override IReadOnlyList<Proposal>? Propose(IReadOnlyList<IReadOnlyList<Candidate>> before, CancellationToken stop)
        {
            if (before.Count == Method.Generations)
                return null;
            var random = new Random((int)Context.Recipe.Seed * 1000 + before.Count);
            var known = before.SelectMany(generation => generation).Select(one => one.Genome).ToHashSet(StringComparer.Ordinal);
            string[] parents =
            [
                .. before
                    .SelectMany(generation => generation)
                    .Where(one => one.Score is not null)
                    .OrderByDescending(one => one.Score)
                    .Take(3)
                    .Select(one => one.Genome),
            ];
            List<Proposal> proposals = [];
            while (proposals.Count < Method.Size)
            {
                var genome =
                    parents.Length == 0 || random.Next(4) == 0 ? Method.Drawn(random) : Changed(parents[random.Next(parents.Length)]);
                if (known.Add(genome))
                    proposals.Add(
                        new(genome, new(Macs: 100 + Parse(genome).First, Parameters: 10 + Parse(genome).Second)) { Parents = parents }
                    );
            }
            return proposals;

            string Changed(string genome)
            {
                var (a, b) = Parse(genome);
                return FormattableString.Invariant(
                    $"{Math.Clamp(a + random.Next(-2, 3), 0, Method.Range - 1)}-{Math.Clamp(b + random.Next(-2, 3), 0, Method.Range - 1)}"
                );
            }
        }

        public override CandidateScorer CreateScorer() => new Scorer(Method);
    }

    private sealed class Scorer(ToyFormula method) : CandidateScorer
    {
        private readonly int killAt = int.Parse(Environment.GetEnvironmentVariable(KillVariable) ?? "0", CultureInfo.InvariantCulture);
        private int begun;

        public override CandidateScore Score(string genome, ulong seed, CancellationToken stop)
        {
            stop.ThrowIfCancellationRequested();
            if (++begun == killAt)
                Process.GetCurrentProcess().Kill();
            var (a, b) = Parse(genome);
            if (method.NanEvery > 0 && (method.Range * a + b) % method.NanEvery == 0)
                return new(double.NaN, 0);
            var drawn = Torch.Rand([1]).ToDouble();
            return new(1 - (Math.Pow(a - 11, 2) + Math.Pow(b - 5, 2)) / 400 + 0.01 * drawn, 0.002)
            {
                Figures = new Dictionary<string, double> { ["drawn"] = drawn },
            };
        }
    }
}
