using System.Numerics;
using System.Text;

namespace Tessera.Checkpoints;

/// <summary>Resolves a persistent id, the reference of a pickle to a storage outside of it: a tensor, or a placeholder.</summary>
internal delegate object PersistentLoad(CheckpointTuple id, in PickleCursor at);

/// <summary>
/// Reads pickles as data. Instructions build plain values; a class or function is only a name
/// (<see cref="GlobalReference"/>), and calling one that is not on the allow list (<see cref="Rebuilders"/>) yields an
/// <see cref="OpaqueRecord"/>, or an error in strict mode.
/// </summary>
internal sealed class PickleMachine(string path, CheckpointOptions options, PersistentLoad? persistentLoad = null)
{
    const int LongestInteger = 1 << 16,
        MostForeignNames = 256,
        StepsBetweenLooks = 1 << 14;

    readonly PickleLimits limits = options.Limits;
    readonly PickleStack stack = new(options.Limits.MaxValues, options.Limits.MaxNesting);
    readonly PickleMemo memo = new(options.Limits.MaxMemo);
    int containers;
    int steps;

    /// <summary>Reads one pickle with a machine of its own.</summary>
    /// <param name="bytes">Bytes that begin with the pickle.</param>
    /// <param name="path">File, for messages.</param>
    /// <param name="options">Limits, strictness.</param>
    /// <param name="persistentLoad">Resolves references to storages; null where there can be none.</param>
    /// <param name="length">Bytes that the pickle took.</param>
    /// <exception cref="CorruptCheckpointException">The pickle is damaged or exceeds a limit.</exception>
    /// <exception cref="ForbiddenPickleException">Strict mode, and a name that is not on the allow list.</exception>
    public static object? Load(
        ReadOnlySpan<byte> bytes,
        string path,
        CheckpointOptions options,
        PersistentLoad? persistentLoad,
        out int length
    )
    {
        var cursor = new PickleCursor(bytes, path);
        var value = new PickleMachine(path, options, persistentLoad).Run(ref cursor);
        new ValueTree(path, options.Limits).Check(value);
        length = cursor.Position;
        return value;
    }

    object? Run(ref PickleCursor at)
    {
        while (true)
        {
            if (++steps % StepsBetweenLooks == 0)
                options.Stop.ThrowIfCancellationRequested();
            var op = (PickleOp)at.Byte();
            if (op == PickleOp.Stop)
                return stack.HoldsResult ? stack.Pop(at) : throw at.Corrupt("it must end with exactly one value");
            Step(op, ref at);
        }
    }

