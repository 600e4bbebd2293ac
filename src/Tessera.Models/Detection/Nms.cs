namespace Tessera.Models.Detection;

/// <summary>Non-maximum suppression: of boxes that overlap, the best alone stays.</summary>
public static class Nms
{
    /// <summary>
    /// Goes through the boxes by falling score and keeps each that overlaps no kept one of its group too much. Runs on the processor,
    /// wherever the boxes are, and gives the same whatever the number of threads.
    /// </summary>
    /// <param name="boxes">[n, 4]: left, top, right, bottom.</param>
    /// <param name="scores">[n]. Those that are not a number come last.</param>
    /// <param name="iou">A box is dropped whose IoU with a kept one is greater than this; an equal one is kept.</param>
    /// <param name="groups">[n] int64: only boxes of the same number (a class, a level, an image) drop each other. Null: all do.</param>
    /// <returns>
    /// Numbers of the boxes that are kept, [k] int64, the best first; equal scores in their given order. On the device of the boxes.
    /// </returns>
    /// <exception cref="ShapeException">Shapes do not fit each other.</exception>
    public static Tensor Keep(Tensor boxes, Tensor scores, double iou, Tensor? groups = null) =>
        Torch.Scope(() => Torch.Nms(Here(boxes), Here(scores), iou, groups is null ? null : Here(groups)).To(boxes.Device));

    private static Tensor Here(Tensor tensor) => tensor.Detach().To(Device.Cpu);
}
