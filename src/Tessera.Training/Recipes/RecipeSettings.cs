using System.Text.RegularExpressions;

namespace Tessera.Training.Recipes;

/// <summary>Values of single fields as the command line gives them.</summary>
internal static partial class RecipeSettings
{
    // Quoted as a whole, with nothing behind the closing quote.
    [GeneratedRegex("""\A(?:'(?:[^']|'')*'|"(?:[^"\\]|\\.)*")\z""", RegexOptions.Singleline)]
    private static partial Regex Quoted();

    // { file: x, key: y }
    [GeneratedRegex(@"\A\{\s*\w+\s*:.*\}\s*\z", RegexOptions.Singleline)]
    private static partial Regex Fields();

    /// <summary>
    /// Whether a value for a field of text is taken as it is: a path may hold everything that means something in YAML. A value in quotes, a
    /// list for a field that takes several and fields in braces stay YAML.
    /// </summary>
    internal static bool IsLiteral(string value, RecipeNode recipe, Type root, ReadOnlySpan<string> path)
    {
        if (Quoted().IsMatch(value) || !RecipeTypes.IsText(root, recipe, path))
            return false;
        return !(value is ['[', ..] && RecipeTypes.TakesList(root, recipe, path))
            && !(Fields().IsMatch(value) && RecipeTypes.TakesFields(root, recipe, path));
    }

    /// <summary>A value that is taken as it is; nothing stands for nothing.</summary>
    internal static RecipeValue Literal(string value, string place) => new(value, value is not ("" or "~" or "null"), place);
}
