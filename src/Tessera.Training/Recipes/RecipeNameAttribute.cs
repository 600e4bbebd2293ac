namespace Tessera.Training.Recipes;

/// <summary>The name by which a recipe chooses this record where its base is expected: <c>{ name: adamw, lr: 1e-3 }</c>.</summary>
[AttributeUsage(AttributeTargets.Class, Inherited = false)]
public sealed class RecipeNameAttribute(string name) : Attribute
{
    /// <summary>In snake case.</summary>
    public string Name { get; } = name;
}
