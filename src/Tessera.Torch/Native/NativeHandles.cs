using System.Runtime.InteropServices;

namespace Tessera.Native;

/// <summary>An object of the native library, freed when it is no longer used.</summary>
internal abstract class NativeHandle() : SafeHandle(0, ownsHandle: true)
{
    public override bool IsInvalid => handle == 0;
}

/// <summary>A connection to the store.</summary>
internal sealed class StoreHandle : NativeHandle
{
    protected override bool ReleaseHandle() => Imports.StoreFree(handle) == 0;
}

/// <summary>A process group of one kind of device.</summary>
internal sealed class GroupHandle : NativeHandle
{
    protected override bool ReleaseHandle() => Imports.GroupFree(handle) == 0;
}

/// <summary>A reducer of gradients.</summary>
internal sealed class ReducerHandle : NativeHandle
{
    protected override bool ReleaseHandle() => Imports.ReducerFree(handle) == 0;
}
