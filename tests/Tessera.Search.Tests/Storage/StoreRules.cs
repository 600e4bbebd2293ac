using Tessera.Search;
using Tessera.Search.Storage;
using Tessera.Testing;

namespace Tessera.Tests.Search.Storage;

/// <summary>What holds for candidates in every database.</summary>
internal static class StoreRules
{
    private const string Stage = "stage";

    private static readonly TimeSpan lease = TimeSpan.FromMinutes(1);

    internal static Proposal[] Proposals(int count, string prefix = "g") =>
        [.. Enumerable.Range(0, count).Select(i => new Proposal($"{prefix}{i}", new(Macs: i)))];

    /// <summary>Checks all rules in a database that has no candidates yet.</summary>
    internal static void Check(Func<ICandidateStore> open, ulong seed)
    {
        using var store = open();
        KeepsWhatWasProposedAndScored(store, seed);
        LeasesRunOutAndAreTakenOver(store);
        FailuresAreTriedAgainAsOftenAsTheyMay(store);
        OneThatStopsGivesBack(store);
        NoneIsLeasedTwice(open);
    }

    private static void KeepsWhatWasProposedAndScored(ICandidateStore store, ulong seed)
    {
        Proposal[] proposals =
        [
            new("a", new(1e9, 2, 3.5, 4))
            {
                Parents = ["x", "y"],
                Figures = new Dictionary<string, double> { ["predicted"] = 0.1 + 0.2 },
            },
            new("b", new()) { Score = -1 },
        ];
        store.Add("kept", 0, proposals);
        store.Add("kept", 0, proposals);
        Assert.Throws<InvalidOperationException>(() => store.Add("kept", 0, [proposals[0]]));
        Assert.Contains(
            "proposes a a second time",
            Assert.Throws<InvalidOperationException>(() => store.Add("kept", 1, [new("c", new()), proposals[0]])).Message,
            StringComparison.Ordinal
        );
        var leased = store.Lease("kept", "w", lease, 3)!;
        Assert.Null(store.Lease("kept", "w", lease, 3));
        Assert.Equal(("a", CandidateState.Leased, "w", 1), (leased.Genome, leased.State, leased.Worker, leased.Attempts));
        Assert.Throws<ArgumentException>(() => store.Complete(leased.Id, "w", new(double.NaN, 0), 1));
        Assert.True(
            store.Complete(
                leased.Id,
                "w",
                new(1.0 / 3, double.NaN) { Figures = new Dictionary<string, double> { ["loss"] = double.PositiveInfinity } },
                2.5
            )
        );
        Assert.False(store.Complete(leased.Id, "w", new(1, 0), 1));
        var read = store.Read("kept");
        Assert.Equal(["a", "b"], read.Select(one => one.Genome));
        var first = read[0];
        Assert.Equal(new(1e9, 2, 3.5, 4), first.Cost);
        Assert.Equal(["x", "y"], first.Parents);
        Assert.Equal(1.0 / 3, first.Score);
        Assert.Null(first.StandardError);
        Assert.Equal(2.5, first.Seconds);
        Assert.True(first.Evaluated);
        Assert.Equal(0.1 + 0.2, first.Figures["predicted"]);
        Assert.Equal(double.PositiveInfinity, first.Figures["loss"]);
        Assert.Equal(CandidateSeed.Of("a", seed), first.Seed);
        Assert.Equal((CandidateState.Scored, -1, false), (read[1].State, read[1].Score, read[1].Evaluated));
        Assert.Equal(new CandidateCost(), read[1].Cost);
    }

    // A lease of no duration has run out at once.
    private static void LeasesRunOutAndAreTakenOver(ICandidateStore store)
    {
        store.Add("expired", 0, Proposals(1));
        var first = store.Lease("expired", "slow", TimeSpan.Zero, 3)!;
        Assert.True(store.Renew(first.Id, "slow", TimeSpan.Zero));
        var second = store.Lease("expired", "quick", lease, 3)!;
        Assert.Equal((first.Id, 2), (second.Id, second.Attempts));
        Assert.False(store.Renew(first.Id, "slow", lease));
        Assert.False(store.Complete(first.Id, "slow", new(1, 0), 1));
        Assert.False(store.Fail(first.Id, "slow", "late", 3));
        Assert.True(store.Complete(second.Id, "quick", new(2, 0), 1));
        Assert.Equal(2, store.Read("expired")[0].Score);

        store.Add("abandoned", 0, Proposals(1));
        for (var attempt = 0; attempt < 3; attempt++)
            Assert.NotNull(store.Lease("abandoned", $"w{attempt}", TimeSpan.Zero, 3));
        Assert.Null(store.Lease("abandoned", "w", lease, 3));
        var failed = store.Read("abandoned")[0];
        Assert.Equal((CandidateState.Failed, "worker w2 ended without a score"), (failed.State, failed.Error));
    }

    private static void FailuresAreTriedAgainAsOftenAsTheyMay(ICandidateStore store)
    {
        store.Add("failing", 0, Proposals(1));
        for (var attempt = 1; attempt <= 3; attempt++)
        {
            var leased = store.Lease("failing", "w", lease, 3)!;
            Assert.Equal(attempt, leased.Attempts);
            Assert.True(store.Fail(leased.Id, "w", $"error {attempt}", 3));
        }
        Assert.Null(store.Lease("failing", "w", lease, 3));
        var failed = store.Read("failing")[0];
        Assert.Equal((CandidateState.Failed, "error 3"), (failed.State, failed.Error));
    }

    private static void OneThatStopsGivesBack(ICandidateStore store)
    {
        store.Add("released", 0, Proposals(1));
        var leased = store.Lease("released", "w", lease, 1)!;
        store.Release(leased.Id, "other");
        Assert.Null(store.Lease("released", "v", lease, 1));
        store.Release(leased.Id, "w");
        Assert.Equal(1, store.Lease("released", "v", lease, 1)!.Attempts);
    }

    private static void NoneIsLeasedTwice(Func<ICandidateStore> open)
    {
        const int threads = 4,
            each = 25;
        using (var store = open())
            store.Add(Stage, 0, Proposals(threads * each));
        var taken = new System.Collections.Concurrent.ConcurrentBag<string>();
        using var first = open();
        using var second = open();
        Together.Run(threads, each, (thread, _) =>
            taken.Add((thread % 2 == 0 ? first : second).Lease(Stage, $"{thread}", lease, 1)!.Genome)
        );
        Assert.Equal(threads * each, taken.Distinct().Count());
    }
}
