using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace Tessera.Training.Runs;

/// <summary>Writes figures that are infinite or not a number as null, since JSON has no numbers for them, and reads null as NaN.</summary>
internal sealed class NonFiniteAsNull : JsonConverter<double>
{
    /// <inheritdoc/>
    public override bool HandleNull => true;

    /// <inheritdoc/>
    public override double Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        reader.TokenType == JsonTokenType.Null ? double.NaN : reader.GetDouble();

    /// <inheritdoc/>
    public override void Write(Utf8JsonWriter writer, double value, JsonSerializerOptions options)
    {
        if (double.IsFinite(value))
            writer.WriteNumberValue(value);
        else
            writer.WriteNullValue();
    }

    /// <summary>The figure, or null.</summary>
    internal static JsonNode? Of(JsonNode? value) =>
        value is JsonValue number && number.TryGetValue<double>(out var figure) && !double.IsFinite(figure) ? null : value;
}
