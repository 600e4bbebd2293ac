using System.Text.Json;

namespace Tessera.Data.Formats;

/// <summary>A detection as a file of results has it.</summary>
/// <param name="Image">Number of its image.</param>
/// <param name="Category">Number of its category.</param>
/// <param name="Score">How sure the model is.</param>
/// <param name="Box">Four numbers; null where there is a mask alone.</param>
/// <param name="Segmentation">Its mask; null where there is none.</param>
internal sealed record CocoResult(long Image, long Category, double Score, IReadOnlyList<double>? Box, CocoSegmentation? Segmentation);

/// <summary>
/// Detections in COCO's format of results: a list of <c>{ "image_id": ..., "category_id": ..., "bbox": [x, y, width, height], "score": ...
/// }</c>, with <c>"segmentation"</c> where there are masks. A whole annotation file whose annotations have scores is read too.
/// </summary>
/// <param name="Rows">The detections, in the order of the file.</param>
/// <param name="Files">Name of the file of each image, by number, where the results tell it.</param>
/// <param name="Categories">Name of each category, by number, where the results tell it.</param>
internal sealed record CocoResults(
    IReadOnlyList<CocoResult> Rows,
    IReadOnlyDictionary<long, string> Files,
    IReadOnlyDictionary<long, string> Categories
)
{
    /// <summary>Reads a file.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="DataException">It cannot be read, is no JSON, or a detection lacks a field or has another in its place.</exception>
    internal static CocoResults Read(string path)
    {
        var rows = new List<CocoResult>();
        var (files, categories) = (new Dictionary<long, string>(), new Dictionary<long, string>());
        using var pieces = new JsonPieces(path);
        if (pieces.IsArray)
            pieces.ReadArray(Row);
        else
        {
            var read = pieces.ReadObject(name =>
                name switch
                {
                    "annotations" => Row,
                    "images" => (ref Utf8JsonReader reader, long offset) => Named(ref reader, offset, "file_name", files),
                    "categories" => (ref Utf8JsonReader reader, long offset) => Named(ref reader, offset, "name", categories),
                    _ => null,
                }
            );
            if (!read.Contains("annotations"))
                throw new DataFormatException(path, null, "results must be a list of detections, or an object with 'annotations'");
        }
        return new(rows, files, categories);

        void Row(ref Utf8JsonReader reader, long offset)
        {
            try
            {
                rows.Add(ReadRow(ref reader));
            }
            catch (DataException error) when (error is not DataFormatException)
            {
                throw new DataFormatException(path, offset, $"detection {rows.Count + 1}: {error.Message}", error);
            }
        }

        void Named(ref Utf8JsonReader reader, long offset, string field, Dictionary<long, string> names)
        {
            try
            {
                var (id, name) = ReadNamed(ref reader, field);
                if (name is not null && !names.TryAdd(id, name))
                    throw new DataException($"'id' {id} is there twice");
            }
            catch (DataException error) when (error is not DataFormatException)
            {
                throw new DataFormatException(path, offset, error.Message, error);
            }
        }
    }

    private static CocoResult ReadRow(ref Utf8JsonReader reader)
    {
        if (reader.TokenType != JsonTokenType.StartObject)
            throw new DataException("it must be an object");
        long? image = null,
            category = null;
        double? score = null;
        IReadOnlyList<double>? box = null;
        CocoSegmentation? segmentation = null;
        while (reader.Read() && reader.TokenType != JsonTokenType.EndObject)
        {
            var name = reader.GetString();
            reader.Read();
            switch (name)
            {
                case "image_id":
                    image = JsonFields.Whole(ref reader, name);
                    break;
                case "category_id":
                    category = JsonFields.Whole(ref reader, name);
                    break;
                case "score":
                    score = JsonFields.Number(ref reader, name);
                    break;
                case "bbox" when reader.TokenType != JsonTokenType.Null:
                    box = JsonFields.Numbers(ref reader, name);
                    break;
                case "segmentation":
                    segmentation = CocoSegmentation.Read(ref reader);
                    break;
                default:
                    JsonFields.Skip(ref reader);
                    break;
            }
        }
        if (box is { Count: not 4 and not 0 })
            throw new DataException($"'bbox' must be four numbers, and there are {box.Count}");
        if (box is not { Count: 4 } && segmentation is null)
            throw new DataException("there must be 'bbox' or 'segmentation'");
        return new(
            image ?? throw new DataException("'image_id' is missing"),
            category ?? throw new DataException("'category_id' is missing"),
            score ?? throw new DataException("'score' is missing: a file of results is needed, not one of annotations"),
            box is { Count: 4 } ? box : null,
            segmentation
        );
    }

    private static (long Id, string? Name) ReadNamed(ref Utf8JsonReader reader, string field)
    {
        if (reader.TokenType != JsonTokenType.StartObject)
            throw new DataException("it must be an object");
        long? id = null;
        string? found = null;
        while (reader.Read() && reader.TokenType != JsonTokenType.EndObject)
        {
            var name = reader.GetString();
            reader.Read();
            if (name == "id")
                id = JsonFields.Whole(ref reader, name);
            else if (name == field)
                found = JsonFields.Text(ref reader, field);
            else
                JsonFields.Skip(ref reader);
        }
        return (id ?? throw new DataException("'id' is missing"), found);
    }
}
