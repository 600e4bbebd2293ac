namespace Tessera.Training.Recipes;

/// <summary>
/// Marks a base whose records a recipe chooses by name, and of which programs can register their own (<see cref="RecipeParts"/>).
/// </summary>
/// <param name="kind">As messages call such a part.</param>
[AttributeUsage(AttributeTargets.Class, Inherited = false)]
internal sealed class RecipePartAttribute(string kind) : Attribute
{
    /// <summary>As messages call such a part.</summary>
    internal string Kind { get; } = kind;
}