    void Step(PickleOp op, ref PickleCursor at)
    {
        switch (op)
        {
            case PickleOp.Proto:
                if (at.Byte() is var version and > 5)
                    throw at.Refused($"the protocol must be at most 5, not {version}");
                break;
            case PickleOp.Frame:
                at.UInt64();
                break;
            case PickleOp.Mark:
                stack.Mark(at);
                break;
            case PickleOp.Pop:
                stack.Pop(at);
                break;
            case PickleOp.PopMark:
                stack.PopToMark(at);
                break;
            case PickleOp.Dup:
                stack.Push(stack.Peek(at), at);
                break;

            case PickleOp.None:
                stack.Push(null, at);
                break;
            case PickleOp.NewTrue:
                stack.Push(Boxes.True, at);
                break;
            case PickleOp.NewFalse:
                stack.Push(Boxes.False, at);
                break;
            case PickleOp.Int or PickleOp.Long:
                stack.Push(PickleText.Integer(ref at), at);
                break;
            case PickleOp.BinInt:
                stack.Push((long)at.Int32(), at);
                break;
            case PickleOp.BinInt1:
                stack.Push(Boxes.Bytes[at.Byte()], at);
                break;
            case PickleOp.BinInt2:
                stack.Push((long)at.UInt16(), at);
                break;
            case PickleOp.Long1:
                stack.Push(Integer(at.Take(at.Byte())), at);
                break;
            case PickleOp.Long4:
                stack.Push(LongInteger(ref at), at);
                break;
            case PickleOp.Float:
                stack.Push(PickleText.Float(ref at), at);
                break;
            case PickleOp.BinFloat:
                stack.Push(at.Double(), at);
                break;

            case PickleOp.ShortBinUnicode:
                stack.Push(at.Text(at.Byte()), at);
                break;
            case PickleOp.BinUnicode:
                stack.Push(at.Text(at.UInt32()), at);
                break;
            case PickleOp.BinUnicode8:
                stack.Push(at.Text(at.UInt64()), at);
                break;
            case PickleOp.Unicode:
                stack.Push(PickleText.Unicode(ref at), at);
                break;
            // Python 2's strings may be text or bytes; Latin-1 keeps both.
            case PickleOp.String:
                stack.Push(PickleText.Quoted(ref at), at);
                break;
            case PickleOp.ShortBinString:
                stack.Push(Encoding.Latin1.GetString(at.Take(at.Byte())), at);
                break;
            case PickleOp.BinString:
                stack.Push(Encoding.Latin1.GetString(at.Take(at.UInt32())), at);
                break;
            case PickleOp.ShortBinBytes:
                stack.Push(at.Take(at.Byte()).ToArray(), at);
                break;
            case PickleOp.BinBytes:
                stack.Push(at.Take(at.UInt32()).ToArray(), at);
                break;
            case PickleOp.BinBytes8 or PickleOp.ByteArray8:
                stack.Push(at.Take(at.UInt64()).ToArray(), at);
                break;
            case PickleOp.NextBuffer or PickleOp.ReadOnlyBuffer:
                throw new UnsupportedCheckpointException(
                    path,
                    "the pickle keeps its arrays in buffers outside of the file; pickle it again without a buffer_callback"
                );

            case PickleOp.EmptyTuple:
                stack.Push(Boxes.EmptyTuple, at);
                break;
            case PickleOp.Tuple:
                PushContainer(new CheckpointTuple(stack.PopToMark(at)), at);
                break;
            case PickleOp.Tuple1:
                PushContainer(new CheckpointTuple(stack.Pop(1, at)), at);
                break;
            case PickleOp.Tuple2:
                PushContainer(new CheckpointTuple(stack.Pop(2, at)), at);
                break;
            case PickleOp.Tuple3:
                PushContainer(new CheckpointTuple(stack.Pop(3, at)), at);
                break;
            case PickleOp.FrozenSet:
                PushContainer(new CheckpointTuple(stack.PopToMark(at)), at);
                break;
            case PickleOp.EmptyList or PickleOp.EmptySet:
                PushContainer(new List<object?>(), at);
                break;
            case PickleOp.List:
                PushContainer(stack.PopToMark(at).ToList(), at);
                break;
            case PickleOp.EmptyDict:
                PushContainer(new CheckpointDictionary(), at);
                break;
            case PickleOp.Dict:
                var items = stack.PopToMark(at);
                PushContainer(new CheckpointDictionary(), at);
                SetItems(stack.Peek(at), items, at);
                break;

            case PickleOp.Append:
                Append([stack.Pop(at)], at);
                break;
            case PickleOp.Appends or PickleOp.AddItems:
                Append(stack.PopToMark(at), at);
                break;
            case PickleOp.SetItem:
                var pair = stack.Pop(2, at);
                SetItems(stack.Peek(at), pair, at);
                break;
            case PickleOp.SetItems:
                var pairs = stack.PopToMark(at);
                SetItems(stack.Peek(at), pairs, at);
                break;

            case PickleOp.Put:
                memo.Put(PickleText.Index(ref at), stack.Peek(at), at);
                break;
            case PickleOp.BinPut:
                memo.Put(at.Byte(), stack.Peek(at), at);
                break;
            case PickleOp.LongBinPut:
                memo.Put(at.UInt32(), stack.Peek(at), at);
                break;
            case PickleOp.Memoize:
                memo.Append(stack.Peek(at), at);
                break;
            case PickleOp.Get:
                stack.Push(memo.Get(PickleText.Index(ref at), at), at);
                break;
            case PickleOp.BinGet:
                stack.Push(memo.Get(at.Byte(), at), at);
                break;
            case PickleOp.LongBinGet:
                stack.Push(memo.Get(at.UInt32(), at), at);
                break;

            case PickleOp.Global:
                stack.Push(Name(at.Line(), at.Line(), at), at);
                break;
            case PickleOp.StackGlobal:
                stack.Push(
                    stack.Pop(2, at) is [string module, string name]
                        ? Name(module, name, at)
                        : throw at.Corrupt("the name of a global must be text"),
                    at
                );
                break;
            case PickleOp.Reduce or PickleOp.NewObj:
                Call(stack.Pop(2, at), at);
                break;
            case PickleOp.NewObjEx:
                Call(stack.Pop(3, at)[..2], at);
                break;
            case PickleOp.Build:
                Build(at);
                break;
            case PickleOp.BinPersId:
                if (persistentLoad is null)
                    throw at.Corrupt("it refers to a storage, and the file has none");
                stack.Push(
                    stack.Pop(at) is CheckpointTuple id ? persistentLoad(id, at) : throw at.Corrupt("a persistent id must be a tuple"),
                    at
                );
                break;
            default:
                throw at.Refused($"the instruction 0x{(byte)op:x2} does not belong in data");
        }
    }

