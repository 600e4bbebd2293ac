using Xunit;

namespace Tessera.Testing;

/// <summary>
/// Base class of every test class that makes tensors: after each test, the number of live tensors is what it was before. The
/// counter belongs to the process, so an assembly with such tests runs them one after another. Fields are initialised before
/// the count: let them leave no intermediates behind (<c>Torch.Scope(() => ...)</c>).
/// </summary>
public abstract class LiveTensors : IDisposable
{
    private readonly long before;

    // Tests work on small tensors, often beside other processes: waiting for a second thread costs more than it brings.
    static LiveTensors() => Torch.Threads = 1;

    protected LiveTensors()
    {
        before = Settled();
    }

    public void Dispose()
    {
        Assert.Null(Scope.Current);
        Settle(before);
        Assert.Equal(before, Tensor.LiveCount);
        GC.SuppressFinalize(this);
    }

    /// <summary>
    /// Number of live tensors once all that earlier tests have dropped is freed. <see cref="Tensor.LiveCount"/> alone would
    /// fall in the middle of a test, whenever the collector comes by.
    /// </summary>
    public static long Settled()
    {
        Settle(long.MinValue);
        return Tensor.LiveCount;
    }

    // A graph that is freed lets go of C# objects, which the next collection finds: a few rounds may be needed.
    private static void Settle(long goal)
    {
        for (var round = 0; round < 8; round++)
        {
            var count = Tensor.LiveCount;
            Torch.Collect();
            if (Tensor.LiveCount == goal || (goal == long.MinValue && Tensor.LiveCount == count))
                return;
        }
    }
}
