namespace Tessera.Testing;

/// <summary>A place in the work of other threads where it waits until the test lets it go on.</summary>
public sealed class Gate : IDisposable
{
    private readonly ManualResetEventSlim reached = new();
    private readonly ManualResetEventSlim open = new();

    /// <summary>On the thread that works: says that it has come here, and waits.</summary>
    public void Pass()
    {
        reached.Set();
        open.Wait();
    }

    /// <summary>Waits until somebody has come.</summary>
    public void WaitForOne() => reached.Wait();

    /// <summary>Lets go whoever waits, and lets pass whoever comes.</summary>
    public void Open() => open.Set();

    public void Dispose()
    {
        reached.Dispose();
        open.Dispose();
    }
}
