using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Tessera.Data.Imaging;

/// <summary>The calls of libvips and GLib that decoding needs.</summary>
/// <remarks>
/// Several take a list of options that ends with a null pointer; on the platforms that .NET runs on under Linux such a call
/// is made like one of fixed arguments as long as only pointers and integers are passed.
/// </remarks>
internal static partial class Vips
{
    private const string Lib = "vips";
    private const string GLib = "glib-2.0";
    private const string GObject = "gobject-2.0";

    static unsafe Vips()
    {
        NativeLibrary.SetDllImportResolver(typeof(Vips).Assembly, Resolve);
        if (Init("tessera") != 0)
            throw new DataException($"libvips does not start: {TakeError()}");
        // Images are decoded by several workers side by side: threads inside of one image would only be in the way, and no image is asked
        // for twice.
        SetConcurrency(1);
        SetCacheSize(0);
        // Loaders that libvips itself does not trust with foreign files stay shut.
        BlockUntrusted(1);
        // Of those, the two that BMP and PNM come through: the decoder looks at a file's first bytes before it gets here.
        BlockClass("VipsForeignLoadMagick", 0);
        BlockClass("VipsForeignLoadPpm", 0);
        SilenceWarnings("VIPS", 16, &Silent, 0);
    }

    /// <summary>Loads the library, or says what to install.</summary>
    /// <exception cref="DataException">It is not there or does not start.</exception>
    internal static void Start()
    {
        try
        {
            RuntimeHelpers.RunClassConstructor(typeof(Vips).TypeHandle);
        }
        catch (TypeInitializationException error) when (error.InnerException is DllNotFoundException or DataException)
        {
            throw new DataException(error.InnerException.Message, error);
        }
    }

    private static nint Resolve(string name, Assembly assembly, DllImportSearchPath? path)
    {
        string[] candidates = name switch
        {
            Lib => ["libvips.so.42", "libvips.so"],
            GLib => ["libglib-2.0.so.0"],
            GObject => ["libgobject-2.0.so.0"],
            _ => [],
        };
        foreach (var candidate in candidates)
            if (NativeLibrary.TryLoad(candidate, out var handle))
                return handle;
        return candidates.Length == 0
            ? 0
            : throw new DllNotFoundException($"{candidates[0]} was not found: install libvips (Debian: apt-get install libvips42)");
    }

    // Errors come back as exceptions; its own messages beside them are of no use.
    [UnmanagedCallersOnly]
    private static void Silent(nint domain, int level, nint message, nint data) { }

    /// <summary>The last error of this thread, in one line.</summary>
    internal static string TakeError()
    {
        var text = Marshal.PtrToStringUTF8(ErrorBuffer()) ?? "";
        ErrorClear();
        return string.Join("; ", text.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).Distinct());
    }

    [LibraryImport(Lib, EntryPoint = "vips_init", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Init(string program);

    [LibraryImport(Lib, EntryPoint = "vips_concurrency_set")]
    private static partial void SetConcurrency(int threads);

    [LibraryImport(Lib, EntryPoint = "vips_cache_set_max")]
    private static partial void SetCacheSize(int operations);

    [LibraryImport(Lib, EntryPoint = "vips_block_untrusted_set")]
    private static partial void BlockUntrusted(int state);

    [LibraryImport(Lib, EntryPoint = "vips_operation_block_set", StringMarshalling = StringMarshalling.Utf8)]
    private static partial void BlockClass(string name, int state);

    [LibraryImport(GLib, EntryPoint = "g_log_set_handler", StringMarshalling = StringMarshalling.Utf8)]
    private static unsafe partial uint SilenceWarnings(
        string domain,
        int levels,
        delegate* unmanaged<nint, int, nint, nint, void> handler,
        nint data
    );

    [LibraryImport(Lib, EntryPoint = "vips_error_buffer")]
    private static partial nint ErrorBuffer();

    [LibraryImport(Lib, EntryPoint = "vips_error_clear")]
    private static partial void ErrorClear();

    [LibraryImport(Lib, EntryPoint = "vips_image_new_from_buffer", StringMarshalling = StringMarshalling.Utf8)]
    internal static unsafe partial nint FromBuffer(byte* bytes, nuint length, string options, nint end);

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

    [LibraryImport(Lib, EntryPoint = "vips_image_write_to_memory")]
    internal static partial nint WriteToMemory(nint image, out nuint length);

    [LibraryImport(GLib, EntryPoint = "g_free")]
    internal static partial void Free(nint memory);

    [LibraryImport(GObject, EntryPoint = "g_object_unref")]
    internal static partial void Unref(nint instance);
}
