using System.Data.Common;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using Tessera.Training;

namespace Tessera.Search.Storage;

/// <summary>
/// Candidates in a table. Each change is one statement or one transaction; times are those of the database's clock, so that workers on
/// several machines agree on what has run out. Connections come from a pool, so that threads may use the store at once.
/// </summary>
internal abstract class SqlStore(string search, ulong seed) : ICandidateStore
{
    /// <summary>Version of the tables, which changes with them.</summary>
    internal const int Schema = 1;

    private const string Columns =
        "id, stage, generation, position, genome, parents, macs, parameters, published, latency_ms, seed, state, score, "
        + "standard_error, evaluated, figures, score_figures, worker, attempts, error, seconds";

    private const string SchemaTable = "search_schema",
        CandidateTable = "candidates";

    private static readonly JsonSerializerOptions json = new() { NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals };

    /// <summary>What messages call the database.</summary>
    protected abstract string Place { get; }

    /// <summary>Seconds since 1970 by the database's clock, as SQL.</summary>
    protected abstract string Now { get; }

    // That a candidate is to be had.
    private string Available => $"(state = 'waiting' OR (state = 'leased' AND lease_until <= {Now}))";

    /// <summary>Type of a column that numbers its rows.</summary>
    protected abstract string NumberedKey { get; }

    /// <summary>Passes over rows that somebody else takes at this moment, as SQL.</summary>
    protected abstract string SkipLocked { get; }

    /// <summary>Counts the tables of a name, or of the whole database where it is ours alone and the name is empty.</summary>
    protected abstract string TablesByName { get; }

    /// <summary>Runs first in the transaction that makes the tables; null for nothing.</summary>
    protected virtual string? MakingTables => null;

    /// <summary>An open connection.</summary>
    protected abstract DbConnection Connect();

    /// <inheritdoc/>
    public abstract void Dispose();

    /// <summary>Makes the tables, or checks those that are there.</summary>
    /// <exception cref="RunException">They are somebody else's, or of a later version.</exception>
    protected void Prepare()
    {
        using var connection = Connect();
        // A reader takes no turn among the writers.
        if (IsThere(connection, null))
            return;
        using var transaction = connection.BeginTransaction();
        if (MakingTables is { } first)
            Execute(connection, transaction, first);
        if (IsThere(connection, transaction))
            return;
        if (Count(connection, transaction, CandidateTable) > 0 || Count(connection, transaction, "") > 0)
            throw new RunException($"{Place} is no database of candidates: it holds tables of something else");
        Execute(
            connection,
            transaction,
            $"""
            CREATE TABLE {CandidateTable} (
                id {NumberedKey},
                search TEXT NOT NULL,
                stage TEXT NOT NULL,
                generation INTEGER NOT NULL,
                position INTEGER NOT NULL,
                genome TEXT NOT NULL,
                parents TEXT NOT NULL,
                macs DOUBLE PRECISION,
                parameters DOUBLE PRECISION,
                published DOUBLE PRECISION,
                latency_ms DOUBLE PRECISION,
                seed TEXT NOT NULL,
                state TEXT NOT NULL CHECK (state IN ('waiting', 'leased', 'scored', 'failed')),
                score DOUBLE PRECISION,
                standard_error DOUBLE PRECISION,
                evaluated INTEGER NOT NULL,
                figures TEXT NOT NULL,
                score_figures TEXT NOT NULL,
                worker TEXT,
                lease_until DOUBLE PRECISION,
                attempts INTEGER NOT NULL,
                error TEXT,
                seconds DOUBLE PRECISION,
                UNIQUE (search, stage, generation, position),
                UNIQUE (search, stage, genome)
            )
            """
        );
        Execute(connection, transaction, $"CREATE TABLE {SchemaTable} (version INTEGER NOT NULL)");
        Execute(connection, transaction, $"INSERT INTO {SchemaTable} (version) VALUES ({Schema.ToString(CultureInfo.InvariantCulture)})");
        transaction.Commit();
    }

    private bool IsThere(DbConnection connection, DbTransaction? transaction)
    {
        if (Count(connection, transaction, SchemaTable) == 0)
            return false;
        var version = Convert.ToInt32(Scalar(connection, transaction, $"SELECT version FROM {SchemaTable}"), CultureInfo.InvariantCulture);
        return version == Schema
            ? true
            : throw new RunException(
                $"{Place}: the candidates were written by another version of Tessera (schema {version}; this one knows {Schema})"
            );
    }

    private long Count(DbConnection connection, DbTransaction? transaction, string table) =>
        Convert.ToInt64(Scalar(connection, transaction, TablesByName, ("name", table)), CultureInfo.InvariantCulture);

    /// <inheritdoc/>
    public IReadOnlyList<Candidate> Read(string? stage = null)
    {
        using var connection = Connect();
        return Read(connection, null, stage, null);
    }

