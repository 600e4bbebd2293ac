using System.Text;

namespace Tessera.Checkpoints;

/// <summary>Names files that people take for weights: what a download gave them instead, and other formats.</summary>
internal static class ForeignFile
{
    /// <summary>What the file is, and what to do; null for a file that begins like none of these.</summary>
    public static string? Recognise(ReadOnlySpan<byte> head)
    {
        if (head.Length > 262 && head[257..].StartsWith("ustar"u8))
            return "the file is a tar archive, as PyTorch 0.1 wrote them; unpack it, or load it in a PyTorch before 2.0 and save it again";
        if (head.StartsWith("version https://git-lfs"u8))
            return "the file is a Git LFS pointer, which stands for the weights in a repository; fetch them with git lfs pull";
        if (Packed(head) is { } packing)
            return $"the file is compressed with {packing}; decompress it first";
        if (head is [0x89, (byte)'H', (byte)'D', (byte)'F', ..])
            return "the file is HDF5, as Keras writes it, which is not supported; save the weights as safetensors or .npz";
        if (head.StartsWith("GGUF"u8))
            return "the file is GGUF, which is not supported; take the weights that it was made from";
        return Text(head);
    }

    static string? Packed(ReadOnlySpan<byte> head) =>
        head switch
        {
            [0x1f, 0x8b, ..] => "gzip",
            [(byte)'B', (byte)'Z', (byte)'h', >= (byte)'1' and <= (byte)'9', ..] => "bzip2",
            [0xfd, (byte)'7', (byte)'z', (byte)'X', (byte)'Z', ..] => "xz",
            [0x28, 0xb5, 0x2f, 0xfd, ..] => "zstd",
            [(byte)'7', (byte)'z', 0xbc, 0xaf, ..] => "7-Zip",
            [(byte)'R', (byte)'a', (byte)'r', (byte)'!', ..] => "RAR",
            _ => null,
        };

    static string? Text(ReadOnlySpan<byte> head)
    {
        var text = Encoding.Latin1.GetString(head).TrimStart('\u00ef', '\u00bb', '\u00bf', ' ', '\t', '\r', '\n');
        if (
            text.StartsWith("<!doctype", StringComparison.OrdinalIgnoreCase) || text.StartsWith("<html", StringComparison.OrdinalIgnoreCase)
        )
            return "the file is an HTML page, such as a server shows instead of a download; download the weights again";
        if (text.StartsWith("<?xml", StringComparison.Ordinal))
            return "the file is XML, such as a server's error message; download the weights again";
        return text.StartsWith('{') && text.AsSpan(1).TrimStart() is ['"' or '}', ..]
            ? "the file is JSON, not weights; an index of weights in several files must be called *.index.json"
            : null;
    }
}
