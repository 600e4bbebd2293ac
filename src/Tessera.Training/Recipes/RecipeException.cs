namespace Tessera.Training.Recipes;

/// <summary>
/// An invalid recipe; the message is one line, such as <c>file.yaml:12: schedule.epocs: unknown field; did you mean 'epochs'?</c>
/// </summary>
public sealed class RecipeException : Exception
{
    /// <summary>An error at a place.</summary>
    /// <param name="place">File and line, or the override.</param>
    /// <param name="path">Dotted path of the field; empty for the whole.</param>
    /// <param name="problem">What is wrong and what would be right.</param>
    /// <param name="inner">What caused it.</param>
    public RecipeException(string place, string path, string problem, Exception? inner = null)
        : base(Tessera.Message.OneLine(path.Length == 0 ? $"{place}: {problem}" : $"{place}: {path}: {problem}"), inner) { }

    private RecipeException(string message, Exception inner)
        : base(message, inner) { }

    private bool isUnknownSlip;

    /// <summary>A part that no recipe can name.</summary>
    /// <param name="place">File and line, or the override.</param>
    /// <param name="path">Dotted path of the field.</param>
    /// <param name="name">Of the part.</param>
    /// <param name="hint">Which names there are, or which one is meant.</param>
    /// <param name="isSlip">Whether it looks like a slip of the pen, so that nothing is said of own parts.</param>
    internal static RecipeException OfUnknownPart(string place, string path, string name, string hint, bool isSlip) =>
        new(place, path, $"'{name}' is unknown; {hint}{(isSlip ? "" : $"; {RecipeParts.How}")}") { isUnknownSlip = isSlip };

    /// <summary>
    /// Does something with what was resolved and written before: a name in it that is unknown is no slip of the pen, so that the message
    /// says how parts become known.
    /// </summary>
    /// <exception cref="RecipeException">What was written cannot be used.</exception>
    internal static T Reading<T>(Func<T> read)
    {
        try
        {
            return read();
        }
        catch (RecipeException error) when (error.isUnknownSlip)
        {
            throw new RecipeException($"{error.Message}; {RecipeParts.How}", error);
        }
    }
}
