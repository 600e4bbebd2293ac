namespace Tessera.Checkpoints;

/// <summary>A checkpoint file cannot be used; the message names the file, then the problem.</summary>
public class CheckpointException : Exception
{
    /// <summary>The file at fault.</summary>
    public string Path { get; }

    /// <summary>An error in the file <paramref name="path"/>.</summary>
    public CheckpointException(string path, string problem, Exception? inner = null)
        : base(Tessera.Message.OneLine($"{path}: {problem}"), inner) => Path = path;
}

/// <summary>The file is damaged, truncated or breaks a rule of its format.</summary>
public sealed class CorruptCheckpointException(string path, string problem, Exception? inner = null)
    : CheckpointException(path, problem, inner);

/// <summary>The file is intact so far, but its format is not supported; the message says what to do.</summary>
public sealed class UnsupportedCheckpointException(string path, string problem) : CheckpointException(path, problem);

/// <summary>
/// The pickle inside the file names a class or function that is not on the allow list, where no placeholder will do:
/// in strict mode anywhere, otherwise on the way to the tensors. Nothing was looked up, imported or called.
/// </summary>
public sealed class ForbiddenPickleException(string path, string globalName, string problem) : CheckpointException(path, problem)
{
    /// <summary>The class or function that the file names, as <c>module.name</c>.</summary>
    public string GlobalName { get; } = globalName;
}

/// <summary>A tensor's element type has no counterpart in <see cref="Tessera.DType"/>.</summary>
public sealed class UnsupportedElementTypeException(string path, string tensor, string elementType)
    : CheckpointException(path, $"tensor {tensor} has elements of the unsupported type {elementType}")
{
    /// <summary>The tensor's name.</summary>
    public string Tensor { get; } = tensor;

    /// <summary>The element type as the file writes it.</summary>
    public string ElementType { get; } = elementType;
}
