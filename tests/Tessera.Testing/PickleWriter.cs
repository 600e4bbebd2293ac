using System.Buffers.Binary;
using System.Collections;
using System.Text;

namespace Tessera.Testing;

/// <summary>Small pickles of protocol 2: dictionaries, lists, texts, whole numbers, floats, truth values and None.</summary>
public static class PickleWriter
{
    /// <summary>The bytes of a value.</summary>
    /// <param name="value">A dictionary with texts as keys, a list, or a plain value.</param>
    public static byte[] Of(object? value)
    {
        using var stream = new MemoryStream();
        stream.Write([0x80, 2]);
        Write(stream, value);
        stream.WriteByte((byte)'.');
        return stream.ToArray();
    }

    private static void Write(MemoryStream stream, object? value)
    {
        switch (value)
        {
            case null:
                stream.WriteByte((byte)'N');
                break;
            case bool truth:
                stream.WriteByte((byte)(truth ? 0x88 : 0x89));
                break;
            case string text:
                var bytes = Encoding.UTF8.GetBytes(text);
                stream.WriteByte((byte)'X');
                stream.Write(BitConverter.GetBytes(bytes.Length));
                stream.Write(bytes);
                break;
            case int number:
                stream.WriteByte((byte)'J');
                stream.Write(BitConverter.GetBytes(number));
                break;
            case double number:
                var big = new byte[8];
                BinaryPrimitives.WriteDoubleBigEndian(big, number);
                stream.WriteByte((byte)'G');
                stream.Write(big);
                break;
            case IReadOnlyDictionary<string, object?> fields:
                stream.Write("}("u8);
                foreach (var (key, one) in fields)
                {
                    Write(stream, key);
                    Write(stream, one);
                }
                stream.WriteByte((byte)'u');
                break;
            case IEnumerable list:
                stream.Write("]("u8);
                foreach (var one in list)
                    Write(stream, one);
                stream.WriteByte((byte)'e');
                break;
            default:
                throw new NotSupportedException($"a pickle of {value.GetType()}");
        }
    }
}
