using System.ComponentModel.DataAnnotations;
using Tessera.Training.Recipes;

namespace Tessera.Training.Objectives.Adversarial;

/// <summary>
/// ViTGAN: a generator against a discriminator. The defaults are those of the authors' reproduction. The recipe's <c>phases</c> can give
/// <c>discriminator</c> and <c>generator</c> optimisers of their own.
/// </summary>
/// <param name="Discriminator">The opponent: stylegan2 (the default) or vit.</param>
/// <param name="R1">Gamma of the penalty R1, which counts by gamma / 2, from 0 (none) to 1000; 0.1 by default.</param>
/// <param name="R1Every">
/// Steps from one R1 to the next, from 1 (the default) to 1024; it counts so many times then, so that its mean over steps stays the same.
/// </param>
/// <param name="BcrReal">Weight of the balanced consistency of real images, from 0 (none) to 1000; 1 by default, 10 in the paper.</param>
/// <param name="BcrFake">
/// Weight of the balanced consistency of generated images, from 0 (none) to 1000; 1 by default, 10 in the paper.
/// </param>
/// <param name="DiffAugment">
/// Augmentation of all images before the discriminator; its defaults where it is left out, and
/// <c>{ color: 0, translation: 0, flip: 0, cutout: 0 }</c> for none.
/// </param>
/// <param name="GeneratorEvery">Steps of the discriminator for each of the generator, from 1 (the default) to 100.</param>
[RecipeName("vitgan")]
public sealed record VitGanOptions(
    DiscriminatorOptions? Discriminator = null,
    [Range(0, 1000)] double R1 = 0.1,
    [Range(1, 1024)] int R1Every = 1,
    [Range(0, 1000)] double BcrReal = 1,
    [Range(0, 1000)] double BcrFake = 1,
    DiffAugmentOptions? DiffAugment = null,
    [Range(1, 100)] int GeneratorEvery = 1
) : ObjectiveOptions
{
    /// <summary>The opponent.</summary>
    public DiscriminatorOptions Discriminator { get; init; } = Discriminator ?? new StyleGan2DiscriminatorOptions();

    /// <summary>Augmentation of all images before the discriminator.</summary>
    public DiffAugmentOptions DiffAugment { get; init; } = DiffAugment ?? new();

    /// <inheritdoc/>
    public override Type? TargetsType => null;

    /// <inheritdoc/>
    public override IReadOnlyList<Need> Needs =>
        [
            new Need.Views(1),
            new Need.NoAuxiliaryLosses("vitgan trains a generator, which sees no images: auxiliary losses must be left out"),
            new Need.UnmixedImages("vitgan shows single images to its discriminator, and uses no labels"),
        ];

    /// <inheritdoc/>
    public override Objective Create(ObjectiveContext context) => new VitGan(this, context);
}
