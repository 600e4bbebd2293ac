using Tessera.Native;

namespace Tessera;

/// <summary>A source of random numbers with its own state.</summary>
public sealed class Generator : IDisposable
{
    private nint handle;

    private Generator(nint handle) => this.handle = handle;

    /// <summary>A fresh generator of the CPU.</summary>
    public Generator(ulong seed)
    {
        Dispatcher.Check(Imports.Generator(-1, seed, out handle));
    }

    /// <summary>The generator that a device's operators use when none is named.</summary>
    public static Generator Default(Device device)
    {
        Dispatcher.Check(Imports.Generator(device.Packed, 0, out var handle));
        return new(handle);
    }

    internal nint Handle => handle != 0 ? handle : throw new ObjectDisposedException(nameof(Generator));

    /// <summary>Starts again from a seed.</summary>
    public void Seed(ulong seed)
    {
        Dispatcher.Check(Imports.GeneratorSeed(Handle, seed));
        GC.KeepAlive(this);
    }

    /// <summary>The whole state, as bytes on the CPU.</summary>
    public Tensor GetState()
    {
        Dispatcher.Check(Imports.GeneratorGetState(Handle, out var state));
        GC.KeepAlive(this);
        return new Tensor(state);
    }

    /// <summary>Goes back to a state that <see cref="GetState"/> gave.</summary>
    public void SetState(Tensor state)
    {
        Dispatcher.Check(Imports.GeneratorSetState(Handle, state.Handle));
        GC.KeepAlive(state);
        GC.KeepAlive(this);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        var old = Interlocked.Exchange(ref handle, 0);
        if (old != 0)
            Imports.GeneratorFree(old);
        GC.SuppressFinalize(this);
    }

    /// <summary>Generators hold no tensors: freeing one from the finalizer's thread is safe.</summary>
    ~Generator()
    {
        if (handle != 0)
            Imports.GeneratorFree(handle);
    }
}
