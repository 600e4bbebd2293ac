namespace System.Runtime.CompilerServices;

// Records need this type, which netstandard2.0, the target of source generators, lacks.
internal static class IsExternalInit;
