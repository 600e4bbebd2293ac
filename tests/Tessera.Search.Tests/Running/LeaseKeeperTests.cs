using Microsoft.Data.Sqlite;
using Tessera.Search;
using Tessera.Search.Running;
using Tessera.Search.Storage;
using Tessera.Testing;

namespace Tessera.Tests.Search.Running;

public sealed class LeaseKeeperTests : IDisposable
{
    private static readonly TimeSpan patience = TimeSpan.FromMinutes(1),
        brief = TimeSpan.FromMilliseconds(30),
        hour = TimeSpan.FromHours(1);

    private readonly TempFolder folder = new();
    private readonly SqliteStore store;

    public LeaseKeeperTests()
    {
        store = new(folder["candidates.db"], 0);
        store.Add("stage", 0, [new("a", new())]);
    }

    public void Dispose()
    {
        store.Dispose();
        folder.Dispose();
    }

    [Fact]
    public void A_lease_is_renewed_while_it_is_kept()
    {
        var candidate = store.Lease("stage", "w", hour, 3)!;
        var first = Until();
        // Each renewal makes the end of this lease that of a brief one, from then on.
        using var keeper = new LeaseKeeper(store, candidate.Id, "w", brief, default);
        Assert.True(SpinWait.SpinUntil(() => Until() < first, patience));
        var second = Until();
        Assert.True(SpinWait.SpinUntil(() => Until() > second, patience));
        Assert.False(keeper.Lost);
    }

    [Fact]
    public void Scoring_is_given_up_where_somebody_else_has_the_candidate()
    {
        var candidate = store.Lease("stage", "slow", TimeSpan.Zero, 3)!;
        Assert.NotNull(store.Lease("stage", "quick", hour, 3));
        using var keeper = new LeaseKeeper(store, candidate.Id, "slow", brief, default);
        Assert.True(keeper.Token.WaitHandle.WaitOne(patience));
        Assert.True(keeper.Lost);
        Assert.Equal((CandidateState.Leased, "quick"), (store.Read()[0].State, store.Read()[0].Worker));
    }

    [Fact]
    public void The_end_of_the_search_ends_scoring()
    {
        var candidate = store.Lease("stage", "w", hour, 3)!;
        using var stop = new CancellationTokenSource();
        using var keeper = new LeaseKeeper(store, candidate.Id, "w", hour, stop.Token);
        stop.Cancel();
        Assert.True(keeper.Token.IsCancellationRequested);
        Assert.False(keeper.Lost);
    }

    private double Until()
    {
        using var connection = new SqliteConnection($"Data Source={folder["candidates.db"]};Pooling=False");
        connection.Open();
        using var command = connection.CreateCommand();
        command.CommandText = "SELECT lease_until FROM candidates";
        return (double)command.ExecuteScalar()!;
    }
}
