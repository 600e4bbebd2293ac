using System.Collections.Frozen;
using System.Numerics;
using System.Text;

namespace Tessera.Checkpoints;

/// <summary>Builds a value from the arguments of a function or class on the allow list.</summary>
internal delegate object? Rebuild(CheckpointTuple arguments, in PickleCursor at, string path);

/// <summary>
/// The allow list: what PyTorch and numpy write for tensors, arrays, numbers and plain containers. Every entry builds a
/// plain value in C#.
/// </summary>
internal static class Rebuilders
{
    static readonly string[] numpyCores = ["numpy.core.multiarray", "numpy._core.multiarray"];
    static readonly string[] builtins = ["builtins", "__builtin__"];

    /// <summary>Types that a defaultdict names for its missing values.</summary>
    static readonly string[] plainTypes = ["int", "float", "str", "bool", "list", "dict", "tuple"];

    static readonly FrozenDictionary<GlobalReference, Rebuild> known = Known().ToFrozenDictionary();

    /// <summary>Whether a pickle may name this in strict mode.</summary>
    public static bool Allows(GlobalReference global) =>
        known.ContainsKey(global)
        || Type(global, out _)
        || global is { Module: "numpy", Name: "ndarray" }
        || global is { Module: "torch", Name: "Tensor" }
        || (Array.IndexOf(builtins, global.Module) >= 0 && Array.IndexOf(plainTypes, global.Name) >= 0)
        || global is { Module: "torch.storage", Name: "_TypedStorage" or "TypedStorage" };

    /// <summary>The value that calling <paramref name="global"/> stands for, if it is on the list.</summary>
    public static bool TryGet(GlobalReference global, out Rebuild rebuild) => known.TryGetValue(global, out rebuild!);

    /// <summary>The element type that a torch storage class or dtype names.</summary>
    public static bool Type(GlobalReference global, out ElementType type)
    {
        type = default;
        return (global.Module is "torch" or "torch.cuda" or "torch.storage" && ElementType.FromTorchStorage(global.Name, out type))
            || (global.Module == "torch" && ElementType.FromTorchType(global.Name, out type));
    }

    /// <summary>A tuple of integers.</summary>
    public static long[] Integers(CheckpointTuple tuple, string what, in PickleCursor at)
    {
        var numbers = new long[tuple.Count];
        for (var i = 0; i < numbers.Length; i++)
            numbers[i] = tuple[i] is long number ? number : throw at.Corrupt($"{what} must hold 64-bit integers");
        return numbers;
    }

    static Dictionary<GlobalReference, Rebuild> Known()
    {
        var table = new Dictionary<GlobalReference, Rebuild>
        {
            [new("collections", "OrderedDict")] = Dictionary,
            [new("collections", "Counter")] = Dictionary,
            // The type of missing values is of no use here.
            [new("collections", "defaultdict")] = (CheckpointTuple arguments, in PickleCursor at, string path) =>
                Dictionary(new CheckpointTuple([.. arguments.Skip(1)]), at, path),
            [new("collections", "deque")] = (CheckpointTuple arguments, in PickleCursor at, string _) =>
                arguments.Count == 0 ? new List<object?>() : Items(arguments[0], at).ToList(),
            [new("torch._utils", "_rebuild_tensor_v2")] = Tensor,
            [new("torch._utils", "_rebuild_tensor")] = Tensor,
            [new("torch._utils", "_rebuild_tensor_v3")] = TypedTensor,
            [new("torch._utils", "_rebuild_parameter")] = Parameter,
            [new("torch._utils", "_rebuild_parameter_with_state")] = Parameter,
            [new("torch._utils", "_rebuild_device_tensor_from_numpy")] = Parameter,
            [new("torch._tensor", "_rebuild_from_type")] = OfSubclass,
            [new("torch._tensor", "_rebuild_from_type_v2")] = OfSubclass,
            [new("torch", "Size")] = (CheckpointTuple arguments, in PickleCursor at, string _) =>
                arguments is [var sizes] ? Items(sizes, at) : throw at.Corrupt("torch.Size takes one tuple"),
            [new("torch", "device")] = (CheckpointTuple arguments, in PickleCursor _, string _) =>
                new OpaqueRecord("torch.device", arguments),
            [new("numpy", "dtype")] = (CheckpointTuple arguments, in PickleCursor at, string _) =>
                arguments is [string descr, ..] && descr.Length <= 64
                    ? new NumpyType(descr, arguments)
                    : throw at.Corrupt("numpy.dtype takes a type string"),
            [new("_codecs", "encode")] = Encode,
            [new("argparse", "Namespace")] = (CheckpointTuple arguments, in PickleCursor _, string _) =>
                new OpaqueRecord("argparse.Namespace", arguments),
        };
        foreach (var module in numpyCores)
        {
            table[new(module, "_reconstruct")] = (CheckpointTuple arguments, in PickleCursor _, string _) => new NumpyArray(arguments);
            table[new(module, "scalar")] = (CheckpointTuple arguments, in PickleCursor at, string _) =>
                arguments is [NumpyType type, ..] ? type.Scalar(arguments, at) : throw at.Corrupt("a numpy scalar takes a dtype");
        }
        foreach (var module in new[] { "numpy.core.numeric", "numpy._core.numeric" })
            table[new(module, "_frombuffer")] = NumpyArray.FromBuffer;
        foreach (var module in builtins)
        {
            table[new(module, "bytes")] = Bytes;
            table[new(module, "bytearray")] = Bytes;
            table[new(module, "set")] = (CheckpointTuple arguments, in PickleCursor at, string _) =>
                arguments.Count == 0 ? new List<object?>() : Items(arguments[0], at).ToList();
            table[new(module, "frozenset")] = (CheckpointTuple arguments, in PickleCursor at, string _) =>
                arguments.Count == 0 ? arguments : Items(arguments[0], at);
            table[new(module, "slice")] = (CheckpointTuple arguments, in PickleCursor _, string _) => arguments;
            table[new(module, "complex")] = (CheckpointTuple arguments, in PickleCursor at, string _) =>
                arguments is [double real, double imaginary]
                    ? new Complex(real, imaginary)
                    : throw at.Corrupt("a complex number takes two floats");
        }
        return table;
    }

