using Tessera.Data;
using Tessera.Data.Imaging;

namespace Tessera.Cli.Machine;

/// <summary>The libvips that decodes images here.</summary>
/// <param name="Version">Its version; null where there is none that can be used.</param>
/// <param name="Origin">Whose it is: <c>system</c>, <c>package</c>, or the variable that names it.</param>
/// <param name="Path">Its file.</param>
/// <param name="Problem">Why there is none.</param>
internal sealed record ImageLibrary(string? Version, string? Origin, string? Path, string? Problem)
{
    /// <summary>Loads it as decoding does.</summary>
    internal static ImageLibrary Find()
    {
        try
        {
            var version = Vips.Version;
            // A name leads to a file of another, such as libvips.so.42.16.1.
            var chosen = VipsLibrary.OfProcess;
            return new(version, chosen.Origin, LoadedLibraries.Find("libvips.so") ?? chosen.Name, null);
        }
        catch (DataException error)
        {
            return new(null, null, null, error.Message);
        }
    }
}
