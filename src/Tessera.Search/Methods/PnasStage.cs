using Tessera.Data;
using Tessera.Models;
using Tessera.Search.Surrogates;
using Tessera.Training;

namespace Tessera.Search.Methods;

/// <summary>The cells of a number of blocks, which are chosen and trained at once: a stage of one generation.</summary>
/// <param name="Method">The method.</param>
/// <param name="Context">The search, whose stages before this one are done.</param>
/// <param name="Blocks">Blocks of a cell, from 1.</param>
internal sealed record PnasStage(PnasMethod Method, SearchContext Context, int Blocks) : CandidateStage(PnasMethod.StageOf(Blocks))
{
    /// <inheritdoc/>
    public override int? Generations => 1;

    /// <inheritdoc/>
    public override CandidateScorer CreateScorer() => new PnasScorer(Method, Context);

    /// <inheritdoc/>
    /// <exception cref="RunException">Every candidate before has failed, or no cell is within the budget.</exception>
    public override IReadOnlyList<Proposal>? Propose(IReadOnlyList<IReadOnlyList<Candidate>> before, CancellationToken stop)
    {
        if (before.Count > 0)
            return null;
        var proposals = Blocks == 1 ? FirstCells(stop) : Children(stop);
        return proposals.Count > 0
            ? proposals
            : throw new RunException($"{Context.Folder}: budget allows no network of a cell of {Blocks} blocks");
    }

    private bool Allowed(PnasCell cell, out CandidateCost cost, CancellationToken stop)
    {
        stop.ThrowIfCancellationRequested();
        cost = Context.CostOf(cell.ToString());
        return Context.Recipe.Limits.Allows(cost);
    }

    private List<Proposal> FirstCells(CancellationToken stop)
    {
        List<PnasCell> cells = [.. new PnasSpace().Blocks(1).Select(block => new PnasCell(block))];
        var wanted = Method.First ?? cells.Count;
        var random = new SampleRandom(Context.Recipe.Seed, epoch: 0, index: 0);
        List<(PnasCell Cell, CandidateCost Cost)> chosen = [];
        if (wanted < cells.Count)
            for (var i = 0; i < cells.Count - 1; i++)
            {
                var j = random.Between(i, cells.Count - 1);
                (cells[i], cells[j]) = (cells[j], cells[i]);
            }
        foreach (var cell in cells)
        {
            if (chosen.Count == wanted)
                break;
            if (Allowed(cell, out var cost, stop))
                chosen.Add((cell, cost));
        }
        return [.. chosen.OrderBy(entry => entry.Cell).Select(entry => new Proposal(entry.Cell.ToString(), entry.Cost))];
    }

    private List<Proposal> Children(CancellationToken stop)
    {
        var levels = Enumerable.Range(1, Blocks - 1).Select(Scored).ToArray();
        var surrogate = SurrogateEnsemble.Fit(Method.Surrogate, Method.Blocks + 1, levels, Context.Recipe.Seed, stop);
        PnasCell[] parents = [.. levels[^1].Select(scored => scored.Cell)];
        Dictionary<PnasCell, (bool Allowed, CandidateCost Cost)> known = [];
        // Where a budget leaves out many, one has to look further down.
        for (var look = (long)Method.Keep; ; look *= 4)
        {
            var best = PnasChoice.Best(parents, (int)Math.Min(look, int.MaxValue), surrogate, stop);
            List<Proposal> proposals = [];
            foreach (var choice in best)
            {
                if (proposals.Count == Method.Keep)
                    break;
                if (!known.TryGetValue(choice.Cell, out var found))
                    known[choice.Cell] = found = (Allowed(choice.Cell, out var cost, stop), cost);
                if (found.Allowed)
                    proposals.Add(
                        new(choice.Cell.ToString(), found.Cost)
                        {
                            Parents = [new PnasCell(choice.Cell.Blocks.SkipLast(1)).ToString()],
                            Figures = new Dictionary<string, double> { [PnasMethod.Prediction] = choice.Prediction },
                        }
                    );
            }
            if (proposals.Count == Method.Keep || best.Count < look)
                return proposals;
        }
    }

    // What failed says nothing about its cell: it teaches nothing, and does not grow.
    private IReadOnlyList<ScoredCell> Scored(int blocks)
    {
        ScoredCell[] scored =
        [
            .. Context
                .Candidates(PnasMethod.StageOf(blocks))
                .Where(one => one is { State: CandidateState.Scored, Score: not null })
                .OrderBy(one => (one.Generation, one.Position))
                .Select(one => new ScoredCell(PnasCell.Parse(one.Genome), one.Score!.Value)),
        ];
        return scored.Length > 0
            ? scored
            : throw new RunException($"{Context.Folder}: no cell of {blocks} blocks has a score, so none can grow");
    }
}
