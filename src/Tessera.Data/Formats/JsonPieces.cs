using System.Text.Json;

namespace Tessera.Data.Formats;

/// <summary>Takes a piece of a JSON file: the reader stands on its first token and must be left on its last.</summary>
/// <param name="reader">Holds the whole piece.</param>
/// <param name="offset">Byte of the file that the piece begins at.</param>
internal delegate void JsonPieceReader(ref Utf8JsonReader reader, long offset);

/// <summary>
/// Reads a large JSON file piece by piece: the elements of the arrays that its top holds, one at a time. The memory is that of the largest
/// piece, whatever the size of the file.
/// </summary>
internal sealed class JsonPieces : IDisposable
{
    private const int FirstLength = 1 << 16;

    // Of a piece, in bytes: no annotation is so long.
    private const int LongestPiece = 1 << 28;

    private readonly string path;
    private readonly Stream stream;
    private byte[] buffer = new byte[FirstLength];
    private JsonReaderState state;
    private int start,
        end;
    private long offset; // of the file, where `start` is
    private bool isLast;

    /// <summary>Opens a file.</summary>
    /// <exception cref="DataException">It cannot be opened.</exception>
    internal JsonPieces(string path)
    {
        (this.path, stream) = (path, DataFiles.Open(path));
        Fill();
        if (buffer.AsSpan(0, end).StartsWith((byte[])[0xEF, 0xBB, 0xBF]))
            (start, offset) = (3, 3);
    }

    public void Dispose() => stream.Dispose();

    /// <summary>Whether the file is an array at its top.</summary>
    internal bool IsArray => buffer.AsSpan(start, end - start).TrimStart(" \t\r\n"u8) is [(byte)'[', ..];

    /// <summary>Reads a file that is an array at its top.</summary>
    /// <param name="reader">What to do with its elements.</param>
    /// <exception cref="DataFormatException">The file is no JSON, or something else.</exception>
    internal void ReadArray(JsonPieceReader reader) =>
        Checked(() =>
        {
            Elements("the file", reader);
            // The reader has an exception of its own for text behind the end.
            return Next(out _);
        });

    /// <summary>Reads a file that is an object at its top.</summary>
    /// <param name="readerOf">
    /// What to do with the elements of the array of a name; null to pass over what is there, whatever it is.
    /// </param>
    /// <returns>The names of the arrays that were read.</returns>
    /// <exception cref="DataFormatException">The file is no JSON, or something else.</exception>
    internal IReadOnlySet<string> ReadObject(Func<string, JsonPieceReader?> readerOf) =>
        Checked(() =>
        {
            var read = new HashSet<string>(StringComparer.Ordinal);
            if (Next(out _) != JsonTokenType.StartObject)
                throw Wrong("the file must hold an object at its top");
            while (Next(out var name) == JsonTokenType.PropertyName)
            {
                if (readerOf(name!) is not { } reader)
                {
                    PassOver();
                    continue;
                }
                if (!read.Add(name!))
                    throw Wrong($"'{name}' is there twice");
                Elements(name!, reader);
            }
            // The reader has an exception of its own for text behind the end.
            Next(out _);
            return read;
        });

    private T Checked<T>(Func<T> read)
    {
        try
        {
            return read();
        }
        // The second comes from strings that are no UTF-8.
        catch (Exception error) when (error is JsonException or InvalidOperationException)
        {
            throw Wrong($"not valid JSON: {error.Message}", error);
        }
        catch (IOException error)
        {
            throw new DataException($"{path} cannot be read: {error.Message}", error);
        }
    }

    private DataFormatException Wrong(string problem, Exception? inner = null) => new(path, offset, problem, inner);

    private void Elements(string name, JsonPieceReader reader)
    {
        if (Next(out _) != JsonTokenType.StartArray)
            throw Wrong($"'{name}' must be an array");
        while (true)
        {
            var piece = WholePiece();
            if (piece.TokenType == JsonTokenType.EndArray)
            {
                Commit(piece);
                return;
            }
            var again = new Utf8JsonReader(buffer.AsSpan(start, end - start), isLast, state);
            again.Read();
            reader(ref again, offset + again.TokenStartIndex);
            Commit(piece);
        }
    }

    // A reader at the end of the next value, all of which is in the buffer.
    private Utf8JsonReader WholePiece()
    {
        while (true)
        {
            var reader = new Utf8JsonReader(buffer.AsSpan(start, end - start), isLast, state);
            if (reader.Read() && reader.TrySkip())
                return reader;
            Fill();
        }
    }

    private JsonTokenType Next(out string? name)
    {
        while (true)
        {
            var reader = new Utf8JsonReader(buffer.AsSpan(start, end - start), isLast, state);
            if (reader.Read())
            {
                name = reader.TokenType == JsonTokenType.PropertyName ? reader.GetString() : null;
                var token = reader.TokenType;
                Commit(reader);
                return token;
            }
            Commit(reader);
            if (isLast)
            {
                name = null;
                return JsonTokenType.None;
            }
            Fill();
        }
    }

    // Token by token, whose parts need not be in the buffer together.
    private void PassOver()
    {
        var depth = 0;
        do
        {
            depth += Next(out _) switch
            {
                JsonTokenType.StartArray or JsonTokenType.StartObject => 1,
                JsonTokenType.EndArray or JsonTokenType.EndObject => -1,
                JsonTokenType.None => throw Wrong("the file ends within a value"),
                _ => 0,
            };
        } while (depth > 0);
    }

    private void Commit(in Utf8JsonReader reader)
    {
        state = reader.CurrentState;
        Skip((int)reader.BytesConsumed);
    }

    private void Skip(int count) => (start, offset) = (start + count, offset + count);

    private void Fill()
    {
        if (start > 0)
        {
            buffer.AsSpan(start, end - start).CopyTo(buffer);
            (start, end) = (0, end - start);
        }
        if (end == buffer.Length)
        {
            if (buffer.Length >= LongestPiece)
                throw Wrong($"a value of more than {LongestPiece} bytes: the file is none of annotations");
            Array.Resize(ref buffer, 2 * buffer.Length);
        }
        var read = stream.Read(buffer, end, buffer.Length - end);
        end += read;
        isLast = read == 0;
    }
}
