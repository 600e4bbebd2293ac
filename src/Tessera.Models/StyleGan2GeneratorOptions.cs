using System.ComponentModel.DataAnnotations;

namespace Tessera.Models;

/// <summary>Options of <see cref="StyleGan2Generator"/>, <c>stylegan2_generator</c> in recipes.</summary>
/// <param name="StyleDim">Width of random vectors and styles.</param>
/// <param name="MappingLayers">Linear maps that make a style of a random vector.</param>
/// <param name="Small32">The narrow widths for images of up to 32 pixels.</param>
/// <param name="ChannelMultiplier">Factor of the channels of maps above 32 pixels.</param>
/// <param name="StyleMix">Share of training samples of which some of the last layers see another style.</param>
/// <param name="Widest">Most channels of a map.</param>
public sealed record StyleGan2GeneratorOptions(
    [Range(1, 100_000)] int StyleDim = 512,
    [Range(0, 100)] int MappingLayers = 8,
    bool Small32 = false,
    [Range(0.01, 100)] double ChannelMultiplier = 2,
    [Range(0, 1)] double StyleMix = 0.9,
    [Range(1, 100_000)] int Widest = 512
) : GeneratorOptions
{
    /// <inheritdoc/>
    public override ImageGenerator Create(ModelOptions images)
    {
        var (side, channels) = Square(images);
        return new StyleGan2Generator(new(side, StyleDim, MappingLayers, Small32, ChannelMultiplier, StyleMix, channels, Widest));
    }
}
