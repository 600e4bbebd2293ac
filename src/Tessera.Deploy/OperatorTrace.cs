using Tessera.Native;

namespace Tessera.Deploy;

/// <summary>One tensor that an operator took or gave while a model was traced.</summary>
/// <param name="Tensor">The tensor itself, kept so that neither its address nor its memory is used again.</param>
/// <param name="Sizes">Sizes of the tensor.</param>
/// <param name="Strides">Strides of the tensor, in elements.</param>
/// <param name="Offset">Position of the tensor's first element in its storage, in elements.</param>
/// <param name="Storage">Address of the tensor's storage.</param>
/// <param name="Type">Type of its elements.</param>
internal sealed record TracedTensor(Tensor Tensor, long[] Sizes, long[] Strides, long Offset, nint Storage, DType Type)
{
    internal long Elements => Sizes.Aggregate(1L, (product, size) => product * size);

    internal static unsafe TracedTensor Of(Tensor tensor)
    {
        var info = tensor.Info;
        var sizes = new ReadOnlySpan<long>(info.Sizes, info.Dimensions).ToArray();
        var strides = new ReadOnlySpan<long>(info.Strides, info.Strides is null ? 0 : info.Dimensions).ToArray();
        return new(
            tensor,
            sizes,
            strides,
            info.Storage == 0 ? 0 : ((nint)info.Data - info.Storage) / info.ItemBytes,
            info.Storage,
            (DType)info.DType
        );
    }
}

/// <summary>One argument or result of a traced call: tensors, or a plain value.</summary>
/// <param name="Tag">Kind of the value.</param>
/// <param name="Number">A plain value: integer, bits of a double, truth value.</param>
/// <param name="Items">The elements of a list of numbers, or the bytes of a string.</param>
/// <param name="Tensors">A tensor, or a list of them; null entries are undefined.</param>
internal sealed record TracedValue(Tag Tag, long Number, long[] Items, TracedTensor?[] Tensors)
{
    internal TracedTensor? Tensor => Tag == Tag.Tensor ? Tensors[0] : null;
    internal double Real => Tag == Tag.Double ? BitConverter.Int64BitsToDouble(Number) : Number;
    internal string Text => System.Text.Encoding.UTF8.GetString([.. Items.Select(b => (byte)b)]);
}

/// <summary>One operator call of a trace.</summary>
internal sealed record TracedCall(string Name, string Overload, TracedValue[] Arguments, TracedValue[] Results);

/// <summary>Writes down every operator call of its thread while it is open, with the tensors themselves.</summary>
internal sealed unsafe class OperatorTrace : CallObserver, IDisposable
{
    private readonly CallObserver? outer = Current;
    private readonly Dictionary<nint, TracedTensor> tensors = [];

    internal OperatorTrace() => Current = this;

    internal List<TracedCall> Calls { get; } = [];

    /// <summary>All tensors seen, each with a life of its own.</summary>
    internal IEnumerable<Tensor> Tensors => tensors.Values.Select(t => t.Tensor);

    /// <summary>The record of a tensor; the same for the same native tensor.</summary>
    internal TracedTensor Know(Tensor tensor)
    {
        if (!tensors.TryGetValue(tensor.Handle, out var known))
            tensors[tensor.Handle] = known = TracedTensor.Of(tensor.Share().Keep());
        return known;
    }

    internal override void Called(string name, string overload, Value* arguments, int count, Value* results, int returned)
    {
        outer?.Called(name, overload, arguments, count, results, returned);
        Calls.Add(new(name, overload, Copy(name, arguments, count), Copy(name, results, returned)));
    }

    private TracedValue[] Copy(string name, Value* values, int count)
    {
        var copies = new TracedValue[count];
        for (var i = 0; i < count; i++)
            copies[i] = Copy(name, values[i]);
        return copies;
    }

    private TracedValue Copy(string name, Value value) =>
        value.Tag switch
        {
            Tag.Tensor => new(Tag.Tensor, 0, [], [Known((nint)value.Payload)]),
            Tag.TensorList => new(
                Tag.TensorList,
                0,
                [],
                [.. new ReadOnlySpan<nint>((void*)value.Payload, value.Count).ToArray().Select(Known)]
            ),
            Tag.IntList or Tag.DoubleList => new(value.Tag, 0, new ReadOnlySpan<long>((void*)value.Payload, value.Count).ToArray(), []),
            Tag.BoolList or Tag.String => new(
                value.Tag,
                0,
                [.. new ReadOnlySpan<byte>((void*)value.Payload, value.Count).ToArray().Select(b => (long)b)],
                []
            ),
            Tag.Default or Tag.None or Tag.Int or Tag.Double or Tag.Bool or Tag.Device => new(value.Tag, value.Payload, [], []),
            _ => throw new NotSupportedException(
                $"{name} has a value of type {value.Tag}, which cannot be compiled: "
                    + "it must be a tensor, a number, a string, a device, or a list of tensors or numbers"
            ),
        };

    private TracedTensor? Known(nint handle)
    {
        if (handle == 0)
            return null;
        if (tensors.TryGetValue(handle, out var known))
            return known;
        Imports.TensorRetain(handle);
        return tensors[handle] = TracedTensor.Of(new Tensor(handle).Keep());
    }

    /// <summary>Ends the tracing; what was written down stays.</summary>
    public void Dispose() => Current = outer;
}
