using System.ComponentModel.DataAnnotations;
using Tessera.Models;
using Tessera.Training.Recipes;

namespace Tessera.Training.Objectives.Adversarial;

/// <summary>StyleGAN2's discriminator, by which the authors' code trains ViTGAN's generator.</summary>
/// <param name="Small32">
/// Whether maps are narrow: 512 channels up to 8 x 8, then half as many with each doubling. By default for images of up to 32 pixels.
/// </param>
/// <param name="ChannelMultiplier">Factor of the channels of maps above 32 pixels, from 0.01 to 100; 2 by default.</param>
/// <param name="Group">
/// Images whose deviation is taken together, from 1 to 1024; 4 by default. A batch is a multiple of it.
/// </param>
/// <param name="Widest">Most channels of a map, from 1 to 100000; 512 by default.</param>
[RecipeName("stylegan2")]
public sealed record StyleGan2DiscriminatorOptions(
    bool? Small32 = null,
    [Range(0.01, 100)] double ChannelMultiplier = 2,
    [Range(1, 1024)] int Group = 4,
    [Range(1, 100_000)] int Widest = 512
) : DiscriminatorOptions
{
    /// <inheritdoc/>
    public override Discriminator Create(int side, int channels) =>
        new StyleGan2Discriminator(
            new(side, Small32 ?? side <= 32, ChannelMultiplier, Group, Projections: false, Channels: channels, Widest: Widest)
        );
}
