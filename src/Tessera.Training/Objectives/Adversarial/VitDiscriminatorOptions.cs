using System.ComponentModel.DataAnnotations;
using Tessera.Models;
using Tessera.Training.Recipes;

namespace Tessera.Training.Objectives.Adversarial;

/// <summary>ViTGAN's transformer discriminator, as the paper has it.</summary>
/// <param name="Patch">Pixels from one patch to the next, a divisor of the side from 1 to 1024; by default an eighth of the side.</param>
/// <param name="Overlap">Pixels that a patch reaches into its neighbors, from 0 to 1024; half a patch by default.</param>
/// <param name="Dim">Width of the tokens, a multiple of the heads, from 1 to 100000; 384 by default.</param>
/// <param name="Depth">Blocks, from 1 to 1000; by default 4 for images of up to 32 pixels and 6 above.</param>
/// <param name="Heads">Heads of the attention, from 1 to 1000; 6 by default.</param>
/// <param name="MlpRatio">Hidden width of the MLPs over the width, from 0.01 to 1000; 4 by default.</param>
[RecipeName("vit")]
public sealed record VitDiscriminatorOptions(
    [Range(1, 1024)] int? Patch = null,
    [Range(0, 1024)] int? Overlap = null,
    [Range(1, 100_000)] int Dim = 384,
    [Range(1, 1000)] int? Depth = null,
    [Range(1, 1000)] int Heads = 6,
    [Range(0.01, 1000)] double MlpRatio = 4
) : DiscriminatorOptions
{
    /// <inheritdoc/>
    public override Discriminator Create(int side, int channels)
    {
        var paper = VitDiscriminator.Config.Paper(side);
        return new VitDiscriminator(
            paper with
            {
                Patch = Patch ?? paper.Patch,
                Overlap = Overlap,
                Dim = Dim,
                Depth = Depth ?? paper.Depth,
                Heads = Heads,
                MlpRatio = MlpRatio,
                Channels = channels,
            }
        );
    }
}
