using System.Numerics;
using System.Runtime.InteropServices;
using Tessera.Native;

namespace Tessera;

public unsafe partial class Tensor
{
    /// <summary>The elements themselves, without copying: writing to them changes the tensor.</summary>
    /// <remarks>The span is valid while the tensor lives and is not resized: keep the tensor in a variable that is used later.</remarks>
    /// <exception cref="InvalidOperationException">
    /// The tensor is not contiguous, not on the CPU, of another type, or has more elements than a span can hold.
    /// </exception>
    public Span<T> Span<T>()
        where T : unmanaged
    {
        var info = Info;
        if ((DType)info.DType != DTypes.Of<T>())
            throw new InvalidOperationException($"a tensor of {DType.Name()} has no span of {typeof(T).Name}");
        if ((DeviceType)(info.Device >> 8) != DeviceType.Cpu)
            throw new InvalidOperationException($"a tensor on {Device} has no span: move it to the CPU first");
        if ((info.Flags & 4) == 0)
            throw new InvalidOperationException($"this tensor of shape {Shape} is not contiguous and has no span: call Contiguous() first");
        return new Span<T>(info.Data, checked((int)info.Elements));
    }

    /// <summary>All elements in row-major order, converted to <typeparamref name="T"/>.</summary>
    public T[] ToArray<T>()
        where T : unmanaged
    {
        using var scope = new Scope();
        var dense = Detach().To(dtype: DTypes.Of<T>(), device: Device.Cpu).Contiguous();
        var result = new T[dense.Elements];
        var source = (byte*)dense.Info.Data;
        fixed (T* target = result)
            Buffer.MemoryCopy(source, target, (long)result.Length * sizeof(T), (long)result.Length * sizeof(T));
        GC.KeepAlive(dense);
        return result;
    }

    /// <summary>The value of a tensor of one element.</summary>
    /// <exception cref="TorchException">The tensor does not have exactly one element.</exception>
    public double ToDouble() => Item().ToDouble();

    /// <summary>The value of a tensor of one element, as a float.</summary>
    public float ToSingle() => (float)Item().ToDouble();

    /// <summary>The value of a tensor of one element, as an integer.</summary>
    public long ToInt64() => Item().ToInt64();

    /// <summary>A tensor with its own copy of the values.</summary>
    /// <param name="values">Row-major elements.</param>
    /// <param name="shape">Sizes; without any, one dimension.</param>
    /// <exception cref="ShapeException">The shape has a different number of elements.</exception>
    public static Tensor From<T>(ReadOnlySpan<T> values, params ReadOnlySpan<long> shape)
        where T : unmanaged
    {
        var size = shape.Length == 0 ? [values.Length] : new IntList(shape);
        if (shape.Length > 0 && new Shape(shape).Elements != values.Length)
            throw new ShapeException($"{values.Length} values do not fill a tensor of shape {new Shape(shape)}");
        var result = Torch.Empty(size, DTypes.Of<T>());
        fixed (T* source = values)
            Buffer.MemoryCopy(source, result.Info.Data, (long)values.Length * sizeof(T), (long)values.Length * sizeof(T));
        GC.KeepAlive(result);
        return result;
    }

    /// <inheritdoc cref="From{T}(ReadOnlySpan{T}, ReadOnlySpan{long})"/>
    public static Tensor From<T>(T[] values, params ReadOnlySpan<long> shape)
        where T : unmanaged => From((ReadOnlySpan<T>)values, shape);

    /// <summary>A tensor of no dimensions.</summary>
    public static Tensor Of<T>(T value)
        where T : unmanaged, INumber<T>
    {
        var result = Torch.Empty([], DTypes.Of<T>());
        *(T*)result.Info.Data = value;
        GC.KeepAlive(result);
        return result;
    }

    /// <summary>
    /// A tensor over the memory of an array, without a copy: both change together. The array stays pinned while the engine holds the
    /// tensor.
    /// </summary>
    /// <exception cref="ShapeException">The shape has a different number of elements.</exception>
    public static Tensor Over<T>(T[] memory, params ReadOnlySpan<long> shape)
        where T : unmanaged
    {
        var sizes = shape.Length == 0 ? [memory.Length] : shape.ToArray();
        if (new Shape(sizes).Elements != memory.Length)
            throw new ShapeException($"{memory.Length} elements of memory do not fill a tensor of shape {new Shape(sizes)}");
        var pin = GCHandle.Alloc(memory, GCHandleType.Pinned);
        return Over((void*)pin.AddrOfPinnedObject(), sizes, DTypes.Of<T>(), pin.Free);
    }

    /// <summary>
    /// A tensor over foreign memory. <paramref name="freed"/> runs once the engine no longer holds the tensor, on the thread that releases
    /// it last.
    /// </summary>
    public static Tensor Over(void* memory, ReadOnlySpan<long> shape, DType type, Action freed)
    {
        foreach (var size in shape)
            if (size < 0)
                throw new ShapeException($"the sizes of a tensor must be at least 0, not {new Shape(shape)}");
        var context = GCHandle.Alloc(freed);
        nint result;
        int status;
        fixed (long* sizes = shape)
            status = Imports.TensorFromMemory(
                memory,
                sizes,
                null,
                shape.Length,
                (int)type,
                &Freed,
                (void*)GCHandle.ToIntPtr(context),
                out result
            );
        if (status != 0)
        {
            context.Free();
            Dispatcher.Check(status);
        }
        return new Tensor(result);
    }

    [UnmanagedCallersOnly]
    private static void Freed(void* context)
    {
        var handle = GCHandle.FromIntPtr((nint)context);
        var freed = (Action)handle.Target!;
        handle.Free();
        freed();
    }

    /// <summary>Copies values into the tensor in row-major order.</summary>
    /// <exception cref="ShapeException">The numbers of values and of elements differ.</exception>
    public void Fill<T>(ReadOnlySpan<T> values)
        where T : unmanaged
    {
        if (values.Length != Elements)
            throw new ShapeException($"{values.Length} values do not fill a tensor of shape {Shape}");
        using var scope = new Scope();
        using (Torch.NoGrad())
            Copy_(From(values, Shape.AsSpan()));
    }

    /// <summary>The bytes of the elements, copied in row-major order.</summary>
    public byte[] ToBytes()
    {
        using var scope = new Scope();
        var dense = Detach().To(device: Device.Cpu).Contiguous();
        var bytes = new ReadOnlySpan<byte>(dense.Info.Data, checked((int)dense.Bytes)).ToArray();
        GC.KeepAlive(dense);
        return bytes;
    }
}
