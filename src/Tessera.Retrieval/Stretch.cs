using System.Runtime.InteropServices;

namespace Tessera.Retrieval;

/// <summary>Rows whose vectors lie one after the other. Mirrors native/search.cpp.</summary>
/// <param name="Vectors">The first vector.</param>
/// <param name="Rows">How many.</param>
/// <param name="First">Number of the first row.</param>
[StructLayout(LayoutKind.Sequential)]
internal readonly unsafe record struct Stretch(nint Vectors, long Rows, long First);
