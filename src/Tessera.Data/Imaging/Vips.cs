using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Tessera.Data.Imaging;

/// <summary>The calls of libvips and GLib that decoding and drawing of text need.</summary>
/// <remarks>
/// Several take a list of options that ends with a null pointer; on the platforms that .NET runs on under Linux such a call
/// is made like one of fixed arguments as long as only pointers and integers are passed.
/// </remarks>
internal static partial class Vips
{
    private const string Lib = VipsLibrary.Vips;
    private const string GLib = VipsLibrary.GLib;
    private const string GObject = VipsLibrary.GObject;

    // What GLib tells of a path.
    private const int IsRegular = 1;
    private const int Exists = 16;

    // An error is kept: whoever calls later gets the same sentence.
    private static readonly Lazy<bool> started = new(Initialize);

    static Vips() => RuntimeHelpers.RunClassConstructor(typeof(VipsLibrary).TypeHandle);

    /// <summary>Loads the library, or says what to install. Every other call comes after this one.</summary>
    /// <exception cref="DataException">It is not there or does not start.</exception>
    internal static void Start() => _ = started.Value;

    private static unsafe bool Initialize()
    {
        if (Init("tessera") != 0)
            throw new DataException($"libvips ({VipsLibrary.OfProcess.Name}) does not start: {TakeError()}");
        // Images are decoded by several workers side by side: threads inside of one image would only be in the way, and no image is asked
        // for twice.
        SetConcurrency(1);
        SetCacheSize(0);
        // Loaders that libvips itself does not trust with foreign files stay shut, ImageMagick among them.
        BlockUntrusted(1);
        SetWarningHandler("VIPS", 16, &OnWarning, 0);
        return true;
    }

    // Most warnings are about labels that nobody needs. libtiff warns of damaged pixels too: those go where errors go.
    [UnmanagedCallersOnly]
    private static void OnWarning(nint domain, int level, nint message, nint data)
    {
        var text = Marshal.PtrToStringUTF8(message) ?? "";
        if (damage.Any(sign => text.Contains(sign, StringComparison.Ordinal)))
            AddError("tiff", "%s", text, 0);
    }

    // Of its decoders of fax, of JPEG inside of TIFF.
    private static readonly string[] damage = ["Premature EO", "Line length mismatch", "Corrupt JPEG data", "Premature end of JPEG"];

    /// <summary>Its version.</summary>
    /// <exception cref="DataException">It is not there or does not start.</exception>
    internal static string Version
    {
        get
        {
            Start();
            return Marshal.PtrToStringUTF8(VersionText()) ?? "";
        }
    }

    /// <summary>Whether a message lies in the buffer that all threads share.</summary>
    internal static unsafe bool HasError => *(byte*)ErrorBuffer() != 0;

    /// <summary>The messages in the buffer that all threads share, which is empty afterwards.</summary>
    internal static string TakeError()
    {
        var text = Marshal.PtrToStringUTF8(ErrorBuffer()) ?? "";
        ErrorClear();
        return text;
    }

    /// <summary>Whether a path is there and no file, but a folder, a pipe or a device; it is not opened.</summary>
    internal static bool IsNoFile(string path) => TestFile(path, Exists) != 0 && TestFile(path, IsRegular) == 0;

