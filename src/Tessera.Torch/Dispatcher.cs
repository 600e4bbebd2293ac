using System.Runtime.InteropServices;
using Tessera.Native;

namespace Tessera;

/// <summary>Calls operators of the engine by name and turns its errors into exceptions.</summary>
internal static unsafe class Dispatcher
{
    /// <summary>Calls an operator and returns how many values it wrote to <paramref name="results"/>.</summary>
    internal static int Call(ref nint slot, string name, string overload, Value* arguments, int count, Value* results, int capacity)
    {
        // Two threads may both look the operator up: they find equal ones, and the loser's few bytes stay.
        if (slot == 0)
            slot = Find(name, overload);
        EngineThreads.Apply();
        Tensor.FreeQueued();
        int returned;
        Check(Imports.Call(slot, arguments, count, results, capacity, &returned));
        CallObserver.Current?.Called(name, overload, arguments, count, results, returned);
        return returned;
    }

    /// <summary>Calls an operator whose results nobody needs: an in-place one gives its first argument back.</summary>
    internal static void Call(ref nint slot, string name, string overload, Value* arguments, int count)
    {
        var results = stackalloc Value[8];
        var returned = Call(ref slot, name, overload, arguments, count, results, 8);
        for (var i = 0; i < returned; i++)
            Drop(results[i]);
    }

    internal static nint Find(string name, string overload)
    {
        Check(Imports.Operator(name, overload, out var op));
        return op;
    }

    /// <summary>Turns a status of the shim into the exception that it stands for.</summary>
    internal static void Check(int status)
    {
        if (status != 0)
            throw TorchException.Of((ErrorKind)status, Marshal.PtrToStringUTF8(Imports.LastError()) ?? "");
    }

    private static void Drop(Value value)
    {
        switch (value.Tag)
        {
            case Tag.Tensor:
                if (value.Payload != 0)
                    Imports.TensorFree((nint)value.Payload);
                break;
            case Tag.TensorList:
                for (var i = 0; i < value.Count; i++)
                    if (((nint*)value.Payload)[i] is var handle and not 0)
                        Imports.TensorFree(handle);
                Imports.Free((void*)value.Payload);
                break;
            case Tag.String or Tag.IntList or Tag.DoubleList or Tag.BoolList or Tag.Complex:
                Imports.Free((void*)value.Payload);
                break;
            case Tag.Generator:
                Imports.GeneratorFree((nint)value.Payload);
                break;
        }
    }
}
