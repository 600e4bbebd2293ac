namespace Tessera.Training.Objectives.SelfSupervision;

/// <summary>Demands of every version of SiT's pre-training on the rest of a recipe.</summary>
internal static class SitNeeds
{
    internal static IReadOnlyList<Need> All =>
        [
            new Need.Views(2),
            new Need.NoAuxiliaryLosses("sit shows the student destroyed images, so auxiliary losses must be left out"),
            new Need.UnmixedImages("sit rebuilds single images and pastes parts of others by itself"),
        ];
}
