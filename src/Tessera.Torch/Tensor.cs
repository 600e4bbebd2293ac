using System.Collections.Concurrent;
using Tessera.Native;

namespace Tessera;

/// <summary>A tensor of the engine: the owner of one native handle.</summary>
/// <remarks>
/// It is freed when the <see cref="Scope"/> that it was made in ends, by <see cref="Dispose"/>, or, outside of all scopes,
/// some time after it was dropped: a finalizer only queues the handle, and the next call of the engine on any thread
/// that computes frees it.
/// </remarks>
public unsafe partial class Tensor : IDisposable
{
    private static readonly ConcurrentQueue<nint> queued = new();
    private static int queuedCount;
    private static long live;

    private nint handle;

    /// <summary>The scope that frees the tensor; null when none does.</summary>
    internal Scope? Owner { get; set; }

    internal Tensor(nint handle)
    {
        this.handle = handle;
        if (handle == 0)
        {
            // An undefined result (a gradient that nobody needs): there is nothing to own.
            GC.SuppressFinalize(this);
            return;
        }
        Interlocked.Increment(ref live);
        if (Scope.Current is { } scope)
            scope.Add(this);
        else
            Unscoped.Made(this);
    }

    /// <summary>Number of tensors that hold a native one at this moment, in the whole process.</summary>
    public static long LiveCount => Interlocked.Read(ref live);

    internal nint Handle =>
        handle != 0
            ? handle
            : throw new ObjectDisposedException(
                nameof(Tensor),
                "the tensor was freed: its scope has ended; return it with Scope.Return or hold it with Keep"
            );

    /// <summary>Whether this object still holds a native tensor.</summary>
    public bool IsAlive => handle != 0;

    /// <summary>Takes the tensor out of all scopes: it lives until it is disposed or dropped.</summary>
    public Tensor Keep()
    {
        Owner = null;
        return this;
    }

    internal void MoveFrom(Scope from, Scope? to)
    {
        if (!ReferenceEquals(Owner, from))
            return;
        if (to is null)
            Keep();
        else
            to.Add(this);
    }

    /// <summary>Another tensor object for the same native tensor, with a lifetime of its own.</summary>
    public Tensor Share()
    {
        var result = new Tensor(Retain());
        GC.KeepAlive(this);
        return result;
    }

    /// <summary>Another owning reference to the native tensor, for a new owner.</summary>
    internal nint Retain()
    {
        Imports.TensorRetain(Handle);
        return handle;
    }

    /// <summary>Makes this object hold another native tensor, and frees its own.</summary>
    internal void Become(Tensor other)
    {
        var old = Handle;
        handle = other.Retain();
        GC.KeepAlive(other);
        Imports.TensorFree(old);
    }

    /// <summary>Frees the native tensor now; the engine keeps the memory that its graph still needs.</summary>
    public void Dispose()
    {
        var old = Interlocked.Exchange(ref handle, 0);
        Owner = null;
        if (old != 0)
        {
            Imports.TensorFree(old);
            Interlocked.Decrement(ref live);
        }
        GC.SuppressFinalize(this);
    }

    /// <summary>Queues the handle: freeing it here could meet the engine computing with it on another thread.</summary>
    ~Tensor()
    {
        var old = Interlocked.Exchange(ref handle, 0);
        if (old == 0)
            return;
        queued.Enqueue(old);
        Interlocked.Increment(ref queuedCount);
    }

    /// <summary>Frees the native tensors of dropped objects that the garbage collector has found.</summary>
    internal static void FreeQueued()
    {
        if (Volatile.Read(ref queuedCount) == 0)
            return;
        while (queued.TryDequeue(out var old))
        {
            Interlocked.Decrement(ref queuedCount);
            Imports.TensorFree(old);
            Interlocked.Decrement(ref live);
        }
    }

    /// <summary>How often its values were changed in place; -1 for tensors made in inference mode, of which nobody counts.</summary>
    internal long Version
    {
        get
        {
            Dispatcher.Check(Imports.TensorVersion(Handle, out var version));
            GC.KeepAlive(this);
            return version;
        }
    }

    internal TensorInfo Info
    {
        get
        {
            TensorInfo info;
            Dispatcher.Check(Imports.TensorInfo(Handle, &info));
            GC.KeepAlive(this);
            return info;
        }
    }

    /// <summary>Sizes of all dimensions.</summary>
    public Shape Shape
    {
        get
        {
            TensorInfo info;
            Dispatcher.Check(Imports.TensorInfo(Handle, &info));
            var shape = new Shape(new ReadOnlySpan<long>(info.Sizes, info.Dimensions));
            GC.KeepAlive(this);
            return shape;
        }
    }

    /// <summary>Steps in elements from one index to the next, per dimension.</summary>
    public long[] Strides
    {
        get
        {
            TensorInfo info;
            Dispatcher.Check(Imports.TensorInfo(Handle, &info));
            var strides = new ReadOnlySpan<long>(info.Strides, info.Strides is null ? 0 : info.Dimensions).ToArray();
            GC.KeepAlive(this);
            return strides;
        }
    }

    /// <summary>Size of one dimension; negative numbers count from the end.</summary>
    public long Size(int dim)
    {
        var info = Info;
        var index = dim < 0 ? dim + info.Dimensions : dim;
        if (index < 0 || index >= info.Dimensions)
            throw new ShapeException($"there is no dimension {dim} in a tensor of shape {Shape}");
        var size = info.Sizes[index];
        GC.KeepAlive(this);
        return size;
    }

    /// <summary>Number of dimensions.</summary>
    public int Dim => Info.Dimensions;

    /// <summary>Number of elements.</summary>
    public long Elements => Info.Elements;

    /// <summary>Type of the elements.</summary>
    public DType DType => (DType)Info.DType;

    /// <summary>The device of the tensor.</summary>
    public Device Device => Device.Unpack(Info.Device);

    /// <summary>Whether the elements lie densely in row-major order.</summary>
    public bool IsContiguous => (Info.Flags & 4) != 0;

    /// <summary>Whether no operation made it (parameters, data).</summary>
    public bool IsLeaf => (Info.Flags & 2) != 0;

    /// <summary>Size of the elements in bytes.</summary>
    public long Bytes
    {
        get
        {
            var info = Info;
            return info.Elements * info.ItemBytes;
        }
    }

    /// <summary>Address of the storage: equal for views of one memory and for tied tensors; 0 without memory.</summary>
    public nint StorageAddress => Info.Storage;
}
