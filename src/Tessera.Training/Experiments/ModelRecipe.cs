using System.ComponentModel.DataAnnotations;
using Tessera.Models;
using Tessera.Training.Recipes;

namespace Tessera.Training.Experiments;

/// <summary>Which model.</summary>
/// <param name="Name">In the registry.</param>
/// <param name="Classes">By default as many as the data has.</param>
/// <param name="Channels">By default as many as the data's images have.</param>
/// <param name="ImageSize">Side, or height and width; by default the size of the data's images, where all have the same, else the model's.</param>
/// <param name="Dropout">Rate of dropout; by default the variant's.</param>
/// <param name="DropPath">Rate of stochastic depth; by default the variant's.</param>
/// <param name="AttentionDropout">Rate of dropout of attention weights; by default the variant's.</param>
/// <param name="Weights">What to begin with: a checkpoint, or the folder of a run, of which the newest is taken. A classifier of other classes is left fresh; position tables of another image size are resampled as the model's paper does.</param>
/// <param name="WeightsEma">Takes the moving average of the weights of a run.</param>
/// <param name="NewHead">Whether the classifier is left fresh; by default where its classes are not those of the weights (of a file: where their number differs).</param>
public sealed record ModelRecipe(
    string Name,
    [Range(1, 1_000_000)] int? Classes = null,
    [Range(1, 1024)] int? Channels = null,
    IReadOnlyList<int>? ImageSize = null,
    [Range(0, 0.999)] double? Dropout = null,
    [Range(0, 0.999)] double? DropPath = null,
    [Range(0, 0.999)] double? AttentionDropout = null,
    [RecipePath] string? Weights = null,
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
            _ => throw new ArgumentException("image_size is one side, or height and width"),
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
