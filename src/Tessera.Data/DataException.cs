namespace Tessera.Data;

/// <summary>
/// Data that is missing, malformed or used in a way that cannot work; the message names the file or field and says how to put it right.
/// </summary>
public class DataException : Exception
{
    /// <summary>An error with a one-line message.</summary>
    public DataException(string message)
        : base(Tessera.Message.OneLine(message)) { }

    /// <summary>An error with a one-line message and its cause.</summary>
    public DataException(string message, Exception? inner)
        : base(Tessera.Message.OneLine(message), inner) { }
}

/// <summary>A file whose content is not of its format.</summary>
public sealed class DataFormatException : DataException
{
    /// <summary>An error in a file.</summary>
    /// <param name="file">Path of the file.</param>
    /// <param name="offset">Byte at which it shows; null when it has no place.</param>
    /// <param name="problem">The problem and its remedy, in a few words.</param>
    /// <param name="inner">Its cause.</param>
    public DataFormatException(string file, long? offset, string problem, Exception? inner = null)
        : base(offset is null ? $"{file}: {problem}" : $"{file}: {problem} (at byte {offset})", inner) => (File, Offset) = (file, offset);

    /// <summary>Path of the file.</summary>
    public string File { get; }

    /// <summary>Byte at which the error shows; null when it has no place.</summary>
    public long? Offset { get; }
}

/// <summary>An image that cannot be decoded.</summary>
public sealed class UnreadableImageException : DataException
{
    /// <summary>An error of a file.</summary>
    public UnreadableImageException(string file, string problem)
        : base($"{file}: {problem}") => (File, Problem) = (file, problem);

    /// <summary>Path of the file.</summary>
    public string File { get; }

    /// <summary>The problem.</summary>
    public string Problem { get; }
}
