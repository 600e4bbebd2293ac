namespace Tessera.Native;

/// <summary>Observes every operator call of its thread after the call has returned, to count costs.</summary>
internal abstract unsafe class CallObserver
{
    [ThreadStatic]
    private static CallObserver? current;

    internal static CallObserver? Current
    {
        get => current;
        set => current = value;
    }

    /// <summary>
    /// Called with the operator's name and overload, its arguments and its results, which are valid only during the call.
    /// </summary>
    internal abstract void Called(string name, string overload, Value* arguments, int count, Value* results, int returned);
}
