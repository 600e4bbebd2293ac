using Tessera.Native;
using Tessera.Testing;

namespace Tessera.Tests;

/// <summary>The number of threads of an operator, which the engine keeps per thread.</summary>
public sealed class EngineThreadsTests : LiveTensors
{
    private static int CountAfterWork()
    {
        using (Torch.Ones([4]).Add(1)) { }
        // What the engine itself would use on this thread.
        return Imports.Threads();
    }

    [Fact]
    public void A_number_that_is_set_later_holds_on_threads_that_computed_before()
    {
        using ManualResetEventSlim computed = new(),
            changed = new();
        var counts = new List<int>();
        var thread = new Thread(() =>
        {
            using var scope = new Scope();
            counts.Add(CountAfterWork());
            computed.Set();
            changed.Wait();
            counts.Add(CountAfterWork());
            counts.Add(Torch.Threads);
        });
        thread.Start();
        computed.Wait();
        try
        {
            Torch.Threads = 3;
            changed.Set();
            thread.Join();
        }
        finally
        {
            Torch.Threads = 1;
        }
        Assert.Equal([1, 3, 3], counts);
        using var here = new Scope();
        Assert.Equal(1, CountAfterWork());
    }

    [Fact]
    public void A_number_that_the_engine_refuses_changes_nothing()
    {
        Assert.ThrowsAny<TorchException>(() => Torch.Threads = 0);
        Assert.Equal(1, Torch.Threads);
    }
}
