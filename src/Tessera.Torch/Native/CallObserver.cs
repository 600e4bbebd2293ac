namespace Tessera.Native;

/// <summary>Sees every operator call of its thread after it returned: what cost is counted by.</summary>
internal abstract unsafe class CallObserver
{
    [ThreadStatic]
    private static CallObserver? current;

    internal static CallObserver? Current
    {
        get => current;
        set => current = value;
    }

    /// <summary>Called with the operator's name and overload, its arguments and its results, all of them valid only during the call.</summary>
    internal abstract void Called(string name, string overload, Value* arguments, int count, Value* results, int returned);
}
