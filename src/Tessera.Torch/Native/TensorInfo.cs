using System.Runtime.InteropServices;

namespace Tessera.Native;

/// <summary>A tensor as the shim describes it; mirrors <c>TensorInfo</c> in native/tensor.cpp.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct TensorInfo
{
    internal long* Sizes;
    internal long* Strides;
    internal void* Data;
    internal nint Storage;
    internal long StorageBytes;
    internal long Elements;
    internal int Dimensions;
    internal int DType;
    internal int Device;
    internal int Flags;
    internal int ItemBytes;
}
