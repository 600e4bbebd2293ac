using System.Runtime.InteropServices;

namespace Tessera.Deploy;

/// <summary>Kernel of a step; mirrors <c>StepKind</c> in native/inference.cpp.</summary>
internal enum StepKind
{
    Gemm,
    Conv,
    Depthwise,
    Attention,
    LayerNorm,
    Binary,
    Map,
    Resize,
    GroupNorm,
    Engine,
}

/// <summary>Activations that kernels apply on the way out; mirrors native/kernels/kernels.h.</summary>
internal enum Activation
{
    None,
    Gelu,
    GeluTanh,
    Relu,
    Silu,
    QuickGelu,
    Sigmoid,
    Tanh,
    Hardswish,
}

/// <summary>Operations on two operands; mirrors native/kernels/kernels.h.</summary>
internal enum Arithmetic
{
    Add,
    Subtract,
    Multiply,
}

/// <summary>Turns a location into an address of one program's memory.</summary>
internal delegate nint Addressing(Located? located);

/// <summary>One step of a compiled model.</summary>
/// <param name="Kind">Kernel of the step.</param>
/// <param name="Label">Names of the model's operators that the step computes.</param>
/// <param name="Operands">All memory that it reads and writes.</param>
/// <param name="Macs">Multiply-accumulates for one image.</param>
/// <param name="Build">Writes its arguments, in the layout of the shim, for one program.</param>
internal sealed record Step(StepKind Kind, string Label, Located?[] Operands, long Macs, Func<Addressing, object> Build);

[StructLayout(LayoutKind.Sequential)]
internal struct GemmArguments
{
    internal nint A,
        B,
        Bias,
        Residual,
        Out;
    internal long Rows,
        Columns,
        Depth,
        AStride,
        ResidualStride,
        OutStride;
    internal int BType,
        OutType;
    internal Activation Activation;
}

[StructLayout(LayoutKind.Sequential)]
internal unsafe struct ConvArguments
{
    internal nint Input,
        Weights,
        Bias,
        Residual,
        Out;
    internal long Batch,
        Channels,
        Height,
        Width,
        OutChannels,
        OutHeight,
        OutWidth;
    internal fixed long InputStride[4];
    internal long OutBatch,
        OutRow,
        ResidualBatch,
        ResidualRow;
    internal fixed int Kernel[2],
        Step[2],
        Pad[2],
        Dilation[2];
    internal int WeightsType,
        OutType;
    internal Activation Activation;
}

[StructLayout(LayoutKind.Sequential)]
internal unsafe struct DepthwiseArguments
{
    internal nint Input,
        Weights,
        Bias,
        Out;
    internal long Batch,
        Channels,
        Height,
        Width,
        OutHeight,
        OutWidth;
    internal fixed long InputStride[3],
        OutStride[3];
    internal fixed int Kernel[2],
        Step[2],
        Pad[2],
        Dilation[2];
    internal int OutType;
    internal Activation Activation;
}

[StructLayout(LayoutKind.Sequential)]
internal unsafe struct AttentionArguments
{
    internal nint Query,
        Key,
        Value,
        FirstBias,
        SecondBias,
        Out;
    internal long Outer,
        Heads,
        Queries,
        Keys,
        Dim,
        ValueDim;
    internal fixed long QueryStride[4],
        KeyStride[4],
        ValueStride[4],
        OutStride[4],
        BiasStride[8];
    internal float Scale;
    internal int Type,
        OutType;

    // Of training alone: logarithms of sums, dropout.
    internal nint LogSums;
    internal float Dropout;
    internal uint Seed;
}

[StructLayout(LayoutKind.Sequential)]
internal struct LayerNormArguments
{
    internal nint Input,
        Weight,
        Bias,
        Out;
    internal long Rows,
        Channels,
        InputStride,
        OutStride;
    internal double Eps;
    internal int OutType;
}

[StructLayout(LayoutKind.Sequential)]
internal unsafe struct BinaryArguments
{
    internal const int MaxDims = 8;
    internal nint A,
        B,
        Out;
    internal fixed long Sizes[MaxDims],
        AStride[MaxDims],
        BStride[MaxDims],
        OutStride[MaxDims];
    internal int Dims;
    internal Arithmetic Op;
    internal int OutType;
}

[StructLayout(LayoutKind.Sequential)]
internal unsafe struct MapArguments
{
    internal const int MaxDims = 8;
    internal nint A,
        Out;
    internal fixed long Sizes[MaxDims],
        AStride[MaxDims],
        OutStride[MaxDims];
    internal int Dims;
    internal Activation Activation;
    internal int AType,
        OutType;
}

/// <summary>A map that is brought to another size; mirrors <c>ResizeSource</c> in native/kernels/kernels.h.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct ResizeSource
{
    internal nint Input,
        Rows,
        Columns,
        RowShares,
        ColumnShares;
}

[StructLayout(LayoutKind.Sequential)]
internal unsafe struct ResizeArguments
{
    internal const int MostSources = 4;
    internal ResizeSource First,
        Second,
        Third,
        Fourth;
    internal nint Add,
        Out;
    internal long Channels,
        Height,
        Width;
    internal fixed long AddStride[2],
        OutStride[3];
    internal int Count;
    internal Activation Activation;
}

[StructLayout(LayoutKind.Sequential)]
internal struct GroupNormArguments
{
    internal nint Input,
        Weight,
        Bias,
        Out;
    internal long Positions,
        Channels,
        Groups,
        InputStride,
        OutStride;
    internal double Eps;
    internal Activation Activation;
}
