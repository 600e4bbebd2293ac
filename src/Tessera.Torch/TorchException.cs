using Tessera.Native;

namespace Tessera;

/// <summary>An error of the engine; the message names the operator and the shapes of its tensors.</summary>
public class TorchException : Exception
{
    /// <summary>Creates the exception with the engine's message.</summary>
    public TorchException(string message)
        : base(message) { }

    /// <summary>Creates the exception with a cause.</summary>
    public TorchException(string message, Exception inner)
        : base(message, inner) { }

    internal static Exception Of(ErrorKind kind, string message)
    {
        if (kind == ErrorKind.Callback && Callback.Take(message) is { } thrown)
            return Rethrown(thrown);
        return kind switch
        {
            ErrorKind.Shape => new ShapeException(message),
            ErrorKind.OutOfMemory => new TorchOutOfMemoryException(message),
            ErrorKind.UnknownOperator => new UnknownOperatorException(message),
            ErrorKind.Index => new TorchIndexException(message),
            ErrorKind.Type => new TorchTypeException(message),
            ErrorKind.Value => new TorchValueException(message),
            ErrorKind.Communication => new CommunicationException(message),
            ErrorKind.NotImplemented => new TorchNotSupportedException(message),
            _ => new TorchException(message),
        };
    }

    // What a callback in C# threw has travelled through the engine: it comes out as the cause,
    // with its own type and stack trace.
    private static Exception Rethrown(Exception thrown) =>
        new TorchException($"a function that the engine called failed: {thrown.Message}", thrown);
}

/// <summary>Shapes do not fit; the message lists the shapes of all tensors of the call.</summary>
public sealed class ShapeException : TorchException
{
    /// <summary>Creates the exception with its message.</summary>
    /// <param name="message">The shapes, and what would be right.</param>
    public ShapeException(string message)
        : base(message) { }

    /// <summary>Creates the exception with a cause.</summary>
    /// <param name="message">The shapes, and what would be right.</param>
    /// <param name="inner">What went wrong.</param>
    public ShapeException(string message, Exception inner)
        : base(message, inner) { }
}

/// <summary>The engine could not allocate memory; the message says how much.</summary>
public sealed class TorchOutOfMemoryException(string message) : TorchException(message);

/// <summary>No operator of this name and overload is registered in the libtorch in use.</summary>
public sealed class UnknownOperatorException(string message) : TorchException(message);

/// <summary>An index lies outside its dimension.</summary>
public sealed class TorchIndexException(string message) : TorchException(message);

/// <summary>The operator does not accept the type of an argument.</summary>
public sealed class TorchTypeException(string message) : TorchException(message);

/// <summary>The operator does not accept the value of an argument.</summary>
public sealed class TorchValueException(string message) : TorchException(message);

/// <summary>The engine has no kernel for this operator with this type or device.</summary>
public sealed class TorchNotSupportedException(string message) : TorchException(message);

/// <summary>Another process did not answer, or the connection to it broke.</summary>
public sealed class CommunicationException(string message) : TorchException(message);