    [LibraryImport(Lib, EntryPoint = "vips_init", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Init(string program);

    [LibraryImport(Lib, EntryPoint = "vips_version_string")]
    private static partial nint VersionText();

    [LibraryImport(Lib, EntryPoint = "vips_concurrency_set")]
    private static partial void SetConcurrency(int threads);

    [LibraryImport(Lib, EntryPoint = "vips_cache_set_max")]
    private static partial void SetCacheSize(int operations);

    [LibraryImport(Lib, EntryPoint = "vips_block_untrusted_set")]
    private static partial void BlockUntrusted(int state);

    [LibraryImport(GLib, EntryPoint = "g_log_set_handler", StringMarshalling = StringMarshalling.Utf8)]
    private static unsafe partial uint SetWarningHandler(
        string domain,
        int levels,
        delegate* unmanaged<nint, int, nint, nint, void> handler,
        nint data
    );

    [LibraryImport(Lib, EntryPoint = "vips_error_buffer")]
    private static partial nint ErrorBuffer();

    [LibraryImport(Lib, EntryPoint = "vips_error_clear")]
    private static partial void ErrorClear();

    [LibraryImport(Lib, EntryPoint = "vips_error", StringMarshalling = StringMarshalling.Utf8)]
    private static partial void AddError(string domain, string format, string text, nint end);

    [LibraryImport(GLib, EntryPoint = "g_file_test", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int TestFile(string path, int kinds);

    [LibraryImport(Lib, EntryPoint = "vips_jpegload_buffer", StringMarshalling = StringMarshalling.Utf8)]
    internal static unsafe partial int LoadJpeg(
        byte* bytes,
        nuint length,
        out nint image,
        string name1,
        nint value1,
        string name2,
        nint value2,
        string name3,
        nint value3,
        nint end
    );

    [LibraryImport(Lib, EntryPoint = "vips_pngload_buffer", StringMarshalling = StringMarshalling.Utf8)]
    internal static unsafe partial int LoadPng(
        byte* bytes,
        nuint length,
        out nint image,
        string name1,
        nint value1,
        string name2,
        nint value2,
        nint end
    );

    [LibraryImport(Lib, EntryPoint = "vips_webpload_buffer", StringMarshalling = StringMarshalling.Utf8)]
    internal static unsafe partial int LoadWebP(
        byte* bytes,
        nuint length,
        out nint image,
        string name1,
        nint value1,
        string name2,
        nint value2,
        nint end
    );

    [LibraryImport(Lib, EntryPoint = "vips_tiffload_buffer", StringMarshalling = StringMarshalling.Utf8)]
    internal static unsafe partial int LoadTiff(
        byte* bytes,
        nuint length,
        out nint image,
        string name1,
        nint value1,
        string name2,
        nint value2,
        nint end
    );

    [LibraryImport(Lib, EntryPoint = "vips_text", StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int Text(out nint image, string text, string name1, string value1, string name2, nint value2, nint end);

    [LibraryImport(Lib, EntryPoint = "vips_image_new_from_memory")]
    internal static partial nint FromMemory(nint pixels, nuint length, int width, int height, int bands, int format);

    [LibraryImport(Lib, EntryPoint = "vips_image_get_orientation")]
    internal static partial int Orientation(nint image);

    [LibraryImport(Lib, EntryPoint = "vips_autorot")]
    internal static partial int AutoRotate(nint image, out nint result, nint end);

    [LibraryImport(Lib, EntryPoint = "vips_image_get_width")]
    internal static partial int Width(nint image);

    [LibraryImport(Lib, EntryPoint = "vips_image_get_height")]
    internal static partial int Height(nint image);

    [LibraryImport(Lib, EntryPoint = "vips_image_get_bands")]
    internal static partial int Bands(nint image);

    [LibraryImport(Lib, EntryPoint = "vips_image_get_format")]
    internal static partial int Format(nint image);

    [LibraryImport(Lib, EntryPoint = "vips_image_get_interpretation")]
    internal static partial int Interpretation(nint image);

    [LibraryImport(Lib, EntryPoint = "vips_region_new")]
    internal static partial nint NewRegion(nint image);

    [LibraryImport(Lib, EntryPoint = "vips_region_fetch")]
    internal static partial nint Fetch(nint region, int left, int top, int width, int height, out nuint length);

    [LibraryImport(GLib, EntryPoint = "g_free")]
    internal static partial void Free(nint memory);

    [LibraryImport(GObject, EntryPoint = "g_object_unref")]
    internal static partial void Unref(nint instance);
}
