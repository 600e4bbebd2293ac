namespace Tessera.Models.Detection;

/// <summary>What a head of masks learns: the part of an object's mask in a region, at the size of the head's result.</summary>
internal static class MaskTargets
{
    /// <summary>The parts of bit masks in regions; a pixel is set where at least half of it is.</summary>
    /// <param name="masks">[k, H, W] of the image's objects: 0 and 1, of bytes or real numbers.</param>
    /// <param name="boxes">[n, 4]: left, top, right, bottom, in pixels of the masks.</param>
    /// <param name="assigned">[n] int64: which object each region shows.</param>
    /// <param name="size">Height and width of the result.</param>
    /// <returns>[n, size, size]: 0 and 1, in the type of the boxes.</returns>
    public static Tensor Of(Tensor masks, Tensor boxes, Tensor assigned, int size) =>
        Torch.Scope(() =>
        {
            var rois = Torch.Cat([assigned.To(boxes.DType).Unsqueeze(1), boxes.Detach()], 1);
            return new RoiAlign(size, size, 1).Apply(masks.Unsqueeze(1), rois).Squeeze(1).Ge(0.5).To(boxes.DType);
        });

    /// <summary>Cross-entropy of the masks of the regions' own classes, the mean over all their pixels; 0 without regions.</summary>
    /// <param name="logits">[n, classes, size, size].</param>
    /// <param name="targets">[n, size, size]: 0 and 1.</param>
    /// <param name="labels">[n] int64: the class of each region.</param>
    public static Tensor Loss(Tensor logits, Tensor targets, Tensor labels) =>
        Torch.Scope(() =>
        {
            if (logits.Size(0) == 0)
                return logits.Sum() * 0;
            var rows = Torch.Arange(logits.Size(0), device: logits.Device);
            var own = logits.Reshape(-1, logits.Size(2), logits.Size(3)).IndexSelect(0, rows * logits.Size(1) + labels);
            return own.BinaryCrossEntropyWithLogits(targets.To(own.DType));
        });
}
