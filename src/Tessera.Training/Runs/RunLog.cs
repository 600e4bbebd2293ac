using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Tessera.Training.Runs;

/// <summary>The append-only log of a run, one JSON object per line, with its numbers as TensorBoard events beside it.</summary>
public sealed class RunLog : IDisposable
{
    /// <summary>Kind of a line for people, and its field with the text.</summary>
    internal const string Remark = "remark";

    /// <summary>Field of an evaluation's line: the name of the primary score.</summary>
    internal const string Primary = "primary";

    /// <summary>Field of an evaluation's line: the direction of the primary score.</summary>
    internal const string HigherIsBetter = "higher_is_better";

    /// <summary>Field of an evaluation's line: whether the primary score is a share.</summary>
    internal const string IsShare = "is_share";

    private readonly string path;
    private readonly FileStream stream;
    private EventFile? events;

    /// <summary>Opens or creates the file; writing goes on at its end.</summary>
    public RunLog(string path)
    {
        this.path = path;
        stream = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.Read);
        stream.Seek(0, SeekOrigin.End);
    }

    /// <summary>Length of the log in bytes.</summary>
    public long Length => stream.Length;

    /// <summary>All lines of the log, the oldest first.</summary>
    public IReadOnlyList<JsonObject> Lines => Read(path);

    /// <summary>Appends a line and hands it to the system.</summary>
    /// <param name="kind">Kind of the line: <c>step</c>, <c>evaluation</c>, ...</param>
    /// <param name="epoch">Number of the epoch, from 0; the line counts from 1.</param>
    /// <param name="step">Steps done, over all epochs.</param>
    /// <param name="fields">Further fields of the line, in their order; numbers that are not finite become null.</param>
    public void Write(string kind, int epoch, long step, IEnumerable<(string Name, JsonNode? Value)> fields)
    {
        var line = new JsonObject
        {
            ["kind"] = kind,
            ["epoch"] = epoch + 1,
            ["step"] = step,
        };
        foreach (var (name, value) in fields)
            line[name] = NonFiniteAsNull.Of(value);
        // Whole lines, whichever threads write.
        lock (stream)
        {
            events ??= new EventFile(Path.GetDirectoryName(path)!, NextStep(), TimeProvider.System);
            stream.Write(Encoding.UTF8.GetBytes(line.ToJsonString() + "\n"));
            stream.Flush();
            events.Write(step, Scalars(line));
        }
    }

    /// <summary>Waits until all of it is on the disk.</summary>
    public void Flush() => stream.Flush(flushToDisk: true);

    /// <summary>Cuts the log off at an earlier length; the later steps are done again.</summary>
    public void Truncate(long length)
    {
        stream.SetLength(Math.Min(length, stream.Length));
        stream.Seek(0, SeekOrigin.End);
        events?.Dispose();
        events = null;
    }

    /// <summary>All whole lines of a log; a last line that was cut off is left out.</summary>
    public static IReadOnlyList<JsonObject> Read(string path)
    {
        var lines = new List<JsonObject>();
        if (!File.Exists(path))
            return lines;
        foreach (var line in File.ReadLines(path))
        {
            try
            {
                if (JsonNode.Parse(line) is JsonObject found)
                    lines.Add(found);
            }
            catch (JsonException)
            {
                // Only the last line can be cut, by a stop in the middle of a write.
                break;
            }
        }
        return lines;
    }

    private long NextStep() => Read(path).Select(line => (long)line["step"]!).DefaultIfEmpty(-1).Max() + 1;

    // TensorBoard draws tags with the same beginning in one group.
    private static IEnumerable<(string Tag, double Value)> Scalars(JsonObject line)
    {
        var group = (string)line["kind"]! switch
        {
            "step" => "train",
            "evaluation" => "test",
            var other => other,
        };
        foreach (var (name, node) in line)
            if (name is not ("step" or "epoch") && node is JsonValue value && value.GetValueKind() == JsonValueKind.Number)
                yield return ($"{group}/{name}", double.Parse(value.ToJsonString(), CultureInfo.InvariantCulture));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        events?.Dispose();
        stream.Dispose();
    }
}
