using Tessera.Data.Imaging;

namespace Tessera.Training.Bundles;

/// <summary>What is done otherwise than a bundle says as samples are prepared; null leaves it.</summary>
/// <param name="Mean">Per channel, of values in [0, 1].</param>
/// <param name="Deviation">Per channel, above 0.</param>
/// <param name="CropRatio">
/// Side of the centre crop over the resized shorter side, above 0 and at most 1; replaces transforms of the recipe.
/// </param>
/// <param name="Interpolation">Filter of that resize; replaces transforms of the recipe.</param>
public sealed record PreparationChanges(
    IReadOnlyList<float>? Mean = null,
    IReadOnlyList<float>? Deviation = null,
    double? CropRatio = null,
    Interpolation? Interpolation = null
)
{
    /// <summary>Side of the centre crop over the resized shorter side.</summary>
    public double? CropRatio { get; init; } =
        CropRatio is null or (> 0 and <= 1)
            ? CropRatio
            : throw new RunException($"the crop must be above 0 and at most 1 of the shorter side, not {CropRatio}");
}
