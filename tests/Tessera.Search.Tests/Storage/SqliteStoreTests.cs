using System.Diagnostics;
using Microsoft.Data.Sqlite;
using Tessera.Search.Storage;
using Tessera.Testing;
using Tessera.Tests.Search.Toys;
using Tessera.Training;

namespace Tessera.Tests.Search.Storage;

public sealed class SqliteStoreTests : IDisposable
{
    private static readonly TimeSpan patience = TimeSpan.FromMinutes(1);

    private readonly TempFolder folder = new();

    private string Db => folder["candidates.db"];

    public void Dispose() => folder.Dispose();

    [Fact]
    public void It_keeps_the_rules_of_candidates() => StoreRules.Check(() => new SqliteStore(Db, 5), 5);

    [Fact]
    public void Seeds_come_from_genome_and_seed_and_never_change()
    {
        Assert.Equal(CandidateSeed.Of("1-2", 7), CandidateSeed.Of("1-2", 7));
        Assert.NotEqual(CandidateSeed.Of("1-2", 7), CandidateSeed.Of("1-2", 8));
        Assert.NotEqual(CandidateSeed.Of("1-2", 7), CandidateSeed.Of("1-3", 7));
        // By sha256sum of eight zero bytes and the text.
        Assert.Equal(ExpectedSeed, CandidateSeed.Of("a", 0));
    }

    private const ulong ExpectedSeed = 0x6948504a5c8bfed7;

    [Fact]
    public void Processes_never_get_the_same_candidate()
    {
        using (var store = new SqliteStore(Db, 0))
            store.Add("stage", 0, StoreRules.Proposals(60));
        var processes = Enumerable.Range(0, 2).Select(i => Process.Start(Toy.Describe("lease", Db, $"p{i}"))!).ToArray();
        var taken = processes.Select(process => process.StandardOutput.ReadToEndAsync()).ToArray();
        foreach (var process in processes)
        {
            Assert.True(process.WaitForExit(patience));
            Assert.Equal(0, process.ExitCode);
            process.Dispose();
        }
        string[] all = [.. taken.SelectMany(text => text.Result.Split('\n', StringSplitOptions.RemoveEmptyEntries))];
        Assert.Equal(60, all.Length);
        Assert.Equal(60, all.Distinct().Count());
    }

    [Fact]
    public void A_process_that_is_killed_while_it_writes_leaves_whole_generations()
    {
        using var writer = Process.Start(Toy.Describe("write", Db))!;
        try
        {
            Assert.True(SpinWait.SpinUntil(() => File.Exists(Db) && Count() > 20, patience));
        }
        finally
        {
            writer.Kill();
            writer.WaitForExit();
        }
        using var store = new SqliteStore(Db, 0);
        var generations = store.Read("stage").GroupBy(one => one.Generation).ToArray();
        Assert.True(generations.Length > 2);
        Assert.All(generations, generation => Assert.Equal(Enumerable.Range(0, 7), generation.Select(one => one.Position)));
        store.Add("stage", generations.Length, StoreRules.Proposals(7, "next"));
        Assert.Equal("ok", Scalar("PRAGMA integrity_check"));

        int Count()
        {
            using var reading = new SqliteStore(Db, 0);
            return reading.Read("stage").Count;
        }
    }

    [Fact]
    public void It_is_in_write_ahead_mode()
    {
        using var store = new SqliteStore(Db, 0);
        Assert.Equal("wal", Scalar("PRAGMA journal_mode"));
    }

    [Fact]
    public void Readers_do_not_wait_for_one_that_writes()
    {
        using var store = new SqliteStore(Db, 0);
        store.Add("stage", 0, StoreRules.Proposals(2));
        using var writer = Connect();
        using var transaction = writer.BeginTransaction();
        using (var command = writer.CreateCommand())
        {
            command.Transaction = transaction;
            command.CommandText = "UPDATE candidates SET state = 'failed'";
            command.ExecuteNonQuery();
        }
        // Both would wait a minute for the transaction, and then fail.
        using var another = new SqliteStore(Db, 0);
        Assert.All(another.Read("stage"), one => Assert.Equal(Tessera.Search.CandidateState.Waiting, one.State));
        transaction.Rollback();
    }

    [Fact]
    public void Files_of_others_and_of_later_versions_are_refused()
    {
        var text = folder.Write("text.db", "This is no database but a text that is longer than the head of one: " + new string('x', 200));
        Assert.Contains(
            "is no database of candidates",
            Assert.Throws<RunException>(() => new SqliteStore(text, 0)).Message,
            StringComparison.Ordinal
        );

        using (var store = new SqliteStore(Db, 0)) { }
        Change("UPDATE search_schema SET version = 2");
        Assert.Contains(
            "(schema 2; this one knows 1)",
            Assert.Throws<RunException>(() => new SqliteStore(Db, 0)).Message,
            StringComparison.Ordinal
        );

        Change("DROP TABLE search_schema");
        Assert.Contains(
            "holds tables of something else",
            Assert.Throws<RunException>(() => new SqliteStore(Db, 0)).Message,
            StringComparison.Ordinal
        );
    }

    private SqliteConnection Connect()
    {
        var connection = new SqliteConnection($"Data Source={Db};Pooling=False");
        connection.Open();
        return connection;
    }

    private string? Scalar(string sql)
    {
        using var connection = Connect();
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        return command.ExecuteScalar()?.ToString();
    }

    private void Change(string sql) => Scalar(sql);
}
