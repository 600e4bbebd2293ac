using System.Reflection;
using System.Security.Cryptography;
using System.Text;

namespace Tessera.Native;

/// <summary>The sources of the native library, which ride inside of the assembly.</summary>
internal static class ShimSources
{
    private const string Prefix = "native/";

    private static readonly Assembly assembly = typeof(ShimSources).Assembly;

    private static IEnumerable<string> Names =>
        assembly.GetManifestResourceNames().Where(name => name.StartsWith(Prefix, StringComparison.Ordinal)).Order(StringComparer.Ordinal);

    /// <summary>A text that is another for other sources.</summary>
    internal static string Hash
    {
        get
        {
            using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            foreach (var name in Names)
            {
                hash.AppendData(Encoding.UTF8.GetBytes(name + '\0'));
                using var source = assembly.GetManifestResourceStream(name)!;
                var content = new byte[source.Length];
                source.ReadExactly(content);
                hash.AppendData(content);
            }
            return Convert.ToHexStringLower(hash.GetCurrentHash())[..12];
        }
    }

    /// <summary>Writes them into a folder.</summary>
    /// <param name="folder">The folder; it is made.</param>
    internal static void Write(string folder)
    {
        foreach (var name in Names)
        {
            var path = Path.Combine(folder, name[Prefix.Length..]);
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            using var source = assembly.GetManifestResourceStream(name)!;
            using var file = File.Create(path);
            source.CopyTo(file);
        }
    }
}
