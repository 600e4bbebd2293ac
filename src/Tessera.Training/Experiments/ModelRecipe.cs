using System.ComponentModel.DataAnnotations;
using Tessera.Models;
using Tessera.Training.Bundles;

namespace Tessera.Training.Experiments;

/// <summary>The model of a training.</summary>
/// <param name="Name">Name in the registry.</param>
/// <param name="Classes">By default as many as the data has.</param>
/// <param name="Channels">By default as many as the data's images have.</param>
/// <param name="ImageSize">Side, or height and width; by default the common size of the data's images, or else the model's.</param>
/// <param name="Dropout">Rate of dropout; by default the variant's.</param>
/// <param name="DropPath">Rate of stochastic depth; by default the variant's.</param>
/// <param name="AttentionDropout">Rate of dropout of attention weights; by default the variant's.</param>
/// <param name="Weights">
/// Initial weights: a checkpoint, or a run folder, whose newest checkpoint is taken; of a checkpoint with several sets of weights
/// <c>{ file: FILE, key: KEY, prefix: PREFIX, ema: true }</c> names one. A classifier for other classes starts fresh; position tables for
/// another image size are resampled as in the model's paper.
/// </param>
/// <param name="WeightsEma">Takes the moving average of the weights of a run.</param>
/// <param name="NewHead">
/// Whether the classifier starts fresh; by default if its classes differ from those of the weights (for a file, if their number differs).
/// </param>
public sealed record ModelRecipe(
    string Name,
    [Range(1, 1_000_000)] int? Classes = null,
    [Range(1, 1024)] int? Channels = null,
    IReadOnlyList<int>? ImageSize = null,
    [Range(0, 0.999)] double? Dropout = null,
    [Range(0, 0.999)] double? DropPath = null,
    [Range(0, 0.999)] double? AttentionDropout = null,
    WeightsFile? Weights = null,
    bool WeightsEma = false,
    bool? NewHead = null
)
{
    /// <summary>Side, or height and width.</summary>
    public IReadOnlyList<int>? ImageSize { get; init; } =
        ImageSize switch
        {
            null or [] => null,
            [> 0] or [> 0, > 0] => ImageSize,
            _ => throw new ArgumentException("image_size must be one side, or height and width"),
        };

    /// <summary>As models take it.</summary>
    /// <param name="defaults">Of the data, where the recipe does not say.</param>
    public ModelOptions Options(ModelOptions defaults) =>
        defaults with
        {
            Classes = Classes ?? defaults.Classes,
            Channels = Channels ?? defaults.Channels,
            ImageSize = ImageSize is { } own ? (own[0], own[^1]) : defaults.ImageSize,
            Dropout = Dropout,
            DropPath = DropPath,
            AttentionDropout = AttentionDropout,
        };
}
