namespace Tessera.Data;

/// <summary>An object that a model has found in an image.</summary>
/// <param name="Box">In pixels of the original.</param>
/// <param name="Class">Its class.</param>
/// <param name="Score">How sure the model is; the higher the surer.</param>
/// <param name="Mask">Which pixels belong to it, at the size of the original; null where only boxes are found.</param>
public sealed record DetectedObject(ObjectBox Box, int Class, double Score, InstanceMask? Mask = null)
{
    /// <summary>
    /// Area of the box where its source gives width and height: what the edges give differs from it by a rounding. That of the edges when
    /// null.
    /// </summary>
    public double? BoxArea { get; init; }
}
