using System.Text;

namespace Tessera.Testing;

/// <summary>Small images as files: in PNM, whose pixels lie behind one line.</summary>
public static class Pnm
{
    /// <summary>A grey image of one value.</summary>
    /// <param name="value">The lowest eight bits count.</param>
    /// <param name="width">Columns.</param>
    /// <param name="height">Rows.</param>
    public static byte[] Grey(int value, int width = 2, int height = 2) =>
        Of("P5", width, height, Enumerable.Repeat((byte)value, width * height));

    /// <summary>An image in three colours of one value.</summary>
    /// <inheritdoc cref="Grey"/>
    public static byte[] Colored(int value, int width = 2, int height = 2) =>
        Of("P6", width, height, Enumerable.Repeat((byte)value, 3 * width * height));

    /// <summary>An image in colours.</summary>
    /// <param name="width">Columns.</param>
    /// <param name="height">Rows.</param>
    /// <param name="pixels">Red, green and blue of one pixel after the other.</param>
    public static byte[] Pixels(int width, int height, params IEnumerable<byte> pixels) => Of("P6", width, height, pixels);

    private static byte[] Of(string kind, int width, int height, IEnumerable<byte> pixels) =>
        [.. Encoding.ASCII.GetBytes(FormattableString.Invariant($"{kind}\n{width} {height}\n255\n")), .. pixels];
}
