using System.Runtime.InteropServices;

namespace Tessera.Training.Bundles;

/// <summary>A second name for a file that never changes.</summary>
internal static partial class FileLink
{
    /// <summary>Makes a hard link, or a copy if no link is possible, and replaces an old target atomically.</summary>
    internal static void Create(string source, string target)
    {
        var building = $"{target}.{Guid.NewGuid():N}.tmp";
        try
        {
            if (!OperatingSystem.IsLinux() || Link(source, building) != 0)
                File.Copy(source, building);
            File.Move(building, target, overwrite: true);
        }
        catch
        {
            File.Delete(building);
            throw;
        }
    }

    [LibraryImport("libc", EntryPoint = "link", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Link(string from, string to);
}
