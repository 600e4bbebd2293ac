using System.Text.Json;

namespace Tessera.Cli.Inputs;

/// <summary>Values as recipes write them.</summary>
internal static class RecipeValue
{
    /// <summary>The name of a choice in small letters, words joined by underscores.</summary>
    internal static string Of(Enum value) => JsonNamingPolicy.SnakeCaseLower.ConvertName(value.ToString());
}
