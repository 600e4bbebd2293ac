namespace Tessera.Native;

/// <summary>Kinds of errors; mirrors <c>ErrorKind</c> in native/tessera.h.</summary>
internal enum ErrorKind
{
    None,
    Engine,
    Shape,
    OutOfMemory,
    UnknownOperator,
    Index,
    Type,
    Value,
    NotImplemented,
    Callback,
    Foreign,
    Communication,
}
