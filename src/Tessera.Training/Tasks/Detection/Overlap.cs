using Tessera.Data;

namespace Tessera.Training.Tasks.Detection;

/// <summary>How much detections and objects of one image overlap.</summary>
internal static class Overlap
{
    /// <summary>Intersection over union of a detection with an object; over the detection's own area where the object is a crowd.</summary>
    internal static double OfBoxes(DetectedObject detection, ImageObject truth)
    {
        if (detection.BoxArea is not { } own)
            return detection.Box.Iou(truth.Box, truth.IsCrowd);
        var (box, other) = (detection.Box, truth.Box);
        var width = Math.Min(box.Right, other.Right) - Math.Max(box.Left, other.Left);
        var height = Math.Min(box.Bottom, other.Bottom) - Math.Max(box.Top, other.Top);
        if (width <= 0 || height <= 0)
            return 0;
        var common = width * height;
        return common / (truth.IsCrowd ? own : own + other.Area - common);
    }

    /// <summary>The same of masks; of boxes where the object has no mask. The detection must have one, of the object's size.</summary>
    internal static double OfMasks(DetectedObject detection, ImageObject truth) =>
        truth.Mask is null ? OfBoxes(detection, truth) : detection.Mask!.Iou(truth.Mask, truth.IsCrowd);
}