    private List<Candidate> Read(DbConnection connection, DbTransaction? transaction, string? stage, int? generation)
    {
        using var command = Command(
            connection,
            transaction,
            $"SELECT {Columns} FROM {CandidateTable} WHERE search = @search AND (@every = 1 OR stage = @stage) "
                + "AND (@generation < 0 OR generation = @generation) ORDER BY stage, generation, position",
            ("every", stage is null ? 1 : 0),
            ("stage", stage ?? ""),
            ("generation", generation ?? -1)
        );
        using var reader = command.ExecuteReader();
        List<Candidate> found = [];
        while (reader.Read())
            found.Add(CandidateOf(reader));
        return found;
    }

    /// <inheritdoc/>
    public void Add(string stage, int generation, IReadOnlyList<Proposal> proposals)
    {
        using var connection = Connect();
        using var transaction = connection.BeginTransaction();
        var there = Read(connection, transaction, stage, generation);
        if (there.Count > 0)
        {
            if (!there.Select(one => one.Genome).SequenceEqual(proposals.Select(one => one.Genome), StringComparer.Ordinal))
                throw new InvalidOperationException(
                    $"{Place}: generation {generation} of {stage} holds other networks than those that are proposed now"
                );
            return;
        }
        var known = Read(connection, transaction, stage, null).Select(one => one.Genome).ToHashSet(StringComparer.Ordinal);
        foreach (var (position, proposal) in proposals.Index())
        {
            if (!known.Add(proposal.Genome))
                throw new InvalidOperationException($"generation {generation} of {stage} proposes {proposal.Genome} a second time");
            if (proposal.Score is { } given && !double.IsFinite(given))
                throw new InvalidOperationException(
                    $"generation {generation} of {stage} proposes {proposal.Genome} with a score of {given}"
                );
            Execute(
                connection,
                transaction,
                $"""
                INSERT INTO {CandidateTable} (search, stage, generation, position, genome, parents, macs, parameters, published,
                    latency_ms, seed, state, score, evaluated, figures, score_figures, attempts)
                VALUES (@search, @stage, @generation, @position, @genome, @parents, @macs, @parameters, @published,
                    @latency, @seed, @state, @score, 0, @figures, @none, 0)
                """,
                ("stage", stage),
                ("generation", generation),
                ("position", position),
                ("genome", proposal.Genome),
                ("parents", JsonSerializer.Serialize(proposal.Parents)),
                ("macs", proposal.Cost.Macs),
                ("parameters", proposal.Cost.Parameters),
                ("published", proposal.Cost.Published),
                ("latency", proposal.Cost.LatencyMs),
                ("seed", CandidateSeed.Of(proposal.Genome, seed).ToString(CultureInfo.InvariantCulture)),
                ("state", proposal.Score is null ? "waiting" : "scored"),
                ("score", proposal.Score),
                ("figures", JsonSerializer.Serialize(proposal.Figures, json)),
                ("none", "{}")
            );
        }
        transaction.Commit();
    }

    /// <inheritdoc/>
    public Candidate? Lease(string stage, string worker, TimeSpan duration, int attempts)
    {
        using var connection = Connect();
        // Whoever waits for work only looks, and keeps nobody from writing.
        var available = Scalar(
            connection,
            null,
            $"SELECT count(*) FROM {CandidateTable} WHERE search = @search AND stage = @stage AND {Available}",
            ("stage", stage)
        );
        if (Convert.ToInt64(available, CultureInfo.InvariantCulture) == 0)
            return null;
        // What nobody has brought to an end, as often as it may be begun.
        Execute(
            connection,
            null,
            $"""
            UPDATE {CandidateTable} SET state = 'failed', lease_until = NULL,
                error = CASE WHEN state = 'leased' THEN 'worker ' || worker || ' ended without a score' ELSE error END
            WHERE search = @search AND stage = @stage AND attempts >= @attempts AND {Available}
            """,
            ("stage", stage),
            ("attempts", attempts)
        );
        using var command = Command(
            connection,
            null,
            $"""
            UPDATE {CandidateTable} SET state = 'leased', worker = @worker, lease_until = {Now} + @duration, attempts = attempts + 1
            WHERE id = (
                SELECT id FROM {CandidateTable}
                WHERE search = @search AND stage = @stage AND attempts < @attempts AND {Available}
                ORDER BY generation, position LIMIT 1 {SkipLocked}
            )
            RETURNING {Columns}
            """,
            ("stage", stage),
            ("worker", worker),
            ("duration", duration.TotalSeconds),
            ("attempts", attempts)
        );
        using var reader = command.ExecuteReader();
        return reader.Read() ? CandidateOf(reader) : null;
    }

