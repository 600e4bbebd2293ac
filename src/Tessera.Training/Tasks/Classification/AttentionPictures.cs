using Tessera.Models;
using Tessera.Training.Explain;

namespace Tessera.Training.Tasks.Classification;

/// <summary>Attention of single blocks and of all together, for reports.</summary>
internal static class AttentionPictures
{
    /// <summary>
    /// Attention of single blocks, mean over the heads, as the tokens that the classifier reads see it; and all blocks together
    /// by <see cref="AttentionRollout"/>.
    /// </summary>
    /// <param name="model">The model, in evaluation mode.</param>
    /// <param name="image">Normalised image, [1, C, H, W].</param>
    /// <param name="blocks">Number of single blocks, spread over the depth.</param>
    /// <returns>Empty for models without attention among all tokens.</returns>
    internal static IReadOnlyList<HeatMap> Of(Backbone model, Tensor image, int blocks = 3)
    {
        using var scope = new Scope();
        if (AttentionRollout.Record(model, image) is not { } attention)
            return [];
        var count = attention.Blocks.Count;
        var shown = Enumerable
            .Range(0, Math.Min(blocks, count))
            .Select(i => count <= blocks ? i : (int)Math.Round(i * (count - 1) / (double)(blocks - 1)));
        return [.. shown.Select(attention.Block), attention.Rollout()];
    }
}
