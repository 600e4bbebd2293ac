using System.Runtime.InteropServices;
using System.Text.Json;

namespace Tessera.Retrieval;

/// <summary>The header as a record keeps it: JSON as table, mean and rows of the projection as body.</summary>
internal static unsafe class HeaderRecord
{
    private sealed record Text(
        int Dimension,
        string Model,
        string ModelHash,
        string PreprocessingHash,
        int ProjectionWidth,
        Dictionary<string, string> Notes
    );

    internal static void Append(IndexFile file, IndexHeader header, bool isLast)
    {
        var (mean, rows) = (header.Projection?.Mean ?? default, header.Projection?.Rows ?? default);
        var text = new Text(
            header.Dimension,
            header.Model,
            header.ModelHash,
            header.PreprocessingHash,
            mean.Length,
            header.Notes.ToDictionary(StringComparer.Ordinal)
        );
        float[] body = [.. mean.Span, .. rows.Span];
        fixed (float* start = body)
            file.Append(RecordKind.Header, 1, JsonSerializer.SerializeToUtf8Bytes(text), new(start, 4L * body.Length), isLast);
    }

    /// <summary>The header; null where it is not one.</summary>
    internal static IndexHeader? Read(Record record)
    {
        Text? text;
        try
        {
            text = JsonSerializer.Deserialize<Text>(new ReadOnlySpan<byte>(record.Tables, (int)record.TableBytes));
        }
        catch (JsonException)
        {
            return null;
        }
        if (
            text
            is not {
                Dimension: >= 1,
                Model: not null,
                ModelHash: not null,
                PreprocessingHash: not null,
                Notes: not null,
                ProjectionWidth: >= 0
            }
        )
            return null;
        var floats = text.ProjectionWidth == 0 ? 0 : text.ProjectionWidth * (1L + text.Dimension);
        if (record.Header.BodyBytes != 4 * floats || !record.IsSoundThroughout(1))
            return null;
        var body = new ReadOnlySpan<byte>(record.Body, (int)record.Header.BodyBytes);
        var values = MemoryMarshal.Cast<byte, float>(body).ToArray().AsMemory();
        return new(text.Dimension, text.Model, text.ModelHash, text.PreprocessingHash)
        {
            Projection = floats == 0 ? null : new(values[..text.ProjectionWidth], values[text.ProjectionWidth..]),
            Notes = text.Notes,
        };
    }
}
