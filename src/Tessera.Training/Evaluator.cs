using System.Text.Json;
using Tessera.Data;
using Tessera.Distributed;
using Tessera.Models;

namespace Tessera.Training;

/// <summary>Runs a model over labelled samples.</summary>
public static class Evaluator
{
    /// <summary>Measures a model; it is in the mode that it was in before when this returns.</summary>
    /// <param name="model">The model.</param>
    /// <param name="batches">Samples; their tensors are freed.</param>
    /// <param name="options">Bins of the calibration error.</param>
    /// <param name="precision">Type of products.</param>
    /// <param name="done">Told the number of samples so far.</param>
    /// <param name="predict">Gives the logits of images instead of the model: the same, compiled.</param>
    /// <param name="group">Processes that measure together, each its share of every batch: all get the figures of the whole. Null for one.</param>
    /// <param name="stop">Gives up between two batches.</param>
    /// <exception cref="OperationCanceledException">It was stopped.</exception>
    public static Evaluation Run(
        Backbone model,
        IEnumerable<Batch> batches,
        EvaluationOptions? options = null,
        Precision precision = Precision.Fp32,
        Action<int>? done = null,
        Func<Tensor, Tensor>? predict = null,
        ProcessGroup? group = null,
        CancellationToken stop = default
    )
    {
        var metrics = new Classification(model.Classes, (options ?? new()).Bins);
        var training = model.Training;
        int? largest = null;
        var seen = 0;
        var unreadable = new SortedDictionary<int, UnreadableImage>();
        model.Eval();
        try
        {
            using var outside = Torch.NoGrad();
            using var samples = batches.GetEnumerator();
            while (true)
            {
                if (group is null ? stop.IsCancellationRequested : group.Any(stop.IsCancellationRequested))
                    throw new OperationCanceledException(stop);
                using var scope = new Scope();
                if (!samples.MoveNext())
                    break;
                if (!samples.Current.Idle)
                    foreach (var image in samples.Current.Unreadable)
                        unreadable[image.Index] = image;
                using var batch = new OwnedBatch(samples.Current, DeviceOf(model));
                using var cast = precision.Autocast(DeviceOf(model));
                if (batch.Value is { Count: > 0, Idle: false })
                    metrics.Add(
                        predict is not null && batch.Value.Mask is null
                            ? predict(batch.Value.Inputs)
                            : PredictInParts(model, batch.Value, ref largest),
                        batch.Value.Labels,
                        batch.Value.Indices
                    );
                seen += batch.Value.Whole;
                done?.Invoke(seen);
            }
        }
        finally
        {
            model.Train(training);
        }
        if (group is not null)
        {
            metrics.Join(group);
            foreach (
                var image in group
                    .Gather(JsonSerializer.Serialize(unreadable.Values))
                    .SelectMany(text => JsonSerializer.Deserialize<UnreadableImage[]>(text)!)
            )
                unreadable[image.Index] = image;
        }
        return metrics.Measure() with { Unreadable = [.. unreadable.Values] };
    }

    // Samples are predicted one for one, so that batches which do not fit into memory pass in parts with the same result.
    private static Tensor PredictInParts(Backbone model, Batch batch, ref int? largest)
    {
        while (true)
        {
            try
            {
                using var scope = new Scope();
                Tensor[] logits = [.. MicroBatches.Split(batch, largest).Select(part => Predict(model, part))];
                return scope.Return(logits is [var only] ? only : Torch.Cat(logits));
            }
            catch (TorchException error) when (MicroBatches.IsOutOfMemory(error) && Math.Min(largest ?? int.MaxValue, batch.Count) > 1)
            {
                largest = MicroBatches.Half(Math.Min(largest ?? int.MaxValue, batch.Count));
            }
            MicroBatches.Release(DeviceOf(model));
        }
    }

    /// <summary>Logits for prediction, [B, classes].</summary>
    internal static Tensor Predict(Backbone model, Batch batch) =>
        batch.Mask is null ? model.Call(batch.Inputs) : model.Run(new(batch.Inputs, batch.Mask)).Logits;

    internal static Device DeviceOf(Module module) => module.Parameters().FirstOrDefault()?.Device ?? Device.Cpu;
}

/// <summary>A batch on the device that computes; what came from the loader is freed with it.</summary>
internal readonly struct OwnedBatch : IDisposable
{
    private readonly Batch source;

    internal OwnedBatch(Batch source, Device device, bool channelsLast = false)
    {
        this.source = source;
        Value =
            device.Type == DeviceType.Cpu
                ? source
                : source with
                {
                    Inputs = source.Inputs.To(device),
                    Labels = source.Labels.To(device),
                    Targets = source.Targets?.To(device),
                    Mask = source.Mask?.To(device),
                };
        if (channelsLast && Value.Inputs.Dim == 4)
        {
            var inputs = Value.Inputs.Contiguous(MemoryFormat.ChannelsLast);
            if (!ReferenceEquals(Value.Inputs, source.Inputs))
                Value.Inputs.Dispose();
            Value = Value with { Inputs = inputs };
        }
    }

    internal Batch Value { get; }

    public void Dispose()
    {
        foreach (var tensor in source.Tensors.Concat(Value.Tensors))
            tensor.Dispose();
    }
}
