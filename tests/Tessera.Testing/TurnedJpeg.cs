namespace Tessera.Testing;

/// <summary>JPEG files as a camera writes them that was held upright: the pixels lie on their side, and a mark says so.</summary>
public static class TurnedJpeg
{
    // An Exif segment with a directory of one entry: orientation (0x112), a short, once, 6.
    private static readonly byte[] mark = Convert.FromHexString(
        "FFE1" + "0022" + "457869660000" + "49492A00" + "08000000" + "0100" + "1201" + "0300" + "01000000" + "06000000" + "00000000"
    );

    /// <summary>A file with such a mark.</summary>
    /// <param name="jpeg">The file without it.</param>
    public static byte[] Of(byte[] jpeg) => [.. jpeg[..2], .. mark, .. jpeg[2..]];
}