    /// <inheritdoc/>
    public bool Renew(long id, string worker, TimeSpan duration) =>
        Change($"lease_until = {Now} + @duration", id, worker, ("duration", duration.TotalSeconds));

    /// <inheritdoc/>
    public void Release(long id, string worker) =>
        Change("state = 'waiting', worker = NULL, lease_until = NULL, attempts = attempts - 1", id, worker);

    /// <inheritdoc/>
    public bool Complete(long id, string worker, CandidateScore score, double seconds) =>
        double.IsFinite(score.Value)
            ? Change(
                "state = 'scored', lease_until = NULL, evaluated = 1, score = @score, standard_error = @deviation, "
                    + "score_figures = @figures, seconds = @seconds",
                id,
                worker,
                ("score", score.Value),
                ("deviation", double.IsFinite(score.StandardError) ? score.StandardError : null),
                ("figures", JsonSerializer.Serialize(score.Figures, json)),
                ("seconds", seconds)
            )
            : throw new ArgumentException($"a score must be finite, not {score.Value}: anything else is a failure", nameof(score));

    /// <inheritdoc/>
    public bool Fail(long id, string worker, string error, int attempts) =>
        Change(
            "state = CASE WHEN attempts >= @attempts THEN 'failed' ELSE 'waiting' END, lease_until = NULL, error = @error",
            id,
            worker,
            ("attempts", attempts),
            ("error", error)
        );

    // Of a candidate that the worker holds, even if its lease has run out, as long as nobody else has taken it.
    private bool Change(string change, long id, string worker, params ReadOnlySpan<(string Name, object? Value)> values)
    {
        using var connection = Connect();
        using var command = Command(
            connection,
            null,
            $"UPDATE {CandidateTable} SET {change} WHERE search = @search AND id = @id AND worker = @worker AND state = 'leased'",
            [("id", id), ("worker", worker), .. values]
        );
        return command.ExecuteNonQuery() == 1;
    }

    private void Execute(
        DbConnection connection,
        DbTransaction? transaction,
        string sql,
        params ReadOnlySpan<(string Name, object? Value)> values
    )
    {
        using var command = Command(connection, transaction, sql, values);
        command.ExecuteNonQuery();
    }

    private object? Scalar(
        DbConnection connection,
        DbTransaction? transaction,
        string sql,
        params ReadOnlySpan<(string Name, object? Value)> values
    )
    {
        using var command = Command(connection, transaction, sql, values);
        return command.ExecuteScalar();
    }

    // Every statement may name the search; null is a number that is not known.
    private DbCommand Command(
        DbConnection connection,
        DbTransaction? transaction,
        string sql,
        params ReadOnlySpan<(string Name, object? Value)> values
    )
    {
        var command = connection.CreateCommand();
        command.Transaction = transaction;
        // All of it is ours: what others have written comes as parameters.
        command.CommandText = sql;
        if (sql.Contains("@search", StringComparison.Ordinal))
            Add("search", search);
        foreach (var (name, value) in values)
            Add(name, value);
        return command;

        void Add(string name, object? value)
        {
            var parameter = command.CreateParameter();
            parameter.ParameterName = name;
            if (value is null)
                parameter.DbType = System.Data.DbType.Double;
            parameter.Value = value ?? DBNull.Value;
            command.Parameters.Add(parameter);
        }
    }

    private static Candidate CandidateOf(DbDataReader reader)
    {
        var figures = new Dictionary<string, double>(StringComparer.Ordinal);
        foreach (var column in new[] { "figures", "score_figures" })
        foreach (var (name, value) in JsonSerializer.Deserialize<Dictionary<string, double>>(Text(column)!, json)!)
            figures[name] = value;
        return new(
            reader.GetInt64(At("id")),
            Text("stage")!,
            Whole("generation"),
            Whole("position"),
            Text("genome")!,
            new(Number("macs"), Number("parameters"), Number("published"), Number("latency_ms")),
            ulong.Parse(Text("seed")!, NumberStyles.None, CultureInfo.InvariantCulture),
            Enum.Parse<CandidateState>(Text("state")!, ignoreCase: true)
        )
        {
            Parents = JsonSerializer.Deserialize<string[]>(Text("parents")!)!,
            Score = Number("score"),
            StandardError = Number("standard_error"),
            Evaluated = Whole("evaluated") == 1,
            Figures = figures,
            Worker = Text("worker"),
            Attempts = Whole("attempts"),
            Error = Text("error"),
            Seconds = Number("seconds"),
        };

        int At(string column) => reader.GetOrdinal(column);
        int Whole(string column) => reader.GetInt32(At(column));
        double? Number(string column) => reader.IsDBNull(At(column)) ? null : reader.GetDouble(At(column));
        string? Text(string column) => reader.IsDBNull(At(column)) ? null : reader.GetString(At(column));
    }
}
