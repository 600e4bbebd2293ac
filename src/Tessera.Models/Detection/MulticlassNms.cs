namespace Tessera.Models.Detection;

/// <summary>The boxes of an image that are given out: those with a score, without doubles, the likeliest.</summary>
/// <param name="Score">Boxes with a higher score alone are looked at, each for every class of which it has one.</param>
/// <param name="Overlap">Of boxes of one class that overlap by more than this IoU, the likeliest stays.</param>
/// <param name="Count">Most boxes.</param>
/// <param name="LeastSide">Boxes with a shorter side are left out.</param>
public sealed record MulticlassNms(double Score, double Overlap, int Count, double LeastSide = 0)
{
    /// <summary>Chooses boxes.</summary>
    /// <param name="boxes">[n, 4 * classes], or [n, 4] of all classes.</param>
    /// <param name="scores">[n, classes], without background.</param>
    /// <returns>Boxes [k, 4], scores [k] and classes [k] int64, the likeliest first.</returns>
    /// <exception cref="ShapeException">Shapes do not fit each other.</exception>
    public (Tensor Boxes, Tensor Scores, Tensor Classes) Choose(Tensor boxes, Tensor scores)
    {
        var classes = scores.Size(-1);
        if (
            scores.Dim != 2
            || boxes.Dim != 2
            || boxes.Size(0) != scores.Size(0)
            || boxes.Size(1) is var width && width != 4 && width != 4 * classes
        )
            throw new ShapeException(
                $"scores must be [n, classes] and boxes [n, 4 * classes] or [n, 4], not {scores.Shape} and {boxes.Shape}"
            );
        return Torch.Scope(() =>
        {
            var found = scores.Gt(Score).Nonzero(); // [m, 2]: box and class
            var (box, kind) = (found.Select(1, 0), found.Select(1, 1));
            var score = scores.Flatten().IndexSelect(0, box * classes + kind);
            var chosen = boxes.Reshape(-1, 4).IndexSelect(0, boxes.Size(1) == 4 ? box : box * classes + kind);
            if (LeastSide > 0)
            {
                var sides = (chosen.Slice(1, 2) - chosen.Slice(1, 0, 2)).Amin(1);
                var large = sides.Ge(LeastSide).Nonzero().Flatten();
                (score, chosen, kind) = (score.IndexSelect(0, large), chosen.IndexSelect(0, large), kind.IndexSelect(0, large));
            }
            var kept = Nms.Keep(chosen, score, Overlap, kind).Slice(0, 0, Count);
            return (chosen.IndexSelect(0, kept), score.IndexSelect(0, kept), kind.IndexSelect(0, kept));
        });
    }
}
