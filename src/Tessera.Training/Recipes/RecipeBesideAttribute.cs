namespace Tessera.Training.Recipes;

/// <summary>
/// A part whose name and fields stand beside the fields of the record that holds it: where the record's name is one of this part's, the
/// part takes its own fields, and the record what is left.
/// </summary>
[AttributeUsage(AttributeTargets.Parameter)]
internal sealed class RecipeBesideAttribute : Attribute;
