using System.Text.Json;
using Tessera.Data;
using Tessera.Distributed;

namespace Tessera.Training.Loop;

/// <summary>Measures a model on samples.</summary>
public static class Measurement
{
    /// <summary>
    /// Passes every batch to an evaluator; a batch that does not fit into memory passes in parts with the same result. The mode of the
    /// model is restored afterwards.
    /// </summary>
    /// <param name="model">The model that is measured.</param>
    /// <param name="batches">Samples; their tensors are freed.</param>
    /// <param name="evaluator">Runs the model and gathers the figures.</param>
    /// <param name="precision">Type in which products are computed; float32 by default.</param>
    /// <param name="done">Receives the number of samples so far.</param>
    /// <param name="group">
    /// Processes that measure together, each its share of every batch: all get the figures of the whole. Null for one process.
    /// </param>
    /// <param name="stop">Gives up between two batches.</param>
    /// <exception cref="OperationCanceledException">It was stopped.</exception>
    public static Metrics Run(
        Module model,
        IEnumerable<Batch> batches,
        Evaluator evaluator,
        Precision precision = Precision.Fp32,
        Action<int>? done = null,
        ProcessGroup? group = null,
        CancellationToken stop = default
    )
    {
        var pass = new Pass(model, precision, group, stop);
        var seen = 0;
        var unreadable = new SortedDictionary<int, UnreadableImage>();
        using (new Frozen(model))
        {
            if (evaluator.Bank is { } bank)
                pass.Through(bank, _ => { });
            pass.Through(batches, evaluator.Add, batch =>
            {
                if (!batch.IsPlaceholder)
                    foreach (var image in batch.Unreadable)
                        unreadable[image.Index] = image;
                seen += batch.GlobalCount;
                done?.Invoke(seen);
            });
        }
        if (group is not null)
        {
            evaluator.Join(group);
            foreach (
                var image in group
                    .Gather(JsonSerializer.Serialize(unreadable.Values))
                    .SelectMany(text => JsonSerializer.Deserialize<UnreadableImage[]>(text)!)
            )
                unreadable[image.Index] = image;
        }
        return evaluator.Measure() with { Unreadable = [.. unreadable.Values] };
    }

    /// <summary>Fills a bank with the features of its samples. The mode of the model is restored afterwards.</summary>
    /// <param name="model">The model that the bank asks.</param>
    /// <param name="bank">The bank.</param>
    /// <param name="precision">Type in which products are computed.</param>
    /// <param name="done">Receives the number of samples so far.</param>
    /// <param name="stop">Gives up between two batches.</param>
    /// <exception cref="OperationCanceledException">It was stopped.</exception>
    internal static void Gather(Module model, FeatureBank bank, Precision precision, Action<int>? done, CancellationToken stop)
    {
        var seen = 0;
        using (new Frozen(model))
            new Pass(model, precision, null, stop).Through(bank, batch => done?.Invoke(seen += batch.Count));
    }

    // A model in evaluation mode, without gradients.
    private readonly struct Frozen : IDisposable
    {
        private readonly Module model;
        private readonly bool training;
        private readonly IDisposable outside;

        internal Frozen(Module model)
        {
            (this.model, training) = (model, model.Training);
            model.Eval();
            outside = Torch.NoGrad();
        }

        public void Dispose()
        {
            outside.Dispose();
            model.Train(training);
        }
    }

    private sealed class Pass(Module model, Precision precision, ProcessGroup? group, CancellationToken stop)
    {
        private readonly Device device = ModuleDevice.Of(model);
        private int? largest;

        internal void Through(FeatureBank bank, Action<Batch> added)
        {
            Through(bank.Batches(group is null ? stop : default), bank.Add, added);
            if (group is not null)
                bank.Join(group);
        }

        internal void Through(IEnumerable<Batch> all, Action<Batch> add, Action<Batch> added)
        {
            using var samples = all.GetEnumerator();
            while (true)
            {
                if (group is null ? stop.IsCancellationRequested : group.Any(stop.IsCancellationRequested))
                    throw new OperationCanceledException(stop);
                using var scope = new Scope();
                if (!samples.MoveNext())
                    break;
                using var batch = new OwnedBatch(samples.Current, device);
                using var cast = precision.Autocast(device);
                if (!batch.Value.IsPlaceholder)
                    AddInParts(add, batch.Value, device, ref largest);
                added(batch.Value);
            }
        }
    }

    private static void AddInParts(Action<Batch> add, Batch batch, Device device, ref int? largest)
    {
        for (var start = 0; start < batch.Count; )
        {
            var size = Math.Min(largest ?? int.MaxValue, batch.Count - start);
            try
            {
                using var scope = new Scope();
                add(size == batch.Count ? batch : batch.Slice(start, size));
                start += size;
                continue;
            }
            catch (TorchException error) when (MicroBatches.IsOutOfMemory(error) && size > 1)
            {
                largest = MicroBatches.Half(size);
            }
            // Out of the handler: by now nothing holds what the failed attempt has made.
            MicroBatches.Release(device);
        }
    }
}
