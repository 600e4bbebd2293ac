using Tessera.Native;

namespace Tessera.Deploy;

/// <summary>One tensor that an operator took or gave while a model was traced.</summary>
/// <param name="Constant">
/// The tensor itself, where it does not depend on the model's input; null for the others, whose memory goes as it does without a trace.
/// </param>
/// <param name="Sizes">Sizes of the tensor.</param>
/// <param name="Strides">Strides of the tensor, in elements.</param>
/// <param name="Offset">Position of the tensor's first element in its storage, in elements.</param>
/// <param name="Storage">Address of the tensor's storage, which another one may have had before.</param>
/// <param name="Memory">Number of the storage: equal for tensors that share one.</param>
/// <param name="Type">Type of its elements.</param>
internal sealed record TracedTensor(
    Tensor? Constant,
    long[] Sizes,
    long[] Strides,
    long Offset,
    nint Storage,
    long Memory,
    DType Type
)
{
    internal long Elements => Sizes.Aggregate(1L, (product, size) => product * size);

    /// <summary>The record of a tensor that lives, not kept, in memory of a number.</summary>
    internal static unsafe TracedTensor Of(nint handle, Func<nint, long> memory)
    {
        TensorInfo info;
        Dispatcher.Check(Imports.TensorInfo(handle, &info));
        var sizes = new ReadOnlySpan<long>(info.Sizes, info.Dimensions).ToArray();
        var strides = new ReadOnlySpan<long>(info.Strides, info.Strides is null ? 0 : info.Dimensions).ToArray();
        var offset = info.Storage == 0 ? 0 : ((nint)info.Data - info.Storage) / info.ItemBytes;
        return new(null, sizes, strides, offset, info.Storage, memory(info.Storage), (DType)info.DType);
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

/// <summary>
/// Writes down every operator call of its thread while it is open. It keeps the tensors that do not depend on the model's input; the
/// others it only watches, so that a trace takes no more memory than the model does by itself.
/// </summary>
internal sealed unsafe class OperatorTrace : CallObserver, IDisposable
{
    private readonly CallObserver? outer = Current;
    private readonly Dictionary<nint, TracedTensor> tensors = [];
    private readonly List<nint> watched = [];
    private long memories;

    /// <summary>Begins a trace.</summary>
    /// <param name="image">What the model is given; it must outlive the trace.</param>
    internal OperatorTrace(Tensor image)
    {
        Input = Watch(image.Handle, _ => memories++);
        Current = this;
    }

    /// <summary>The model's input.</summary>
    internal TracedTensor Input { get; }

    internal List<TracedCall> Calls { get; } = [];

    /// <summary>All tensors that it keeps, each with a life of its own.</summary>
    internal IEnumerable<Tensor> Constants => tensors.Values.Select(t => t.Constant).OfType<Tensor>();

    /// <summary>The record of a tensor of which a call told; null for any other.</summary>
    internal TracedTensor? Find(Tensor tensor) => tensors.GetValueOrDefault(tensor.Handle);

    internal override void Called(string name, string overload, Value* arguments, int count, Value* results, int returned)
    {
        outer?.Called(name, overload, arguments, count, results, returned);
        var given = Copy(name, arguments, count, Keep);
        List<TracedTensor> alive = [.. given.SelectMany(value => value.Tensors).OfType<TracedTensor>()];
        var depends = Graph.IsRandom(name) || alive.Any(tensor => tensor.Constant is null);
        Calls.Add(new(name, overload, given, Copy(name, results, returned, depends ? Result : Keep)));

        // Arguments and results live until the call ends: where two have one storage, one is a view of the other. Before and after,
        // other tensors may have its address.
        TracedTensor Result(nint handle)
        {
            var result = Watch(handle, storage => alive.Find(one => one.Storage == storage && storage != 0)?.Memory ?? memories++);
            alive.Add(result);
            return result;
        }
    }

    private TracedTensor Watch(nint handle, Func<nint, long> memory)
    {
        var record = TracedTensor.Of(handle, memory);
        Imports.TensorWatch(handle);
        watched.Add(handle);
        return tensors[handle] = record;
    }

    private TracedTensor Keep(nint handle)
    {
        var record = TracedTensor.Of(handle, _ => memories++);
        Imports.TensorRetain(handle);
        return tensors[handle] = record with { Constant = new Tensor(handle).Keep() };
    }

    private TracedValue[] Copy(string name, Value* values, int count, Func<nint, TracedTensor> record)
    {
        var copies = new TracedValue[count];
        for (var i = 0; i < count; i++)
            copies[i] = Copy(name, values[i], record);
        return copies;
    }

    private TracedValue Copy(string name, Value value, Func<nint, TracedTensor> record) =>
        value.Tag switch
        {
            Tag.Tensor => new(Tag.Tensor, 0, [], [Known((nint)value.Payload, record)]),
            Tag.TensorList => new(
                Tag.TensorList,
                0,
                [],
                [.. new ReadOnlySpan<nint>((void*)value.Payload, value.Count).ToArray().Select(handle => Known(handle, record))]
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

    private TracedTensor? Known(nint handle, Func<nint, TracedTensor> record) =>
        handle == 0 ? null
        : tensors.TryGetValue(handle, out var known) ? known
        : record(handle);

    /// <summary>Ends the tracing; what was written down stays, and the tensors that it keeps.</summary>
    public void Dispose()
    {
        if (ReferenceEquals(Current, this))
            Current = outer;
        foreach (var handle in watched)
            Imports.TensorUnwatch(handle);
        watched.Clear();
    }
}
