using System.ComponentModel.DataAnnotations;

namespace Tessera.Models;

/// <summary>Options of <see cref="VitGanGenerator"/>, <c>vitgan_generator</c> in recipes.</summary>
/// <param name="Preset">What the options below are where they are left out.</param>
/// <param name="PixelMapping">How pixels come out of tokens.</param>
/// <param name="TokenWidth">Tokens along a side.</param>
/// <param name="Depth">Number of blocks; 4 for images of up to 32 pixels and 6 above when left out.</param>
/// <param name="Dim">Width of the tokens, a multiple of the heads.</param>
/// <param name="Heads">Heads of the attention.</param>
/// <param name="MlpDim">Hidden width of the MLPs; four times that of the tokens when left out.</param>
/// <param name="PixelDim">Channels of the network that makes pixels of a token.</param>
/// <param name="StyleDim">Width of random vectors and styles; that of the tokens when left out.</param>
/// <param name="MappingLayers">Linear maps that make a style of a random vector.</param>
/// <param name="Attention">How queries and keys are compared.</param>
/// <param name="SpectralNorm">Whether the largest singular values of the blocks' maps stay what they were in the beginning.</param>
/// <param name="Residual">What a block adds the results of its layers to.</param>
public sealed record VitGanGeneratorOptions(
    VitGanPreset Preset = VitGanPreset.Reproduction,
    VitGanPixelMapping PixelMapping = VitGanPixelMapping.Implicit,
    [Range(1, 1024)] int TokenWidth = 8,
    [Range(1, 1000)] int? Depth = null,
    [Range(1, 100_000)] int Dim = 384,
    [Range(1, 1000)] int Heads = 6,
    [Range(1, 1_000_000)] int? MlpDim = null,
    [Range(1, 100_000)] int PixelDim = 512,
    [Range(1, 100_000)] int? StyleDim = null,
    [Range(0, 100)] int MappingLayers = 8,
    VitGanAttention? Attention = null,
    bool? SpectralNorm = null,
    VitGanResidual? Residual = null
) : GeneratorOptions
{
    /// <inheritdoc/>
    public override ImageGenerator Create(ModelOptions images)
    {
        var (side, channels) = Square(images);
        var preset = Preset == VitGanPreset.Paper ? VitGanGenerator.Config.Paper(side) : VitGanGenerator.Config.Reproduction(side);
        return new VitGanGenerator(
            preset with
            {
                TokenWidth = TokenWidth,
                Depth = Depth ?? preset.Depth,
                StyleDim = StyleDim ?? Dim,
                MappingLayers = MappingLayers,
                PixelMapping = PixelMapping,
                Attention = Attention ?? preset.Attention,
                SpectralNorm = SpectralNorm ?? preset.SpectralNorm,
                Residual = Residual ?? preset.Residual,
                Dim = Dim,
                Heads = Heads,
                MlpDim = MlpDim ?? 4 * Dim,
                PixelDim = PixelDim,
                Channels = channels,
            }
        );
    }
}
