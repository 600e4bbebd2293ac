using System.Runtime.InteropServices;
using Tessera.Data.Imaging.Codecs;

namespace Tessera.Data.Imaging;

/// <summary>Looking for what is odd in image files that can be read: nothing of it is an error, all of it may be one.</summary>
internal static class SuspiciousImages
{
    // Files of a few bytes may end with some zeros, and small pictures with some rows of one colour.
    private const int FewestZeros = 32;
    private const int FewestRows = 16;
    private const int FewestPixels = 16;
    private const int LowestBright = 256;

    /// <summary>What is suspicious of a file, in a few words each; nothing for most.</summary>
    /// <remarks>
    /// One colour all over or in the lower part, zeros at the end of a file that is compressed, values of 16 bits that are dark when they
    /// are cut to 8, bytes that the decoder skips. The file is decoded whole, some rows at a time.
    /// </remarks>
    /// <param name="path">The file.</param>
    /// <param name="maxPixels">Most pixels that it may have.</param>
    /// <exception cref="UnreadableImageException">The file cannot be read at all.</exception>
    public static IReadOnlyList<string> Find(string path, long maxPixels = ImageDecoder.LargestImage)
    {
        var file = ImageDecoder.ReadFile(path);
        using var image = ImageDecoder.Load(path, file, new(MaxPixels: maxPixels));
        var found = new List<string>();
        var pixels = new Pixels(image);
        if (pixels.IsOneColor && image.Height * image.Width >= (image.IsWide ? 2 : FewestPixels))
            found.Add($"all pixels have the same value ({pixels.LastColor})");
        else if (pixels.EqualRows >= FewestRows && pixels.EqualRows >= image.Height / 4)
            found.Add($"the lowest {pixels.EqualRows} of {image.Height} rows have one colour ({pixels.LastColor})");
        if (image.IsWide && pixels.Largest < LowestBright)
            found.Add($"16 bits per value, and none is above {pixels.Largest}: only the upper 8 bits are used, which are 0");
        var zeros = file.Length - 1 - file.AsSpan().LastIndexOfAnyExcept((byte)0);
        if (zeros >= FewestZeros && IsCompressed(file))
            found.Add($"the last {zeros} of {file.Length} bytes are 0");
        if (file is [0xFF, 0xD8, ..] && JpegSegments.Strays(file) is > 0 and var strays)
            found.Add($"{strays} bytes of the header belong to no segment");
        foreach (var remark in image.Remarks(image.Height))
            found.Add($"the decoder remarks: {VipsRemarks.Text([remark])}");
        return found;
    }

    // Where zeros are no black pixels.
    private static bool IsCompressed(ReadOnlySpan<byte> file) =>
        ImageFormats.Of(file) is ImageFormat.Jpeg or ImageFormat.Png or ImageFormat.WebP or ImageFormat.Gif;

    /// <summary>What is known of the pixels of an image after it was read.</summary>
    private sealed class Pixels
    {
        private readonly VipsImage image;
        private byte[] color = [];

        internal Pixels(VipsImage image)
        {
            this.image = image;
            image.Read(new(0, 0, image.Height, image.Width), Take);
        }

        /// <summary>Rows at the bottom that have the colour of the last pixel and no other.</summary>
        internal int EqualRows { get; private set; }

        internal bool IsOneColor => EqualRows == image.Height;

        /// <summary>Largest value of an image of 16 bits.</summary>
        internal int Largest { get; private set; }

        internal string LastColor =>
            string.Join(
                ", ",
                image.IsWide ? MemoryMarshal.Cast<byte, ushort>(color).ToArray().Select(v => (int)v) : color.Select(v => (int)v)
            );

        private void Take(ReadOnlySpan<byte> pixels, int top, int height)
        {
            var (size, row) = (image.Bands * (image.IsWide ? 2 : 1), pixels.Length / height);
            for (var y = 0; y < height; y++)
            {
                var values = pixels.Slice(y * row, row);
                // Every pixel is as the one before it.
                if (!values[size..].SequenceEqual(values[..^size]))
                    EqualRows = 0;
                else if (!values[..size].SequenceEqual(color))
                    EqualRows = 1;
                else
                    EqualRows++;
                color = values[^size..].ToArray();
            }
            if (image.IsWide)
                foreach (var value in MemoryMarshal.Cast<byte, ushort>(pixels))
                    Largest = Math.Max(Largest, value);
        }
    }
}
