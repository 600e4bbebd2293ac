using System.Text;

namespace Tessera.Checkpoints;

/// <summary>Reads numpy's .npy (one array) and .npz (a zip of them), in which JAX weights are published.</summary>
internal static class NumpyFile
{
    const string Suffix = ".npy";
    const int MaxHeader = 1 << 20;

    /// <summary>Whether a file begins like an .npy.</summary>
    public static bool Recognises(ReadOnlySpan<byte> head) => head.Length >= 10 && head[0] == 0x93 && head[1..].StartsWith("NUMPY"u8);

    /// <summary>Whether a zip archive is an .npz.</summary>
    public static bool Recognises(ZipDirectory zip) =>
        zip.Entries.Count > 0 && zip.Entries.All(entry => entry.Name.EndsWith(Suffix, StringComparison.Ordinal));

    /// <summary>All arrays by their names, without the suffix.</summary>
    public static CheckpointDictionary ReadArchive(FileBytes file, ZipDirectory zip)
    {
        var root = new CheckpointDictionary();
        foreach (var entry in zip.Entries)
        {
            var name = entry.Name[..^Suffix.Length];
            root[name] = ReadArray(file.Path, name, zip.Storage(entry));
        }
        return root;
    }

    /// <summary>A file with a single array.</summary>
    public static object ReadSingle(FileBytes file) => ReadArray(file.Path, "array", CheckpointStorage.Mapped(file, 0, file.Length));

    /// <summary>
    /// The array in a storage that begins with its header; an opaque record if its elements are no numbers. An array that cannot be read
    /// is refused when it is asked for.
    /// </summary>
    static object ReadArray(string path, string name, CheckpointStorage storage)
    {
        var head = storage.Head((int)Math.Min(storage.ByteLength, MaxHeader + 12));
        if (!Recognises(head))
            throw Bad("does not begin with numpy's signature");
        var wide = head[6] switch
        {
            1 => false,
            2 or 3 => true,
            var version => throw Bad($"has the unknown version {version}"),
        };
        if (wide && head.Length < 12)
            throw Bad("ends within its header");
        var start = wide ? 12 : 10;
        var length = wide ? BitConverter.ToUInt32(head[8..]) : BitConverter.ToUInt16(head[8..]);
        if (length > MaxHeader || length > head.Length - start)
            throw Bad($"has a header of {length} bytes, which exceeds the file or {MaxHeader}");
        var header = NumpyHeader.Parse(Encoding.Latin1.GetString(head.Slice(start, (int)length)));
        if (header is null)
            throw Bad("has a malformed header");
        if (header.Descr is ['|', 'O', ..] or ['O', ..])
            return CheckpointTensor.Refused(name, "object", array => new ForbiddenPickleException(
                path,
                "numpy.object_",
                $"array {array} holds pickled objects, which are not read"
            ));
        var type = new NumpyType(header.Descr, new CheckpointTuple());
        if (!type.TryElement(out var element))
            return new OpaqueRecord("numpy.ndarray", new CheckpointTuple(header.Descr));
        if (type.IsBigEndian)
            return type.Refused(path, name);

        var data = storage.Window(start + length);
        return NumpyArray.View(path, name, data, element, header.Shape, header.FortranOrder);

        CorruptCheckpointException Bad(string what) => new(path, $"array {name} {what}");
    }
}
