namespace Tessera.Models.Measurement;

/// <summary>How a model is measured.</summary>
/// <param name="ImageSize">Height and width of the images, one number for both; null for the model's own.</param>
/// <param name="Classes">Number of classes; null for the model's own.</param>
/// <param name="Channels">Channels of the images; null for the model's own.</param>
/// <param name="Batch">Samples of a batch.</param>
/// <param name="Runs">Most runs per batch size, of which the median counts.</param>
/// <param name="Budget">Time for the runs of one batch size; three runs are made in any case.</param>
/// <param name="Device">Name of the device, such as cpu or cuda:0.</param>
/// <param name="Mixed">Whether matrix products are computed in bfloat16.</param>
/// <param name="Threads">Threads of one operator.</param>
/// <param name="Speed">Whether speed and memory are measured; otherwise operations are counted only.</param>
public sealed record MeasurementOptions(
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
