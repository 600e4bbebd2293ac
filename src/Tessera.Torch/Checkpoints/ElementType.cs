namespace Tessera.Checkpoints;

/// <summary>An element type as a file names it; <see cref="Type"/> is null where the engine has no such type.</summary>
internal readonly record struct ElementType(string Name, int Size, DType? Type)
{
    public ElementType(DType type)
        : this(type.Name(), type.Size(), type) { }

    /// <summary>By the dtype field of a safetensors header.</summary>
    public static bool FromSafetensors(string name, out ElementType type) =>
        Known(
            type = name switch
            {
                "F64" => new(DType.Float64),
                "F32" => new(DType.Float32),
                "F16" => new(DType.Float16),
                "BF16" => new(DType.BFloat16),
                "I64" => new(DType.Int64),
                "I32" => new(DType.Int32),
                "I16" => new(DType.Int16),
                "I8" => new(DType.Int8),
                "U8" => new(DType.UInt8),
                "BOOL" => new(DType.Bool),
                "U16" => new("U16", 2, null),
                "U32" => new("U32", 4, null),
                "U64" => new("U64", 8, null),
                "F8_E4M3" => new("F8_E4M3", 1, null),
                "F8_E5M2" => new("F8_E5M2", 1, null),
                "F8_E8M0" => new("F8_E8M0", 1, null),
                "F8_E4M3FNUZ" => new("F8_E4M3FNUZ", 1, null),
                "F8_E5M2FNUZ" => new("F8_E5M2FNUZ", 1, null),
                "C64" => new(DType.Complex64),
                _ => default,
            }
        );

    /// <summary>Bits of the safetensors types that are smaller than a byte; 0 for any other name.</summary>
    public static int BitsOfPacked(string name) =>
        name switch
        {
            "F4" => 4,
            "F6_E2M3" or "F6_E3M2" => 6,
            _ => 0,
        };

    /// <summary>By the class of a torch storage: <c>FloatStorage</c>.</summary>
    public static bool FromTorchStorage(string name, out ElementType type) =>
        Known(
            type = name switch
            {
                "DoubleStorage" => new(DType.Float64),
                "FloatStorage" => new(DType.Float32),
                "HalfStorage" => new(DType.Float16),
                "BFloat16Storage" => new(DType.BFloat16),
                "LongStorage" => new(DType.Int64),
                "IntStorage" => new(DType.Int32),
                "ShortStorage" => new(DType.Int16),
                "CharStorage" => new(DType.Int8),
                "ByteStorage" => new(DType.UInt8),
                "BoolStorage" => new(DType.Bool),
                "ComplexFloatStorage" => new(DType.Complex64),
                "ComplexDoubleStorage" => new(DType.Complex128),
                "UntypedStorage" => new(DType.UInt8),
                "QInt8Storage" => new("qint8", 1, null),
                "QUInt8Storage" => new("quint8", 1, null),
                "QInt32Storage" => new("qint32", 4, null),
                "QUInt4x2Storage" => new("quint4x2", 1, null),
                "QUInt2x4Storage" => new("quint2x4", 1, null),
                _ => default,
            }
        );

    /// <summary>By a torch dtype: <c>float32</c>.</summary>
    public static bool FromTorchType(string name, out ElementType type) =>
        Known(
            type = name switch
            {
                "float64" => new(DType.Float64),
                "double" => new(DType.Float64),
                "float32" => new(DType.Float32),
                "float" => new(DType.Float32),
                "float16" => new(DType.Float16),
                "half" => new(DType.Float16),
                "bfloat16" => new(DType.BFloat16),
                "int64" => new(DType.Int64),
                "long" => new(DType.Int64),
                "int32" => new(DType.Int32),
                "int" => new(DType.Int32),
                "int16" => new(DType.Int16),
                "short" => new(DType.Int16),
                "int8" => new(DType.Int8),
                "uint8" => new(DType.UInt8),
                "bool" => new(DType.Bool),
                "complex32" => new(DType.Complex32),
                "complex64" => new(DType.Complex64),
                "complex128" => new(DType.Complex128),
                "uint16" => new("uint16", 2, null),
                "uint32" => new("uint32", 4, null),
                "uint64" => new("uint64", 8, null),
                "float8_e4m3fn" => new("float8_e4m3fn", 1, null),
                "float8_e5m2" => new("float8_e5m2", 1, null),
                "float8_e4m3fnuz" => new("float8_e4m3fnuz", 1, null),
                "float8_e5m2fnuz" => new("float8_e5m2fnuz", 1, null),
                "float8_e8m0fnu" => new("float8_e8m0fnu", 1, null),
                "float4_e2m1fn_x2" => new("float4_e2m1fn_x2", 1, null),
                "bits8" => new("bits8", 1, null),
                "bits16" => new("bits16", 2, null),
                _ => default,
            }
        );

    /// <summary>By a numpy type string without its byte order: <c>f4</c>.</summary>
    public static bool FromNumpy(string name, out ElementType type) =>
        Known(
            type = name switch
            {
                "f8" => new(DType.Float64),
                "f4" => new(DType.Float32),
                "f2" => new(DType.Float16),
                "i8" => new(DType.Int64),
                "i4" => new(DType.Int32),
                "i2" => new(DType.Int16),
                "i1" => new(DType.Int8),
                "u1" => new(DType.UInt8),
                "b1" => new(DType.Bool),
                "c8" => new(DType.Complex64),
                "c16" => new(DType.Complex128),
                "u2" => new("uint16", 2, null),
                "u4" => new("uint32", 4, null),
                "u8" => new("uint64", 8, null),
                // numpy has no bfloat16 and writes JAX's as two raw bytes.
                "V2" => new(DType.BFloat16),
                _ => default,
            }
        );

    static bool Known(ElementType type) => type.Size > 0;

    /// <summary>How safetensors calls an element type.</summary>
    public static string? SafetensorsName(DType type) =>
        type switch
        {
            DType.Float64 => "F64",
            DType.Float32 => "F32",
            DType.Float16 => "F16",
            DType.BFloat16 => "BF16",
            DType.Int64 => "I64",
            DType.Int32 => "I32",
            DType.Int16 => "I16",
            DType.Int8 => "I8",
            DType.UInt8 => "U8",
            DType.Bool => "BOOL",
            _ => null,
        };

    /// <summary>The torch storage class of an element type.</summary>
    public static string? TorchStorageName(DType type) =>
        type switch
        {
            DType.Float64 => "DoubleStorage",
            DType.Float32 => "FloatStorage",
            DType.Float16 => "HalfStorage",
            DType.BFloat16 => "BFloat16Storage",
            DType.Int64 => "LongStorage",
            DType.Int32 => "IntStorage",
            DType.Int16 => "ShortStorage",
            DType.Int8 => "CharStorage",
            DType.UInt8 => "ByteStorage",
            DType.Bool => "BoolStorage",
            DType.Complex64 => "ComplexFloatStorage",
            DType.Complex128 => "ComplexDoubleStorage",
            _ => null,
        };
}
