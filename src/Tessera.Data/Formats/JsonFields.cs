using System.Text.Json;

namespace Tessera.Data.Formats;

/// <summary>Values of fields in JSON, with errors that name them.</summary>
internal static class JsonFields
{
    /// <summary>Passes over the value of a field, which is in memory as a whole.</summary>
    internal static void Pass(ref Utf8JsonReader reader)
    {
        reader.Read();
        Skip(ref reader);
    }

    /// <summary>Passes over the value that the reader stands on, which is in memory as a whole.</summary>
    internal static void Skip(ref Utf8JsonReader reader)
    {
        // The reader's own method refuses one behind whose text more may come.
        if (!reader.TrySkip())
            throw new InvalidOperationException("the value of a field is not there as a whole");
    }

    /// <summary>A whole number, also where it is written with a fraction of 0.</summary>
    /// <exception cref="DataException">Something else.</exception>
    internal static long Whole(ref Utf8JsonReader reader, string name)
    {
        if (reader.TokenType == JsonTokenType.Number)
        {
            if (reader.TryGetInt64(out var whole))
                return whole;
            // As doubles hold them exactly.
            if (reader.TryGetDouble(out var number) && Math.Truncate(number) == number && Math.Abs(number) < 1L << 53)
                return (long)number;
        }
        throw new DataException($"'{name}' must be a whole number{Seen(ref reader)}");
    }

    /// <summary>A number.</summary>
    /// <exception cref="DataException">Something else, or one that is too large.</exception>
    internal static double Number(ref Utf8JsonReader reader, string name) =>
        reader.TokenType == JsonTokenType.Number && reader.TryGetDouble(out var number) && double.IsFinite(number)
            ? number
            : throw new DataException($"'{name}' must be a number{Seen(ref reader)}");

    /// <summary>0 or 1, or false or true.</summary>
    /// <exception cref="DataException">Something else.</exception>
    internal static bool Flag(ref Utf8JsonReader reader, string name) =>
        reader.TokenType switch
        {
            JsonTokenType.True => true,
            JsonTokenType.False or JsonTokenType.Null => false,
            JsonTokenType.Number when reader.TryGetInt64(out var value) && value is 0 or 1 => value == 1,
            _ => throw new DataException($"'{name}' must be 0 or 1{Seen(ref reader)}"),
        };

    /// <summary>A text.</summary>
    /// <exception cref="DataException">Something else.</exception>
    internal static string Text(ref Utf8JsonReader reader, string name) =>
        reader.TokenType == JsonTokenType.String
            ? reader.GetString()!
            : throw new DataException($"'{name}' must be a text{Seen(ref reader)}");

    /// <summary>A list of numbers.</summary>
    /// <exception cref="DataException">Something else.</exception>
    internal static List<double> Numbers(ref Utf8JsonReader reader, string name)
    {
        if (reader.TokenType != JsonTokenType.StartArray)
            throw new DataException($"'{name}' must be a list of numbers{Seen(ref reader)}");
        var numbers = new List<double>();
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
            numbers.Add(Number(ref reader, name));
        return numbers;
    }

    private static string Seen(ref Utf8JsonReader reader) =>
        reader.TokenType switch
        {
            JsonTokenType.String => ", and is a text",
            JsonTokenType.StartArray => ", and is a list",
            JsonTokenType.StartObject => ", and is an object",
            JsonTokenType.Number => ", and is another one",
            var other => $", and is {other}",
        };
}
