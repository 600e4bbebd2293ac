using System.IO.Compression;
using Tessera.Checkpoints;
using static Tessera.Tests.Checkpoints.CheckpointFiles;

namespace Tessera.Tests.Checkpoints;

/// <summary>Files made to harm a reader, by name.</summary>
static class HostilePickles
{
    /// <summary>Pickles that would run something in Python, with the name that they would use first.</summary>
    public static IReadOnlyDictionary<string, byte[]> Calls(string marker)
    {
        var command = Text("touch " + marker);
        var python = Text($"open({marker}, 'w')");
        byte[] Call(string global, params object[] arguments) => Pickle("c", global.Replace(' ', '\n'), "\n(", Bytes(arguments), "tR");
        return new Dictionary<string, byte[]>
        {
            ["os.system"] = Call("os system", command),
            ["posix.system"] = Call("posix system", command),
            ["nt.system"] = Call("nt system", command),
            ["os.popen"] = Call("os popen", command),
            ["os.execv"] = Call("os execv", Text("/bin/sh"), "]"),
            ["subprocess.Popen"] = Call("subprocess Popen", command),
            ["subprocess.check_output"] = Call("subprocess check_output", command),
            ["pty.spawn"] = Call("pty spawn", command),
            ["builtins.eval"] = Call("builtins eval", python),
            ["builtins.exec"] = Call("builtins exec", python),
            ["builtins.compile"] = Call("builtins compile", python, Text(""), Text("exec")),
            ["builtins.open"] = Call("builtins open", Text(marker), Text("w")),
            ["builtins.__import__"] = Call("builtins __import__", Text("os")),
            ["builtins.getattr"] = Call("builtins getattr", "cbuiltins\n__import__\n(", Text("os"), "tR", Text("system")),
            ["__builtin__.eval"] = Call("__builtin__ eval", python),
            ["__builtin__.execfile"] = Call("__builtin__ execfile", Text(marker)),
            ["importlib.import_module"] = Call("importlib import_module", Text("os")),
            ["runpy._run_code"] = Call("runpy _run_code", python, "}"),
            ["pickle.loads"] = Call("pickle loads", command),
            ["_pickle.loads"] = Call("_pickle loads", command),
            ["torch.load"] = Call("torch load", Text(marker)),
            ["torch.hub.load"] = Call("torch.hub load", Text(marker), Text("x")),
            ["numpy.load"] = Call("numpy load", Text(marker)),
            ["numpy.testing._private.utils.runstring"] = Call("numpy.testing._private.utils runstring", python, "}"),
            ["shutil.rmtree"] = Call("shutil rmtree", Text(marker)),
            ["webbrowser.open"] = Call("webbrowser open", Text("http://127.0.0.1")),
            ["operator.attrgetter"] = Pickle("coperator\nattrgetter\n(", Text("system"), "tR(cos\nsystem\ntR"),
            ["functools.partial"] = Pickle("cfunctools\npartial\n(cos\nsystem\n", command, "tR)R"),
            ["types.FunctionType"] = Pickle("ctypes\nFunctionType\n)", 0x81),
            ["os.system by name from the stack"] = Bytes(0x80, 4, Text("os"), Text("system"), 0x93, "(", command, "tR."),
            ["os.system as a class"] = Bytes(0x80, 2, "cos\nsystem\n(", command, "t", 0x81, "."),
            ["os.system with keywords"] = Bytes(0x80, 4, "cos\nsystem\n(", command, "t}", 0x92, "."),
            ["torch._utils.os.system"] = Call("torch._utils os.system", command),
            ["copyreg._reconstructor"] = Call("copyreg _reconstructor", "cos\nsystem\n", "cbuiltins\nobject\n", "N"),
            ["collections.OrderedDict.__reduce__"] = Call("collections OrderedDict.__reduce__"),
            ["an unknown storage class"] = Torch(Pickle(Storage(type: "nn"))),
        };
    }

