using System.Diagnostics;
using Npgsql;
using Tessera.Search;
using Tessera.Search.Storage;
using Tessera.Testing;
using Tessera.Tests.Search.Toys;
using Tessera.Training;

namespace Tessera.Tests.Search.Storage;

[Trait("Category", "Long")]
public sealed class PostgresStoreTests
{
    [PostgresFact]
    public void It_keeps_the_rules_of_candidates_for_several_searches_in_one_database()
    {
        using var cluster = new PostgresCluster();
        StoreRules.Check(() => new PostgresStore(cluster.Connection, "first", 5), 5);
        StoreRules.Check(() => new PostgresStore(cluster.Connection, "second", 6), 6);
    }

    [PostgresFact]
    public void Tables_of_others_and_of_later_versions_and_absent_servers_are_refused()
    {
        using var cluster = new PostgresCluster();
        using var connection = new NpgsqlConnection(cluster.Connection);
        connection.Open();
        Change("CREATE TABLE candidates (name TEXT)");
        Refused("holds tables of something else");
        Change("DROP TABLE candidates");
        using (new PostgresStore(cluster.Connection, "x", 0)) { }
        Change("UPDATE search_schema SET version = 7");
        Refused("(schema 7; this one knows 1)");
        Assert.Contains(
            "cannot be used for candidates",
            Assert.Throws<RunException>(() => new PostgresStore("Host=/nowhere;Username=nobody", "x", 0)).Message,
            StringComparison.Ordinal
        );
        Assert.Contains(
            "must be a connection string of PostgreSQL",
            Assert.Throws<RunException>(() => new PostgresStore("candidates.db", "x", 0)).Message,
            StringComparison.Ordinal
        );

        void Change(string sql)
        {
            using var command = new NpgsqlCommand(sql, connection);
            command.ExecuteNonQuery();
        }

        void Refused(string reason) =>
            Assert.Contains(
                reason,
                Assert.Throws<RunException>(() => new PostgresStore(cluster.Connection, "x", 0)).Message,
                StringComparison.Ordinal
            );
    }

    [PostgresFact]
    public void A_search_in_it_is_the_same_as_one_in_a_file()
    {
        using var cluster = new PostgresCluster();
        using var folder = new TempFolder();
        using (Tessera.Search.Running.SearchRun.Begin(Toy.Formula(folder), folder["file"])) { }
        using (Tessera.Search.Running.SearchRun.Begin(Toy.Formula(folder) with { Database = cluster.Connection }, folder["server"])) { }
        Toy.Run(folder["file"]);
        Toy.Run(folder["server"], workers: 2);
        Assert.Equal(Candidates("file"), Candidates("server"));

        string[] Candidates(string name)
        {
            using var search = Tessera.Search.Running.SearchRun.Open(folder[name]);
            return Toy.Described(search.Store, ToyFormula.StageName);
        }
    }
}

/// <summary>A test that needs Debian's postgresql.</summary>
internal sealed class PostgresFactAttribute : FactAttribute
{
    public PostgresFactAttribute()
    {
        if (PostgresCluster.Programs is null)
            Skip = "PostgreSQL is not installed (Debian: postgresql)";
    }
}

/// <summary>A PostgreSQL of its own in a folder of its own, reached by a socket there; it goes away with the test.</summary>
internal sealed class PostgresCluster : IDisposable
{
    private const string Root = "/usr/lib/postgresql";

    private readonly TempFolder folder = new();

    internal PostgresCluster()
    {
        // The server refuses to run as root.
        if (Environment.UserName == "root")
            Run("chown", "postgres:", folder.Path);
        AsUser("initdb", "-D", folder["data"], "-A", "trust", "-U", "tessera", "--no-sync");
        AsUser("pg_ctl", "-D", folder["data"], "-o", $"-k {folder.Path} -c listen_addresses='' -F", "-l", folder["log"], "-w", "start");
    }

    /// <summary>Folder of its programs; null where it is not installed.</summary>
    internal static string? Programs =>
        Directory.Exists(Root)
            ? Directory.GetDirectories(Root).Select(version => Path.Combine(version, "bin")).Where(Directory.Exists).Order().LastOrDefault()
            : null;

    internal string Connection => $"Host={folder.Path};Username=tessera;Database=postgres";

    public void Dispose()
    {
        NpgsqlConnection.ClearAllPools();
        AsUser("pg_ctl", "-D", folder["data"], "-m", "immediate", "-w", "stop");
        folder.Dispose();
    }

    private static void AsUser(string program, params string[] arguments)
    {
        string[] line = [Path.Combine(Programs!, program), .. arguments];
        if (Environment.UserName == "root")
            line = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", .. line];
        Run(line[0], line[1..]);
    }

    // Its output is not read through a pipe: the server would keep that open.
    private static void Run(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { WorkingDirectory = "/" })!;
        process.WaitForExit();
        Assert.Equal(0, process.ExitCode);
    }
}
