namespace Tessera.Data.Imaging;

/// <summary>A format of image files that is read.</summary>
internal enum ImageFormat
{
    Jpeg,
    Png,
    WebP,
    Gif,
    Tiff,
    Bmp,
    Pnm,
}

/// <summary>Telling formats by the first bytes.</summary>
internal static class ImageFormats
{
    /// <summary>The format of a file; null where it is none of these.</summary>
    internal static ImageFormat? Of(ReadOnlySpan<byte> file) =>
        file.StartsWith<byte>([0xFF, 0xD8, 0xFF]) ? ImageFormat.Jpeg
        : file.StartsWith<byte>([0x89, (byte)'P', (byte)'N', (byte)'G']) ? ImageFormat.Png
        : file.StartsWith("GIF8"u8) ? ImageFormat.Gif
        : file.StartsWith("BM"u8) ? ImageFormat.Bmp
        : IsTiff(file) ? ImageFormat.Tiff
        : file.Length > 12 && file.StartsWith("RIFF"u8) && file[8..].StartsWith("WEBP"u8) ? ImageFormat.WebP
        : file.Length > 2 && file[0] == 'P' && file[1] is >= (byte)'1' and <= (byte)'6' ? ImageFormat.Pnm
        : null;

    // The fourth byte, or third, is 43 in BigTIFF.
    private static bool IsTiff(ReadOnlySpan<byte> file) =>
        file is [(byte)'I', (byte)'I', 42 or 43, 0, ..] or [(byte)'M', (byte)'M', 0, 42 or 43, ..];
}
