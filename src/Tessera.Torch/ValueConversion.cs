using Tessera.Native;

namespace Tessera;

/// <summary>Tensors, numbers, types and devices as arguments and results of operators.</summary>
internal static unsafe class ValueConversion
{
    extension(Value)
    {
        internal static Value Of(Tensor? tensor) => tensor is null ? Value.Make(Tag.None, 0) : Value.Make(Tag.Tensor, tensor.Handle);

        internal static Value Of(Scalar value) => Value.Make(value.Kind, value.Payload);

        internal static Value Of(Scalar? value, Tag missing = Tag.Default) => value is { } v ? Value.Of(v) : Value.Make(missing, 0);

        internal static Value Of(DType value) => Value.Make(Tag.Int, (long)value);

        internal static Value Of(DType? value, Tag missing = Tag.Default) => value is { } v ? Value.Of(v) : Value.Make(missing, 0);

        internal static Value Of(Layout? value, Tag missing = Tag.Default) => value is { } v ? Value.Of((long)v) : Value.Make(missing, 0);

        internal static Value Of(MemoryFormat value) => Value.Make(Tag.Int, (long)value);

        internal static Value Of(MemoryFormat? value, Tag missing = Tag.Default) =>
            value is { } v ? Value.Of((long)v) : Value.Make(missing, 0);

        internal static Value Of(Device value) => Value.Make(Tag.Device, value.Packed);

        internal static Value Of(Device? value, Tag missing = Tag.Default) => value is { } v ? Value.Of(v) : Value.Make(missing, 0);

        internal static Value Of(Generator? value, Tag missing = Tag.None) =>
            value is null ? Value.Make(missing, 0) : Value.Make(Tag.Generator, value.Handle);

        /// <summary>A list that lies on the caller's stack for as long as the call lasts.</summary>
        internal static Value Of(IntList* list, Tag missing = Tag.Default) =>
            list->HasValue ? Value.Make(Tag.IntList, (long)list->Pointer, list->Count) : Value.Make(missing, 0);
    }

    internal static Tensor TakeTensor(this Value value) => new((nint)value.Payload);

    internal static Tensor[] TakeTensors(this Value value)
    {
        var result = new Tensor[value.Count];
        for (var i = 0; i < result.Length; i++)
            result[i] = new Tensor(((nint*)value.Payload)[i]);
        Imports.Free((void*)value.Payload);
        return result;
    }

    internal static Scalar TakeScalar(this Value value)
    {
        if (value.Tag != Tag.Complex)
            return new(value.Tag, value.Payload);
        Imports.Free((void*)value.Payload);
        throw new TorchNotSupportedException("a complex number cannot be a scalar: take the real and the imaginary part first");
    }
}
