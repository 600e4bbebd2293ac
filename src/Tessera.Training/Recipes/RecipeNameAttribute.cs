namespace Tessera.Training.Recipes;

/// <summary>
/// The name by which a recipe chooses a record where its base is expected (<c>{ name: adamw, lr: 1e-3 }</c>), or by which it gives one of
/// the record's parameters. Without it, names are those of the code in snake case.
/// </summary>
/// <param name="name">In snake case.</param>
[AttributeUsage(AttributeTargets.Class | AttributeTargets.Parameter, Inherited = false)]
public sealed class RecipeNameAttribute(string name) : Attribute
{
    /// <summary>In snake case.</summary>
    public string Name { get; } = name;
}