    /// <summary>Files that would break a careless reader, and the error that each has to give.</summary>
    public static IReadOnlyDictionary<string, (Func<byte[]> File, Type Error)> Traps { get; } =
        new Dictionary<string, (Func<byte[]>, Type)>
        {
            // Memory of the machine: memo and stack.
            ["get of an unset memo"] = Corrupt(() => Pickle("h", 5)),
            ["long get of an unset memo"] = Corrupt(() => Pickle("j", BitConverter.GetBytes(70000))),
            ["long get of the last memo"] = Corrupt(() => Pickle("j", BitConverter.GetBytes(uint.MaxValue))),
            ["put into the last memo"] = Corrupt(() => Pickle("}r", BitConverter.GetBytes(uint.MaxValue))),
            ["put of nothing"] = Corrupt(() => Pickle("q", 0)),
            ["put below a mark"] = Corrupt(() => Pickle("}(q", 0, "0")),
            ["memoize of nothing"] = Corrupt(() => Pickle(0x94)),
            ["setitems without a mark"] = Corrupt(() => Pickle("}u")),
            ["setitems on an empty stack"] = Corrupt(() => Pickle("(u")),
            ["setitems with a key too many"] = Corrupt(() => Pickle("}(K", 1, "u")),
            ["setitems on a number"] = Corrupt(() => Pickle("K", 1, "(K", 1, "K", 2, "u")),
            ["setitems on a tensor"] = Corrupt(() => Torch(Pickle(Storage(), "(K", 1, "K", 2, "u"))),
            ["setitem below a mark"] = Corrupt(() => Pickle("}(K", 1, "s")),
            ["setitem on an empty stack"] = Corrupt(() => Pickle("s")),
            ["appends without a mark"] = Corrupt(() => Pickle("]e")),
            ["appends on a dictionary"] = Corrupt(() => Pickle("}(K", 1, "e")),
            ["appends on an empty stack"] = Corrupt(() => Pickle("(K", 1, "e")),
            ["append to a string"] = Corrupt(() => Pickle(Text("a"), "K", 1, "a")),
            ["append to a tuple"] = Corrupt(() => Pickle(")K", 1, "a")),
            ["build on an empty stack"] = Corrupt(() => Pickle("b")),
            ["build on a number"] = Corrupt(() => Pickle("K", 1, "}b")),
            ["build on a tensor"] = Corrupt(() => Torch(Pickle(Storage(), "}b"))),
            ["tuple without a mark"] = Corrupt(() => Pickle("K", 1, "t")),
            ["tuple of three from two"] = Corrupt(() => Pickle("K", 1, "K", 1, 0x87)),
            ["tuple of two across a mark"] = Corrupt(() => Pickle("K", 1, "(K", 1, 0x86)),
            ["pop of nothing"] = Corrupt(() => Pickle("0")),
            ["pop mark without a mark"] = Corrupt(() => Pickle("1")),
            ["stop with nothing"] = Corrupt(() => Pickle()),
            ["stop with an open mark"] = Corrupt(() => Pickle("}(")),
            ["stop with two values"] = Corrupt(() => Pickle("}}")),
            ["reduce of a number"] = Corrupt(() => Pickle("K", 1, ")R")),
            ["reduce without a tuple"] = Corrupt(() => Pickle("ccollections\nOrderedDict\nK", 1, "R")),
            ["persistent id of a number"] = Corrupt(() => Torch(Pickle("K", 1, "Q"))),
            ["persistent id without storages"] = Corrupt(() => Pickle(Storage())),
            ["persistent id that is too short"] = Corrupt(() => Torch(Pickle("(", Text("storage"), "tQ"))),
            ["an instruction that instantiates"] = Corrupt(() => Pickle("(ios\nsystem\n")),
            ["an instruction that is unknown"] = Corrupt(() => Pickle(0xff)),
            ["a list as a key"] = Corrupt(() => Pickle("}]K", 1, "s")),

            // Lengths that lie.
            ["a long of more bytes than there are"] = Corrupt(() => Pickle(0x8a, 255, "a")),
            ["a long of two gigabytes"] = Corrupt(() => Pickle(0x8b, BitConverter.GetBytes(int.MaxValue), "a")),
            ["a long of minus one byte"] = Corrupt(() => Pickle(0x8b, BitConverter.GetBytes(-1), "a")),
            ["a long of a megabyte"] = Corrupt(() => Pickle(0x8b, BitConverter.GetBytes(1 << 20), new byte[1 << 20])),
            ["a text of 2^63 bytes"] = Corrupt(() => Pickle(0x8d, BitConverter.GetBytes(1UL << 63))),
            ["a text of 2^64 - 1 bytes"] = Corrupt(() => Pickle(0x8d, BitConverter.GetBytes(ulong.MaxValue))),
            ["a text of four gigabytes"] = Corrupt(() => Pickle("X", BitConverter.GetBytes(uint.MaxValue))),
            ["bytes of 2^62"] = Corrupt(() => Pickle(0x8e, BitConverter.GetBytes(1UL << 62))),
            ["a text that is no UTF-8"] = Corrupt(() => Pickle("X", BitConverter.GetBytes(2), 0xc3, 0x28)),
            ["a name without an end"] = Corrupt(() => Pickle("c", new string('a', 1 << 20))),
            ["a protocol from the future"] = Corrupt(() => Bytes(0x80, 4, 0x80, 9, "}.")),

            // Shapes of values.
            ["a list that contains itself"] = Corrupt(() => Pickle("]q", 0, "h", 0, "a")),
            ["a dictionary that contains itself"] = Corrupt(() => Pickle("}q", 0, "K", 1, "h", 0, "s")),
            ["a tuple that contains itself through a list"] = Corrupt(() => Pickle("]q", 0, 0x85, "q", 1, "0h", 0, "h", 1, "a")),
            ["an object that is its own state"] = Corrupt(() => Pickle("ca\nb\n)Rq", 0, "h", 0, "b")),
            ["an ordered dictionary as its own item"] = Corrupt(() =>
                Pickle("ccollections\nOrderedDict\n)Rq", 0, "h", 0, 0x85, "K", 1, "h", 0, "s0h", 0)
            ),
            ["nested marks"] = Corrupt(() => Pickle(new string('(', 1_000_000))),
            ["nested lists"] = Corrupt(() => Pickle(new string(']', 100_000), new string('a', 99_999))),
            ["nested tuples"] = Corrupt(() => Pickle(")", Enumerable.Repeat((byte)0x85, 500_000).ToArray())),
            ["lists doubled thirty times"] = Corrupt(() => Pickle(")", Bytes([.. Enumerable.Repeat<object>("2\u0086", 30)]))),
            ["a stack of millions"] = Corrupt(() => Pickle(new string('}', 1_100_000))),

            // Tensors that reach beyond their storage.
            ["a tensor beyond its storage"] = Corrupt(() => Torch(Pickle(Tensor(Int(0), Int(5), Int(1))))),
            ["a tensor at an offset beyond"] = Corrupt(() => Torch(Pickle(Tensor(Int(4), Int(1), Int(1))))),
            ["a tensor at a negative offset"] = Corrupt(() => Torch(Pickle(Tensor(Int(-1), Int(1), Int(1))))),
            ["a tensor at the largest offset"] = Corrupt(() => Torch(Pickle(Tensor(Long(long.MaxValue), Int(2), Int(1))))),
            ["a tensor of negative size"] = Corrupt(() => Torch(Pickle(Tensor(Int(0), Int(-4), Int(1))))),
            ["a tensor of negative stride"] = Corrupt(() => Torch(Pickle(Tensor(Int(3), Int(4), Int(-1))))),
            ["a tensor of overflowing size"] = Corrupt(() =>
                Torch(Pickle(Tensor(Int(0), Bytes(Long(1L << 32), Long(1L << 32)), Bytes(Int(0), Int(0)))))
            ),
            ["a tensor of overflowing stride"] = Corrupt(() => Torch(Pickle(Tensor(Int(0), Int(3), Long(1L << 62))))),
            ["a tensor of a stride that wraps to its start"] = Corrupt(() => Torch(Pickle(Tensor(Int(0), Int(5), Long(1L << 62))))),
            ["a tensor that repeats one element without end"] = Corrupt(() => Torch(Pickle(Tensor(Int(0), Long(1L << 40), Int(0))))),
            ["a tensor with fewer strides than sizes"] = Corrupt(() => Torch(Pickle(Tensor(Int(0), Bytes(Int(1), Int(1)), Int(1))))),
            ["a tensor of a text"] = Corrupt(() => Torch(Pickle(Tensor(Text("a"), Int(1), Int(1))))),
            ["a tensor without a storage"] = Corrupt(() => Torch(Pickle(Tensor(Int(0), Int(1), Int(1), storage: Bytes("N"))))),
            ["a tensor of hundred dimensions"] = Corrupt(() =>
                Torch(Pickle(Tensor(Int(0), Bytes([.. Enumerable.Repeat(Int(1), 100)]), Bytes([.. Enumerable.Repeat(Int(1), 100)]))))
            ),
            ["a storage of negative length"] = Corrupt(() => Torch(Pickle(Storage(count: Int(-4))))),
            ["a storage of overflowing length"] = Corrupt(() => Torch(Pickle(Storage(count: Long((1L << 62) + 4))))),
            ["a storage larger than its entry"] = Corrupt(() => Torch(Pickle(Storage(count: Int(5))))),
            ["a storage smaller than its entry"] = Corrupt(() => Torch(Pickle(Storage(count: Int(3))))),
            ["a storage that is not there"] = Corrupt(() => Torch(Pickle(Storage(key: "1")))),
            ["a storage outside of its folder"] = Corrupt(() => Torch(Pickle(Storage(key: "../data.pkl")))),
            ["an array whose shape wraps to its length"] = Corrupt(() => Pickle(Array("f4", Bytes(Long(1L << 62), Int(4)), 0))),
            ["an array longer than its bytes"] = Corrupt(() => Pickle(Array("f4", Int(1000), 4))),
            ["an array in a list before it is built"] = Corrupt(() => Pickle(Array("f4", Int(-1), 4))),
            ["a numpy number of a wrong length"] = Corrupt(() =>
                Pickle("cnumpy.core.multiarray\nscalar\n", Dtype("f8"), "C", 3, "abc", 0x86, "R")
            ),

            // Archives.
            ["a zip bomb in the pickle"] = Corrupt(() => Torch(new byte[200 << 20], CompressionLevel.SmallestSize)),
            ["a zip bomb in a storage"] = Corrupt(() =>
                Torch(Pickle(Storage("1", count: Int(50 << 20))), CompressionLevel.SmallestSize, ("archive/data/1", new byte[200 << 20]))
            ),
            ["a zip entry that unpacks to more than it says"] = Corrupt(() =>
                Shrunk(
                    Torch(
                        Pickle(Storage("1", "ByteStorage", Int(5))),
                        CompressionLevel.SmallestSize,
                        ("archive/data/1", new byte[1 << 20])
                    ),
                    1 << 20,
                    5
                )
            ),
            ["a zip entry that unpacks to less than it says"] = Corrupt(() =>
                Shrunk(
                    Torch(
                        Pickle(Storage("1", "ByteStorage", Int(1 << 20))),
                        CompressionLevel.SmallestSize,
                        ("archive/data/1", new byte[5])
                    ),
                    5,
                    1 << 20
                )
            ),
            ["a zip that is cut off"] = Corrupt(() => Torch(Pickle("}"))[..^30]),
            ["two pickles in one zip"] = Corrupt(() => Torch(Pickle("}"), CompressionLevel.NoCompression, ("other/data.pkl", Pickle("}")))),
            ["a big-endian zip"] = (
                () => Torch(Pickle("}"), CompressionLevel.NoCompression, ("archive/byteorder", "big"u8.ToArray())),
                typeof(UnsupportedCheckpointException)
            ),
            ["a TorchScript program"] = (
                () => Torch(Pickle("}"), CompressionLevel.NoCompression, ("archive/constants.pkl", Pickle("}"))),
                typeof(UnsupportedCheckpointException)
            ),
            ["a whole module"] = (
                () => Torch(Pickle("cmodels\nNet\n)", 0x81, "}(", Text("_parameters"), "}", Text("_modules"), "}ub")),
                typeof(UnsupportedCheckpointException)
            ),
            ["a whole module in the old format"] = (
                () => Legacy("(" + "X\u0006\0\0\0module" + "cmodels\nNet\nX\u0001\0\0\0fX\u0001\0\0\0stQ", "]"),
                typeof(UnsupportedCheckpointException)
            ),
            ["an old file that lacks a storage"] = Corrupt(() => Legacy(Storage(), "]")),
            ["an old file with a storage too many"] = Corrupt(() => Legacy("}", Bytes("]", Text("0"), "a"))),
            ["an old file with a lying storage"] = Corrupt(() =>
                Bytes(Legacy(Storage(), Bytes("]", Text("0"), "a")), BitConverter.GetBytes(long.MaxValue), new byte[16])
            ),
            ["a big-endian old file"] = (() => Legacy("}", "]", littleEndian: 0x89), typeof(UnsupportedCheckpointException)),
            ["a tar archive"] = (() => Bytes(new byte[257], "ustar", new byte[250]), typeof(UnsupportedCheckpointException)),
            ["an .npz of pickled objects"] = (
                () => Zip(CompressionLevel.NoCompression, ("a.npy", Npy("|O", "(1,)", Pickle("}")))),
                typeof(ForbiddenPickleException)
            ),
            ["an .npz whose shape wraps to its length"] = Corrupt(() =>
                Zip(CompressionLevel.NoCompression, ("a.npy", Npy("<f4", "(4611686018427387904, 4)", [])))
            ),
            ["an .npz with a shape beyond counting"] = Corrupt(() =>
                Zip(CompressionLevel.NoCompression, ("a.npy", Npy("<f4", "(99999999999999999999,)", [])))
            ),
            ["an .npz with a header of commas"] = Corrupt(() =>
                Zip(CompressionLevel.NoCompression, ("a.npy", Npy("<f4", "(" + new string('1', 30000) + new string(',', 30000), [])))
            ),
            ["a big-endian .npy"] = (() => Npy(">f4", "(1,)", new byte[4]), typeof(UnsupportedCheckpointException)),
            ["an empty file"] = Corrupt(() => []),
        };

