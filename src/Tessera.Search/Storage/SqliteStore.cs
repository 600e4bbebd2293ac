using System.Data.Common;
using Microsoft.Data.Sqlite;
using Tessera.Training;

namespace Tessera.Search.Storage;

/// <summary>
/// Candidates in a file beside the search. It is in write-ahead mode: readers see the last whole state and wait for nobody, writers take
/// turns, and a process that is killed leaves nothing half done.
/// </summary>
internal sealed class SqliteStore : SqlStore
{
    internal const string FileName = "candidates.db";

    // One writer follows the other within milliseconds; a disk that is this slow is not waited for any longer.
    private const int BusySeconds = 60;

    private const int NoDatabase = 26,
        Damaged = 11;

    private readonly string path;
    private readonly string connection;

    /// <summary>Opens the file, or makes it.</summary>
    /// <param name="path">The file.</param>
    /// <param name="seed">Seed of the search, which the seeds of its candidates come from.</param>
    /// <exception cref="RunException">It is no database of candidates, or one of a later version.</exception>
    internal SqliteStore(string path, ulong seed)
        : base("", seed)
    {
        this.path = path;
        SqliteLibrary.Prepare();
        connection = new SqliteConnectionStringBuilder
        {
            DataSource = Path.GetFullPath(path),
            Mode = SqliteOpenMode.ReadWriteCreate,
            DefaultTimeout = BusySeconds,
        }.ToString();
        try
        {
            using (var opened = new SqliteConnection(connection))
            {
                opened.Open();
                // It stays with the file.
                using var command = opened.CreateCommand();
                command.CommandText = "PRAGMA journal_mode = WAL";
                command.ExecuteNonQuery();
            }
            Prepare();
        }
        catch (SqliteException error)
        {
            throw new RunException(
                error.SqliteErrorCode is NoDatabase or Damaged
                    ? $"{path} is no database of candidates, or it is damaged: {error.Message}"
                    : $"{path}: the database of candidates cannot be opened: {error.Message}"
            );
        }
    }

    /// <inheritdoc/>
    protected override string Place => path;

    /// <inheritdoc/>
    protected override string Now => "unixepoch('subsec')";

    /// <inheritdoc/>
    protected override string NumberedKey => "INTEGER PRIMARY KEY";

    // A statement that writes has the file to itself.
    /// <inheritdoc/>
    protected override string SkipLocked => "";

    /// <inheritdoc/>
    protected override string TablesByName => "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND (@name = '' OR name = @name)";

    /// <inheritdoc/>
    protected override DbConnection Connect()
    {
        var opened = new SqliteConnection(connection);
        opened.Open();
        return opened;
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        using var opened = new SqliteConnection(connection);
        SqliteConnection.ClearPool(opened);
    }
}
