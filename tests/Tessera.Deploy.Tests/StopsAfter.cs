using Tessera.Native;

namespace Tessera.Tests.Deploy;

/// <summary>Asks for an end after a number of operator calls of its thread.</summary>
internal sealed unsafe class StopsAfter : CallObserver, IDisposable
{
    private readonly CallObserver? outer = Current;
    private readonly CancellationTokenSource source;
    private int left;

    internal StopsAfter(int calls, CancellationTokenSource source)
    {
        (left, this.source) = (calls, source);
        Current = this;
    }

    internal override void Called(string name, string overload, Value* arguments, int count, Value* results, int returned)
    {
        outer?.Called(name, overload, arguments, count, results, returned);
        if (--left == 0)
            source.Cancel();
    }

    public void Dispose() => Current = outer;
}
