using System.Globalization;
using System.Text.Json.Nodes;
using Tessera.Data.Transforms;
using Tessera.Training.Recipes;

namespace Tessera.Training.Tasks;

/// <summary>How samples are prepared, for people and programs to read.</summary>
/// <param name="Transforms">As a recipe writes them; empty for samples as they are.</param>
/// <param name="Mean">Per channel, of values in [0, 1]; empty where nothing is normalised.</param>
/// <param name="Std">Deviation per channel.</param>
internal sealed record Preparation(JsonArray Transforms, IReadOnlyList<float> Mean, IReadOnlyList<float> Std)
{
    /// <summary>What a pipeline does.</summary>
    public static Preparation Of(Pipeline pipeline) =>
        new(RecipeJson.Write(pipeline.Views[0])!.AsArray(), pipeline.Normalization?.Mean ?? [], pipeline.Normalization?.Deviation ?? []);

    /// <summary>In one line.</summary>
    public override string ToString() =>
        string.Join(
            "; ",
            [
                Transforms.Count == 0 ? "no resize" : string.Join(", ", Transforms.Select(Text)),
                .. Mean.Count == 0 ? (string[])[] : [$"mean {Numbers(Mean)}", $"deviation {Numbers(Std)}"],
            ]
        );

    // { "name": "evaluation_crop", "size": 224 } becomes evaluation_crop (size 224).
    private static string Text(JsonNode? transform)
    {
        var fields = transform!.AsObject();
        var rest = fields.Where(field => field.Key != RecipeShape.NameField).Select(field => $"{field.Key} {field.Value}").ToArray();
        return rest.Length == 0 ? $"{fields[RecipeShape.NameField]}" : $"{fields[RecipeShape.NameField]} ({string.Join(", ", rest)})";
    }

    private static string Numbers(IReadOnlyList<float> values) =>
        string.Join(", ", values.Select(value => value.ToString("0.####", CultureInfo.InvariantCulture)));
}