    static (Func<byte[]>, Type) Corrupt(Func<byte[]> file) => (file, typeof(CorruptCheckpointException));

    public static byte[] Dtype(string descr) =>
        Bytes(
            "cnumpy\ndtype\n(",
            Text(descr),
            "K",
            0,
            "K",
            1,
            "tR(K",
            3,
            Text("<"),
            "NNNJ",
            BitConverter.GetBytes(-1),
            "J",
            BitConverter.GetBytes(-1),
            "K",
            0,
            "tb"
        );

    public static byte[] Array(string descr, byte[] shape, int length) =>
        Bytes(
            "cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K",
            0,
            "tC",
            1,
            "btR(K",
            1,
            "(",
            shape,
            "t",
            Dtype(descr),
            0x89,
            "C",
            length,
            new byte[length],
            "tb"
        );

    /// <summary>The format before PyTorch 1.6, without the storages.</summary>
    public static byte[] Legacy(object root, object keys, int littleEndian = 0x88) =>
        Bytes(
            Pickle(0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19),
            Pickle(Int(1001)),
            Pickle("}", Text("little_endian"), littleEndian, "s"),
            Pickle(root),
            Pickle(keys)
        );

    /// <summary>Changes a length wherever the archive states it.</summary>
    static byte[] Shrunk(byte[] zip, int from, int to)
    {
        var (old, wanted) = (BitConverter.GetBytes(from), BitConverter.GetBytes(to));
        for (var i = 0; i + 46 < zip.Length; i++)
            if (zip.AsSpan(i).StartsWith("PK\u0001\u0002"u8) && zip.AsSpan(i + 24, 4).SequenceEqual(old))
                wanted.CopyTo(zip, i + 24);
        return zip;
    }
}
