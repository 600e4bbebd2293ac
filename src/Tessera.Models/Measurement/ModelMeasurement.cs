using System.Diagnostics;

namespace Tessera.Models.Measurement;

/// <summary>Speed, memory and counts of a model on this machine.</summary>
/// <param name="ImageSize">Height and width of the images.</param>
/// <param name="Levels">Number of resolutions of its feature maps.</param>
/// <param name="Parameters">Number of learned values.</param>
/// <param name="Macs">Multiply-accumulates of one sample.</param>
/// <param name="AttentionMacs">Multiply-accumulates of the products of activations with each other.</param>
/// <param name="Activations">Elements that convolutions and matrix products put out.</param>
/// <param name="ImagesPerSecondSingle">Samples per second, one at a time; null without speed.</param>
/// <param name="ImagesPerSecond">Samples per second in batches; null without speed.</param>
/// <param name="PeakMemory">Bytes that the weights and the prediction of a batch add to the process; null without speed.</param>
public sealed record ModelMeasurement(
    IReadOnlyList<int> ImageSize,
    int Levels,
    long Parameters,
    long Macs,
    long AttentionMacs,
    long Activations,
    double? ImagesPerSecondSingle,
    double? ImagesPerSecond,
    long? PeakMemory
)
{
    private const int WarmUp = 10,
        Least = 3;

    /// <summary>Builds a variant and measures it. The peak of memory is right in a fresh process only.</summary>
    /// <param name="variant">The variant.</param>
    /// <param name="options">How it is measured.</param>
    /// <param name="stop">Ends the measurement between two runs.</param>
    /// <exception cref="OperationCanceledException"><paramref name="stop"/> was signalled.</exception>
    public static ModelMeasurement Of(Variant variant, MeasurementOptions options, CancellationToken stop = default)
    {
        Torch.Threads = options.Threads;
        var device = Device.Parse(options.Device);
        var before = ProcessMemory.Resident;
        using var scope = new Scope();
        // Values do not matter, but denormal ones that uninitialised memory holds would cost time.
        var model = variant.Create(options.Model);
        model.To(device);
        model.Eval();
        using var outside = Torch.NoGrad();
        double? single = null,
            many = null;
        long? memory = null;
        if (options.Speed)
        {
            single = Rate(model, 1, options, device, stop);
            many = options.Batch == 1 ? single : Rate(model, options.Batch, options, device, stop);
            memory = device.Type == DeviceType.Cuda ? Cuda.Memory(Math.Max(0, device.Index)).Peak : ProcessMemory.Peak - before;
        }
        var cost = ModelCost.Count(model);
        var levels = model.ForwardFeatureMaps(model.ExampleInput()).Select(map => map.Stride).Distinct().Count();
        return new(
            [model.ImageSize.Height, model.ImageSize.Width],
            levels,
            cost.Parameters,
            cost.Macs,
            cost.AttentionMacs,
            cost.Activations,
            single,
            many,
            memory
        );
    }

    private static double Rate(Model model, int batch, MeasurementOptions options, Device device, CancellationToken stop)
    {
        var input = model.ExampleInput(batch);
        var started = Stopwatch.GetTimestamp();
        // A model that takes seconds needs no ten runs to warm up.
        for (var i = 0; i < WarmUp && (i == 0 || Stopwatch.GetElapsedTime(started) < options.Budget / 4); i++)
            Run();
        List<double> times = [];
        started = Stopwatch.GetTimestamp();
        while (times.Count < Least || (times.Count < options.Runs && Stopwatch.GetElapsedTime(started) < options.Budget))
            times.Add(Run());
        return batch / times.Order().ElementAt(times.Count / 2);

        double Run()
        {
            stop.ThrowIfCancellationRequested();
            using var inner = new Scope();
            using var cast = options.Mixed ? Torch.Autocast(device: device.Type) : null;
            var begun = Stopwatch.GetTimestamp();
            model.Call(input);
            if (device.Type == DeviceType.Cuda)
                Cuda.Synchronize(Math.Max(0, device.Index));
            return Stopwatch.GetElapsedTime(begun).TotalSeconds;
        }
    }
}
