using System.Text;

namespace Tessera.Testing;

/// <summary>Writes as much of MATLAB's format as a test needs.</summary>
public static class MatWriter
{
    /// <summary>A file with one array of structures that all have the same fields, numbers and texts.</summary>
    public static byte[] Structures(string name, params (string Field, object Value)[][] items)
    {
        var fields = items[0].Select(entry => entry.Field).ToArray();
        var width = 32;
        byte[] names = [.. fields.SelectMany(field => Encoding.ASCII.GetBytes(field.PadRight(width, '\0')))];
        byte[] body =
        [
            .. Flags(2),
            .. Element(5, Ints(items.Length, 1)),
            .. Element(1, Encoding.ASCII.GetBytes(name)),
            .. Element(5, Ints(width)),
            .. Element(1, names),
            .. items.SelectMany(item =>
                item.SelectMany(entry =>
                    entry.Value is string text
                        ? Element(
                            14,
                            [
                                .. Flags(4),
                                .. Element(5, Ints(1, text.Length)),
                                .. Element(1, []),
                                .. Element(16, Encoding.UTF8.GetBytes(text)),
                            ]
                        )
                        : Element(
                            14,
                            [
                                .. Flags(6),
                                .. Element(5, Ints(1, 1)),
                                .. Element(1, []),
                                .. Element(9, BitConverter.GetBytes((double)entry.Value)),
                            ]
                        )
                )
            ),
        ];
        var header = new byte[128];
        (header[125], header[126], header[127]) = (1, (byte)'I', (byte)'M');
        return [.. header, .. Element(14, body)];
    }

    /// <summary>A file with one matrix.</summary>
    /// <param name="name">Of the variable.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="columns">Columns.</param>
    /// <param name="values">Column by column.</param>
    public static byte[] Matrix(string name, int rows, int columns, double[] values)
    {
        byte[] body =
        [
            .. Flags(6),
            .. Element(5, Ints(rows, columns)),
            .. Element(1, Encoding.ASCII.GetBytes(name)),
            .. Element(9, [.. values.SelectMany(BitConverter.GetBytes)]),
        ];
        var header = new byte[128];
        Encoding.ASCII.GetBytes("MATLAB 5.0 MAT-file").CopyTo(header, 0);
        (header[125], header[126], header[127]) = (1, (byte)'I', (byte)'M');
        return [.. header, .. Element(14, body)];
    }

    private static byte[] Flags(byte kind) => Element(6, [kind, 0, 0, 0, 0, 0, 0, 0]);

    private static byte[] Ints(params int[] values) => [.. values.SelectMany(BitConverter.GetBytes)];

    private static byte[] Element(int type, byte[] data) => [.. Ints(type, data.Length), .. data, .. new byte[(8 - data.Length % 8) % 8]];
}
