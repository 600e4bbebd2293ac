using Tessera.Data;
using Tessera.Models;

namespace Tessera.Training.Tasks.Detection;

/// <summary>The objects of a batch that a detector learns from.</summary>
/// <param name="PerImage">Those of each image; there may be none.</param>
/// <param name="All">Objects that lie in the images, with those that are left out.</param>
/// <param name="LeftOut">Groups and ignored objects, which nothing is learned from.</param>
/// <param name="WithoutObjects">Images that nothing but background is learned from.</param>
internal sealed record LearnedObjects(IReadOnlyList<DetectorTargets> PerImage, int All, int LeftOut, int WithoutObjects)
{
    /// <summary>Those of a batch, on its device.</summary>
    /// <param name="batch">With boxes as targets.</param>
    /// <param name="masks">Whether masks are learned.</param>
    /// <exception cref="DataException">Masks are learned, and there are none.</exception>
    internal static LearnedObjects Of(Batch batch, bool masks)
    {
        var targets = BoxTargets.Of(batch);
        var bitmaps = masks ? targets.Bitmaps() ?? throw new DataException("masks are learned, and the objects have none") : null;
        var counts = targets.Crowd.LogicalOr(targets.Ignored).LogicalNot().To(Device.Cpu).ToArray<bool>();
        var (height, width) = ((int)batch.Inputs.Size(2), (int)batch.Inputs.Size(3));
        var own = new DetectorTargets[batch.Count];
        for (var i = 0; i < own.Length; i++)
        {
            var (first, end) = (targets.Offsets[i], targets.Offsets[i + 1]);
            long[] rows = [.. Enumerable.Range(first, end - first).Where(row => counts[row]).Select(row => (long)row)];
            var picked = Tensor.From(rows, rows.Length).To(targets.Boxes.Device);
            own[i] = new(
                batch.Views[0].Sizes is { } sizes ? (sizes[i].Height, sizes[i].Width) : (height, width),
                targets.Boxes.IndexSelect(0, picked),
                targets.Classes.IndexSelect(0, picked),
                bitmaps?.IndexSelect(0, picked)
            );
        }
        return new(own, counts.Length, counts.Count(one => !one), own.Count(image => image.Boxes.Size(0) == 0));
    }
}
