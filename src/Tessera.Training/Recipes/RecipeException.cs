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
}
