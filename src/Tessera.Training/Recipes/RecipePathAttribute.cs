namespace Tessera.Training.Recipes;

/// <summary>
/// A parameter of a recipe's record that names a file or folder. In the resolved recipe of a run it is absolute, so that the run
/// can be resumed from anywhere.
/// </summary>
[AttributeUsage(AttributeTargets.Parameter)]
public sealed class RecipePathAttribute : Attribute;