    static CheckpointTuple Items(object? value, in PickleCursor at) =>
        value switch
        {
            CheckpointTuple tuple => tuple,
            List<object?> list => new CheckpointTuple([.. list]),
            _ => throw at.Corrupt("a list or a tuple was expected"),
        };

    static CheckpointDictionary Dictionary(CheckpointTuple arguments, in PickleCursor at, string path)
    {
        var dictionary = new CheckpointDictionary();
        if (arguments.Count == 0)
            return dictionary;
        if (arguments[0] is CheckpointDictionary given)
        {
            foreach (var (key, value) in given)
                dictionary[key] = value;
            return dictionary;
        }
        // Python 2 wrote the items as a list of pairs.
        foreach (var item in Items(arguments[0], at))
        {
            if (Items(item, at) is not [var key, var value])
                throw at.Corrupt("an OrderedDict takes pairs");
            dictionary[PickleMachine.Hashable(key, at)] = value;
        }
        return dictionary;
    }

    static object Tensor(CheckpointTuple arguments, in PickleCursor at, string path) =>
        // A storage of an unknown class is only a placeholder, and so is the tensor over it.
        arguments is [OpaqueRecord storage, ..]
            ? new OpaqueRecord($"torch._utils._rebuild_tensor over {storage.TypeName}", arguments)
            : Tensor(arguments, null, at);

    static object TypedTensor(CheckpointTuple arguments, in PickleCursor at, string path)
    {
        if (arguments is not [_, _, _, _, _, _, GlobalReference type, ..])
            throw at.Corrupt("_rebuild_tensor_v3 takes the name of an element type");
        return Type(type, out var element)
            ? Tensor(arguments, element, at)
            : new OpaqueRecord($"torch._utils._rebuild_tensor of {type}", arguments);
    }

    static CheckpointTensor Tensor(CheckpointTuple arguments, ElementType? type, in PickleCursor at)
    {
        // A storage comes as the one-dimensional tensor of all of it.
        if (arguments is not [CheckpointTensor storage, long offset, CheckpointTuple sizes, CheckpointTuple strides, ..])
            throw at.Corrupt("a tensor takes a storage, an offset, sizes and strides");
        if (offset < 0 || offset > long.MaxValue - storage.StorageOffset)
            throw at.Corrupt($"a tensor begins at element {offset} of its storage");
        return CheckpointTensor.View(
            storage.Name,
            storage.Storage,
            type ?? storage.ElementType,
            storage.StorageOffset + offset,
            Integers(sizes, "a tensor's shape", at),
            Integers(strides, "a tensor's strides", at)
        );
    }

    static object Parameter(CheckpointTuple arguments, in PickleCursor at, string path) =>
        arguments is [CheckpointTensor or OpaqueRecord, ..] ? arguments[0]! : throw at.Corrupt("a parameter takes a tensor");

    /// <summary>A tensor of a class derived from Tensor: (function that makes the plain tensor, class, its arguments, state).</summary>
    static object OfSubclass(CheckpointTuple arguments, in PickleCursor at, string path) =>
        arguments is [GlobalReference function, GlobalReference, CheckpointTuple inner, ..]
        && function.Module == "torch._utils"
        && known.TryGetValue(function, out var rebuild)
            ? rebuild(inner, at, path)!
            : new OpaqueRecord("torch._tensor._rebuild_from_type", arguments);

    static byte[] Encode(CheckpointTuple arguments, in PickleCursor at, string path) =>
        arguments is [string text, "latin1" or "latin-1"] && NumpyArray.AsBytes(text) is { } bytes
            ? bytes
            : throw at.Corrupt("text must be encoded as latin1");

    static byte[] Bytes(CheckpointTuple arguments, in PickleCursor at, string path) =>
        arguments switch
        {
            [] => Array.Empty<byte>(),
            [byte[] bytes] => bytes,
            [string text, "latin1" or "latin-1"] when NumpyArray.AsBytes(text) is { } bytes => bytes,
            [List<object?> numbers] when numbers.All(x => x is >= 0L and <= 255L) => numbers.Select(x => (byte)(long)x!).ToArray(),
            _ => throw at.Corrupt("bytes cannot be made of this value"),
        };
}
