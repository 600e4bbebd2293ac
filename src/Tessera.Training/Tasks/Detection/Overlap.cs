using Tessera.Data;

namespace Tessera.Training.Tasks.Detection;

/// <summary>How much detections and objects of one image overlap.</summary>
internal static class Overlap
{
    /// <summary>Intersection over union of a detection with an object; over the detection's own area where the object is a crowd.</summary>
    internal static double OfBoxes(DetectedObject detection, ImageObject truth)
    {
        var common = Common(detection.Box, truth.Box);
        return common <= 0 ? 0 : common / Union(detection.BoxArea ?? detection.Box.Area, truth.Box.Area, common, truth.IsCrowd);
    }

    /// <summary>The same of masks. Both must have one, of one size, as run lengths.</summary>
    internal static double OfMasks(DetectedObject detection, ImageObject truth) =>
        detection.Mask!.Iou(truth.Mask!, truth.IsCrowd);

    /// <summary>Intersection over union of two boxes, whatever the second is.</summary>
    internal static double OfBoxes(ObjectBox first, ObjectBox second)
    {
        var common = Common(first, second);
        return common <= 0 ? 0 : common / Union(first.Area, second.Area, common, false);
    }

    private static double Common(ObjectBox first, ObjectBox second)
    {
        var width = Math.Min(first.Right, second.Right) - Math.Max(first.Left, second.Left);
        var height = Math.Min(first.Bottom, second.Bottom) - Math.Max(first.Top, second.Top);
        return width <= 0 || height <= 0 ? 0 : width * height;
    }

    private static double Union(double own, double other, double common, bool isCrowd) => isCrowd ? own : own + other - common;
}
