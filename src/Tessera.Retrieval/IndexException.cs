namespace Tessera.Retrieval;

/// <summary>An index cannot be used as asked; the message names the file or the filter at fault, then the problem.</summary>
public sealed class IndexException : Exception
{
    /// <summary>An error with one line that says what would be right.</summary>
    /// <param name="message">The line.</param>
    /// <param name="inner">The error behind it, where there is one.</param>
    public IndexException(string message, Exception? inner = null)
        : base(Tessera.Message.OneLine(message), inner) { }
}
