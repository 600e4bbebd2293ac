namespace Tessera.Models.Detection;

/// <summary>Losses of boxes, element by element: detectors weigh and sum them.</summary>
public static class DetectionLosses
{
    /// <summary>The distance, with a parabola in place of its tip. Girshick, "Fast R-CNN", 2015, arXiv:1504.08083, equation 3.</summary>
    /// <param name="predicted">[n, 4].</param>
    /// <param name="truth">[n, 4].</param>
    /// <param name="beta">Where the parabola ends; 0 for the plain distance.</param>
    /// <returns>[n, 4].</returns>
    public static Tensor SmoothL1(Tensor predicted, Tensor truth, double beta) =>
        Torch.Scope(() =>
        {
            var distance = (predicted - truth).Abs();
            return beta == 0 ? distance : Torch.Where(distance.Lt(beta), distance * distance * (0.5 / beta), distance - 0.5 * beta);
        });

    /// <summary>1 less the generalized IoU. Rezatofighi et al., 2019, arXiv:1902.09630.</summary>
    /// <param name="predicted">[n, 4].</param>
    /// <param name="truth">[n, 4].</param>
    /// <param name="least">Least area of the union and of the box around both.</param>
    /// <returns>[n].</returns>
    public static Tensor GIou(Tensor predicted, Tensor truth, double least = Boxes.Least) =>
        Torch.Scope(() => 1 - Boxes.GIou(predicted, truth, least));
}
