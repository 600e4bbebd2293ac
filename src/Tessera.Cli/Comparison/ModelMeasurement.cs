using System.Diagnostics;
using Tessera.Models;

namespace Tessera.Cli.Comparison;

/// <summary>What a model is measured with.</summary>
/// <param name="ImageSize">Height and width; null for the model's own.</param>
/// <param name="Classes">Number of classes; null for the model's own.</param>
/// <param name="Channels">Channels of the images; null for the model's own.</param>
/// <param name="Batch">Images at a time.</param>
/// <param name="Runs">Runs that the median is taken of, at most.</param>
/// <param name="Budget">Time for the runs of one batch size; the first three are done in any case.</param>
/// <param name="Device">Where it computes.</param>
/// <param name="Mixed">Products in bfloat16.</param>
/// <param name="Threads">Of one operator.</param>
/// <param name="Speed">Whether to measure speed and memory, beside counting.</param>
internal sealed record MeasurementOptions(
    IReadOnlyList<int>? ImageSize,
    int? Classes,
    int? Channels,
    int Batch,
    int Runs,
    TimeSpan Budget,
    string Device,
    bool Mixed,
    int Threads,
    bool Speed
)
{
    internal ModelOptions Model =>
        new()
        {
            ImageSize = ImageSize is { } size ? (size[0], size[^1]) : null,
            Classes = Classes,
            Channels = Channels,
        };
}

/// <summary>What a model costs in this process.</summary>
/// <param name="ImageSize">Height and width.</param>
/// <param name="Levels">Resolutions of its pyramid.</param>
/// <param name="Parameters">Numbers that are learned.</param>
/// <param name="Macs">Multiply-accumulates of one image.</param>
/// <param name="AttentionMacs">Those of products of activations with each other.</param>
/// <param name="Activations">Elements that convolutions and products put out.</param>
/// <param name="ImagesPerSecondSingle">Predictions of one image at a time.</param>
/// <param name="ImagesPerSecond">Predictions of a batch.</param>
/// <param name="PeakMemory">Bytes that weights and a batch's prediction added to the process; null where only counted.</param>
internal sealed record ModelMeasurement(
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

    /// <summary>Measures a model; its peak of memory is right in a fresh process only.</summary>
    internal static ModelMeasurement Of(Variant variant, MeasurementOptions options, CancellationToken stop)
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
        var levels = model.Pyramid(Input(model, 1, device)).Select(map => map.Stride).Distinct().Count();
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

    private static Tensor Input(Backbone model, int batch, Device device) =>
        (
            model is TextCct
                ? Torch.Zeros([batch, model.ImageSize.Height], DType.Int64)
                : Torch.Randn([batch, model.Channels, model.ImageSize.Height, model.ImageSize.Width])
        ).To(device);

    private static double Rate(Backbone model, int batch, MeasurementOptions options, Device device, CancellationToken stop)
    {
        var input = Input(model, batch, device);
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
