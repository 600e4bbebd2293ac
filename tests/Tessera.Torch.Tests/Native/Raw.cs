using Tessera.Native;

namespace Tessera.Tests.Native;

/// <summary>Calls operators by name with values put together by hand.</summary>
internal static unsafe class Raw
{
    public static Value[] Call(string name, string overload, params ReadOnlySpan<Value> arguments)
    {
        var slot = nint.Zero;
        var results = new Value[8];
        int returned;
        fixed (Value* given = arguments)
        fixed (Value* room = results)
            returned = Dispatcher.Call(ref slot, name, overload, given, arguments.Length, room, results.Length);
        return results[..returned];
    }

    public static Value Default => default;
    public static Value None => Value.Of((Tensor?)null);
}
