using System.Runtime.CompilerServices;
using Tessera.Nn;
using Tessera.Optim;
using Tessera.Testing;

namespace Tessera.Tests;

/// <summary>Tensors by the million, garbage collection and threads.</summary>
public sealed class LifetimeTests : LiveTensors
{
    [Fact]
    public void A_million_tensors_on_eight_threads_under_forced_collection_are_all_freed()
    {
        var before = Tensor.LiveCount;
        var failures = 0;
        var workers = Enumerable
            .Range(0, 8)
            .Select(i => new Thread(() =>
            {
                if (!Work(i, 125_000))
                    Interlocked.Increment(ref failures);
            }))
            .ToArray();
        foreach (var worker in workers)
            worker.Start();
        foreach (var worker in workers)
            worker.Join();
        for (var round = 0; round < 3; round++)
            Torch.Collect();
        Assert.Equal(0, failures);
        Assert.Equal(before, Tensor.LiveCount);
    }

    // A third each: dropped for the collector, freed by a scope, disposed of.
    private static bool Work(int seed, int count)
    {
        var right = true;
        for (var i = 0; i < count; i += 3)
        {
            var dropped = Tensor.Of((float)(seed + i));
            Tensor scoped;
            using (Torch.Scope())
                scoped = Tensor.Of(1L);
            var disposed = Tensor.Of((double)i);
            if (i % 999 == 0)
            {
                // Each thread collects while the others compute.
                GC.Collect(0);
                right &= dropped.ToSingle() == seed + i && disposed.ToDouble() == i && !scoped.IsAlive;
            }
            disposed.Dispose();
        }
        return right;
    }

    [Fact]
    public void A_finalizer_only_queues()
    {
        Torch.Collect();
        var before = Tensor.LiveCount;
        var freed = 0;
        Drop(() => Interlocked.Increment(ref freed));
        GC.Collect();
        GC.WaitForPendingFinalizers();
        // Collected and finalised, yet the native tensor lives until a computing thread comes by.
        Assert.Equal((before + 1, 0), (Tensor.LiveCount, freed));
        Torch.Ones(1).Dispose();
        Assert.Equal((before, 1), (Tensor.LiveCount, freed));
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static unsafe void Drop(Action freed)
    {
        var memory = System.Runtime.InteropServices.NativeMemory.Alloc(4);
        Tensor.Over(memory, [1], DType.Float32, () =>
        {
            System.Runtime.InteropServices.NativeMemory.Free(memory);
            freed();
        });
    }

    [Fact]
    public void Tensors_outside_of_scopes_do_not_run_memory_away()
    {
        Torch.Collect();
        var largest = 0L;
        var before = Tensor.LiveCount;
        // 16 GiB in all, in pieces of 64 MiB that nobody frees.
        for (var i = 0; i < 256; i++)
        {
            Make();
            largest = Math.Max(largest, Tensor.LiveCount - before);
        }
        Assert.InRange(largest, 1, 10);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Make() => Torch.Empty([16 << 20]);

    [Fact]
    public void Views_of_a_large_tensor_do_not_count_as_large()
    {
        using var data = Torch.Empty([32 << 20]);
        var collections = GC.CollectionCount(2);
        for (var i = 0; i < 200; i++)
            data[i].Dispose();
        Assert.Equal(collections, GC.CollectionCount(2));
    }

    [Fact]
    public void Training_steps_leave_nothing_behind()
    {
        var model = new Sequential([new Linear(8, 16), new BatchNorm(16), new Gelu(), new Dropout(0.1), new Linear(16, 2)]);
        var optimizer = new AdamW(ParameterGroup.Split(model, 0.05), 1e-3);
        var after = new List<long>();
        for (var step = 0; step < 20; step++)
        {
            using var scope = Torch.Scope();
            optimizer.ZeroGrad();
            model.Call(Torch.Randn([4, 8])).CrossEntropyLoss(Torch.Randint(2, [4])).Backward();
            optimizer.Step();
            scope.Dispose();
            after.Add(Tensor.LiveCount);
        }
        Assert.Single(after.Skip(1).Distinct());
    }
}