    /// <summary>Keys that Python could hash.</summary>
    public static object? Hashable(object? key, in PickleCursor at) =>
        key switch
        {
            List<object?> or CheckpointDictionary => throw at.Corrupt("a key must not be a list or a dictionary"),
            _ => key,
        };

    void PushContainer(object container, in PickleCursor at)
    {
        CountContainer(at);
        stack.Push(container, at);
    }

    void CountContainer(in PickleCursor at)
    {
        if (++containers > limits.MaxContainers)
            throw at.Refused($"it creates more than {limits.MaxContainers} containers");
    }

    /// <summary>An integer of any length: a long, or a BigInteger where it does not fit.</summary>
    public static object Integer(ReadOnlySpan<byte> twosComplement) => PickleText.Fitting(new BigInteger(twosComplement));

    static object LongInteger(ref PickleCursor at)
    {
        var length = at.UInt32();
        return length <= LongestInteger
            ? Integer(at.Take(length))
            : throw at.Refused($"an integer must have at most {LongestInteger} bytes, not {length}");
    }

    GlobalReference Name(string module, string name, in PickleCursor at)
    {
        if (module.Length == 0 || name.Length == 0 || module.Length > 512 || name.Length > 512)
            throw at.Corrupt("the module and the name of a global must have 1 to 512 characters each");
        var global = new GlobalReference(module, name);
        if (Rebuilders.Allows(global))
            return global;
        if (options.Strict)
            throw new ForbiddenPickleException(
                path,
                global.ToString(),
                $"the pickle names {global}, which is not on the allow list; nothing was called"
            );
        // A short file can combine its words to millions of names.
        if (options.ForeignNames is { Count: < MostForeignNames } names)
            names.Add(global.ToString());
        return global;
    }

    void Append(object?[] items, in PickleCursor at)
    {
        switch (stack.Peek(at))
        {
            case List<object?> list:
                list.AddRange(items);
                break;
            case OpaqueRecord record and not (NumpyType or NumpyArray):
                foreach (var item in items)
                    record.Add(item);
                break;
            default:
                throw at.Corrupt("items can be appended to a list only");
        }
    }

    static void SetItems(object? target, object?[] items, in PickleCursor at)
    {
        if (items.Length % 2 != 0)
            throw at.Corrupt("a key has no value");
        switch (target)
        {
            case CheckpointDictionary dictionary:
                for (var i = 0; i < items.Length; i += 2)
                    dictionary[Hashable(items[i], at)] = items[i + 1];
                break;
            case OpaqueRecord record and not (NumpyType or NumpyArray):
                foreach (var item in items)
                    record.Add(item);
                break;
            default:
                throw at.Corrupt("items can be set in a dictionary only");
        }
    }

    void Call(object?[] callableAndArguments, in PickleCursor at)
    {
        if (callableAndArguments[1] is not CheckpointTuple arguments)
            throw at.Corrupt("the arguments of a call must be a tuple");
        PushContainer(
            callableAndArguments[0] switch
            {
                GlobalReference global when Rebuilders.TryGet(global, out var rebuild) => rebuild(arguments, at, path)!,
                GlobalReference global => new OpaqueRecord(global.ToString(), arguments),
                // What a placeholder would have returned is a placeholder too.
                OpaqueRecord record and not (NumpyType or NumpyArray) => new OpaqueRecord(record.TypeName + "()", arguments),
                _ => throw at.Corrupt("only a class or a function can be called"),
            },
            at
        );
    }

    void Build(in PickleCursor at)
    {
        var state = stack.Pop(at);
        switch (stack.Peek(at))
        {
            // Attributes of an OrderedDict: PyTorch keeps the versions of the modules there.
            case CheckpointDictionary dictionary:
                dictionary.Attributes = state as CheckpointDictionary;
                break;
            case NumpyType type:
                type.Build(state, at);
                break;
            case NumpyArray array:
                var finished = array.Build(state, at, path);
                memo.Replace(array, finished, at);
                stack.ReplaceTop(finished);
                break;
            case OpaqueRecord record:
                record.State = state;
                break;
            default:
                throw at.Corrupt("a state is given to a value that has none");
        }
    }

    /// <summary>Values that are boxed once.</summary>
    static class Boxes
    {
        public static readonly object True = true;
        public static readonly object False = false;
        public static readonly object[] Bytes = [.. Enumerable.Range(0, 256).Select(i => (object)(long)i)];
        public static readonly CheckpointTuple EmptyTuple = new();
    }
}
