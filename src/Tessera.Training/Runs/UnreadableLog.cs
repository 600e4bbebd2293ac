using System.Text.Json.Nodes;
using Tessera.Data;

namespace Tessera.Training.Runs;

/// <summary>Writes each image that cannot be read into the log, once.</summary>
/// <param name="write">Writes a line of the log: its kind and its fields.</param>
/// <param name="report">Receives an event for each image.</param>
internal sealed class UnreadableLog(Action<string, (string, JsonNode?)[]> write, Action<TrainingEvent> report)
{
    private const string Kind = "unreadable";

    private readonly HashSet<(string Split, int Index)> known = [];

    /// <summary>The unreadable images that a log lists, each with its split.</summary>
    internal static IReadOnlyList<(string Split, UnreadableImage Image)> Read(IReadOnlyList<JsonObject> log) =>
        [
            .. log.Where(line => (string?)line["kind"] == Kind)
                .Select(line =>
                    ((string)line["split"]!, new UnreadableImage((int)line["index"]!, (string)line["file"]!, (string)line["problem"]!))
                ),
        ];

    /// <summary>Goes on after the lines that a log has.</summary>
    internal void Continue(IReadOnlyList<JsonObject> log)
    {
        known.Clear();
        foreach (var (split, image) in Read(log))
            known.Add((split, image.Index));
    }

    /// <summary>Passes batches on and notes what could not be read for them.</summary>
    internal IEnumerable<Batch> Watch(IEnumerable<Batch> batches, string split)
    {
        foreach (var batch in batches)
        {
            Note(batch.Unreadable, split);
            yield return batch;
        }
    }

    internal void Note(IReadOnlyList<UnreadableImage> images, string split)
    {
        foreach (var image in images)
        {
            if (!known.Add((split, image.Index)))
                continue;
            write(Kind, [("split", split), ("index", image.Index), ("file", image.Name), ("problem", image.Problem)]);
            report(new ImageUnreadable(image, split, known.Count));
        }
    }
}
