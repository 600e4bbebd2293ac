using Tessera.Data.Loading;
using Tessera.Training.Recipes;

namespace Tessera.Training.Objectives.Search;

/// <summary>
/// The search of BATS: a supernet whose tables of operations and whose weights learn by turns, each from a half of the training samples.
/// The recipe's <c>phases</c> give <c>architecture</c> and <c>weights</c> optimisers of their own; the paper's tables learn by Adam.
/// </summary>
/// <param name="Division">Seed of the division into halves; it is separate from the seed of the training. 0 by default.</param>
[RecipeName("bats_search")]
public sealed record BatsSearchOptions(ulong Division = 0) : ObjectiveOptions
{
    /// <inheritdoc/>
    public override Sampler Order => new Halves(Division);

    /// <inheritdoc/>
    public override IReadOnlyList<Need> Needs =>
        [
            new Need.Views(1),
            new Need.UnmixedImages("bats_search learns tables and weights from different images, which must not be mixed with each other"),
            new Need.NoAuxiliaryLosses("bats_search shows each part of the supernet other images: auxiliary losses must be left out"),
            new Need.NoAverage("bats_search derives cells from the tables as they are, so train.ema must be left out"),
        ];

    /// <inheritdoc/>
    public override Objective Create(ObjectiveContext context) => new BatsSearch(this, context);
}
