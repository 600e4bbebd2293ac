using System.Text.Json;
using Tessera.Data;

namespace Tessera.Training.Tasks.Detection;

/// <summary>
/// Writes detections as COCO's result files have them, one image after the other: boxes as left, top, width and height, masks as compressed
/// run lengths, classes by their numbers in the source of the data. What is written does not stay in memory.
/// </summary>
internal sealed class CocoResultsWriter : ResultWriter
{
    private readonly DetectionFacts facts;
    private readonly Utf8JsonWriter json;

    /// <summary>Begins a file.</summary>
    /// <param name="facts">Classes and their numbers.</param>
    /// <param name="target">The file; it stays open.</param>
    internal CocoResultsWriter(DetectionFacts facts, Stream target)
    {
        this.facts = facts;
        json = new(target);
        json.WriteStartArray();
    }

    /// <inheritdoc/>
    public override string? Remark =>
        facts.HasCategories ? null : "the data has no numbers for its classes: category ids are 1, 2, ... in the order of the classes";

    /// <inheritdoc/>
    public override void Write(long id, Prediction prediction)
    {
        foreach (var one in ((DetectionPrediction)prediction).Objects)
            Write(id, one);
        json.Flush();
    }

    private void Write(long id, DetectedObject one)
    {
        json.WriteStartObject();
        json.WriteNumber("image_id", id);
        json.WriteNumber("category_id", facts.CategoryOf(one.Class));
        json.WriteStartArray("bbox");
        foreach (var value in (double[])[one.Box.Left, one.Box.Top, one.Box.Width, one.Box.Height])
            json.WriteNumberValue(value);
        json.WriteEndArray();
        json.WriteNumber("score", one.Score);
        if (one.Mask is { } mask)
        {
            json.WriteStartObject("segmentation");
            json.WriteStartArray("size");
            json.WriteNumberValue(mask.Size.Height);
            json.WriteNumberValue(mask.Size.Width);
            json.WriteEndArray();
            json.WriteString("counts", mask.ToText());
            json.WriteEndObject();
        }
        json.WriteEndObject();
    }

    /// <summary>Ends the file.</summary>
    public override void Dispose()
    {
        json.WriteEndArray();
        json.Dispose();
    }
}
