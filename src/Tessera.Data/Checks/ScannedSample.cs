using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace Tessera.Data.Checks;

/// <summary>SHA-256 of a sample's bytes.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly record struct Fingerprint(ulong First, ulong Second, ulong Third, ulong Fourth)
{
    internal static Fingerprint Of(ReadOnlySpan<byte> bytes)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(bytes, hash);
        return MemoryMarshal.Read<Fingerprint>(hash);
    }
}

/// <summary>What is known of a sample once it was read; 0 for what is not.</summary>
/// <param name="Content">Its bytes, or its pixels; null where they were not hashed or cannot be read.</param>
/// <param name="Height">Rows of an image.</param>
/// <param name="Width">Columns of an image.</param>
/// <param name="Channels">Values of a pixel.</param>
/// <param name="Orientation">Mark of the camera's orientation.</param>
/// <param name="Problem">Why it cannot be read; null where it can.</param>
/// <param name="Suspicions">What looks wrong with it.</param>
internal sealed record ScannedSample(
    Fingerprint? Content,
    int Height,
    int Width,
    int Channels,
    int Orientation,
    string? Problem,
    IReadOnlyList<string> Suspicions
)
{
    internal static ScannedSample Unknown { get; } = new(null, 0, 0, 0, 1, null, []);

    /// <summary>Its size as training sees it; null where that is not known.</summary>
    internal ImageSize? Seen { get; init; }

    /// <summary>Its masks; null where the samples have no boxes, or masks were not looked at.</summary>
    internal ScannedObjects? Objects { get; init; }

    /// <summary>Its label map; null where the samples have none.</summary>
    internal ScannedMap? Map { get; init; }
}
