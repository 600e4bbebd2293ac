using Tessera.Native;
using Tessera.Nn;

namespace Tessera.Distributed;

/// <summary>
/// The same model in all processes, each with its part of the batch: values of rank 0 to begin with, then gradients averaged by
/// c10d's reducer, in buckets, while the backward pass is still going on (Li et al., 2020, arXiv:2006.15704).
/// </summary>
public sealed unsafe class DataParallel : IDisposable
{
    private const long FirstBucket = 1 << 20;

    private readonly ProcessGroup group;
    private readonly IReadOnlyList<Module> modules;
    private readonly ReducerHandle reducer;

    /// <summary>Takes the values of rank 0 and begins to watch the gradients.</summary>
    /// <param name="group">The processes.</param>
    /// <param name="modules">Modules with the same parameters and buffers in all processes.</param>
    /// <param name="learned">Parameters whose gradients are averaged.</param>
    /// <param name="syncBatchNorm">Whether batch norms use the statistics of all processes.</param>
    /// <param name="bucketBytes">Gradients that are exchanged together.</param>
    /// <exception cref="WorkerDisagreementException">A process has other parameters.</exception>
    public DataParallel(
        ProcessGroup group,
        IReadOnlyList<Module> modules,
        IEnumerable<Parameter> learned,
        bool syncBatchNorm = true,
        long bucketBytes = 25 << 20
    )
    {
        (this.group, this.modules) = (group, modules);
        group.Agree(
            (
                "model",
                string.Join(
                    '\n',
                    modules
                        .SelectMany(module => module.NamedParameters())
                        .Select(p => $"{p.Name} {p.Parameter.DType.Name()} {p.Parameter.Shape}")
                )
            )
        );
        foreach (var parameter in modules.SelectMany(module => module.Parameters()).Distinct())
            group.Broadcast(parameter);
        BroadcastBuffers();
        if (syncBatchNorm)
            foreach (var norm in modules.SelectMany(module => module.NamedModules()).Select(m => m.Module).OfType<BatchNorm>())
                norm.Shared = SyncBatchNorm.Over(group);
        Parameter[] watched = [.. learned.Where(p => p.RequiresGrad)];
        var handle = group.HandleFor(watched[0].Device);
        ReducerHandle? made = null;
        group.Guard(() => made = New(handle, watched, bucketBytes));
        reducer = made!;
    }

    private static ReducerHandle New(GroupHandle group, Parameter[] watched, long bucketBytes)
    {
        using var list = new TensorList(watched);
        Dispatcher.Check(Imports.ReducerNew(group, list.Handles, list.Count, FirstBucket, bucketBytes, out var result));
        GC.KeepAlive(watched);
        return result;
    }

    /// <summary>
    /// Makes the next backward pass average the gradients over all processes, including gradients that earlier passes have accumulated.
    /// Without this call a pass only accumulates, as the first parts of an accumulated step do.
    /// </summary>
    /// <param name="loss">The tensor to differentiate.</param>
    public void Average(Tensor loss)
    {
        Dispatcher.Check(Imports.ReducerPrepare(reducer, loss.Handle));
        GC.KeepAlive(loss);
    }

    /// <summary>Takes the buffers of rank 0 (running statistics).</summary>
    public void BroadcastBuffers()
    {
        foreach (var (_, buffer) in modules.SelectMany(module => module.NamedBuffers()))
            if (buffer.Elements > 0)
                group.Broadcast(buffer);
    }

    /// <summary>Stops watching the gradients.</summary>
    public void Dispose() => reducer.Dispose();
}
