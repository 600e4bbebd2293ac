using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Tessera.Training;

/// <summary>The log of a run: one JSON object a line, only ever appended to.</summary>
public sealed class RunLog : IDisposable
{
    private readonly FileStream stream;

    /// <summary>Opens or creates the file; writing goes on at its end.</summary>
    public RunLog(string path)
    {
        stream = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.Read);
        stream.Seek(0, SeekOrigin.End);
    }

    /// <summary>Bytes so far.</summary>
    public long Length => stream.Length;

    /// <summary>Appends a line and hands it to the system.</summary>
    public void Write(JsonObject line)
    {
        stream.Write(Encoding.UTF8.GetBytes(line.ToJsonString() + "\n"));
        stream.Flush();
    }

    /// <summary>Waits until all of it is on the disk.</summary>
    public void Flush() => stream.Flush(flushToDisk: true);

    /// <summary>Goes back to an earlier length: what came later is done again.</summary>
    public void Truncate(long length)
    {
        stream.SetLength(Math.Min(length, stream.Length));
        stream.Seek(0, SeekOrigin.End);
    }

    /// <summary>All whole lines of a log; a last line that was cut off is left out.</summary>
    public static IReadOnlyList<JsonObject> Read(string path)
    {
        var lines = new List<JsonObject>();
        if (!File.Exists(path)) return lines;
        foreach (var line in File.ReadLines(path))
        {
            try
            {
                if (JsonNode.Parse(line) is JsonObject found) lines.Add(found);
            }
            catch (JsonException)
            {
                // Only the last line can be cut, by a stop in the middle of a write.
                break;
            }
        }
        return lines;
    }

    /// <inheritdoc/>
    public void Dispose() => stream.Dispose();
}
