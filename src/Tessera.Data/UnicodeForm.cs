using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Tessera.Data;

/// <summary>
/// Unicode's composed form, by which a name is the same whether a system wrote é as one character or as two. The runtime's own needs ICU;
/// GLib comes with libvips.
/// </summary>
internal static partial class UnicodeForm
{
    private const string GLib = VipsLibrary.GLib;
    private const int Composed = 1; // G_NORMALIZE_NFC

    static UnicodeForm() => RuntimeHelpers.RunClassConstructor(typeof(VipsLibrary).TypeHandle);

    /// <summary>The composed form of a text; what is no valid UTF-16 stays as it is.</summary>
    internal static string Compose(string text)
    {
        if (System.Text.Ascii.IsValid(text))
            return text;
        var composed = Normalize(text, -1, Composed);
        if (composed == 0)
            return text;
        try
        {
            return Marshal.PtrToStringUTF8(composed)!;
        }
        finally
        {
            Free(composed);
        }
    }

    [LibraryImport(GLib, EntryPoint = "g_utf8_normalize", StringMarshalling = StringMarshalling.Utf8)]
    private static partial nint Normalize(string text, nint length, int mode);

    [LibraryImport(GLib, EntryPoint = "g_free")]
    private static partial void Free(nint memory);
}
