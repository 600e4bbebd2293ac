using System.Runtime.InteropServices;
using Tessera.Native;

namespace Tessera.Distributed;

/// <summary>A connection to the store.</summary>
internal sealed class StoreHandle : SafeHandle
{
    public StoreHandle() : base(0, ownsHandle: true) { }

    public override bool IsInvalid => handle == 0;

    protected override bool ReleaseHandle()
    {
        Imports.StoreFree(handle);
        return true;
    }
}

/// <summary>A process group of one kind of device.</summary>
internal sealed class GroupHandle : SafeHandle
{
    public GroupHandle() : base(0, ownsHandle: true) { }

    public override bool IsInvalid => handle == 0;

    protected override bool ReleaseHandle()
    {
        Imports.GroupFree(handle);
        return true;
    }
}

/// <summary>A reducer of gradients.</summary>
internal sealed class ReducerHandle : SafeHandle
{
    public ReducerHandle() : base(0, ownsHandle: true) { }

    public override bool IsInvalid => handle == 0;

    protected override bool ReleaseHandle() => Imports.ReducerFree(handle) == 0;
}
