namespace Tessera.Models;

/// <summary>Whose constants a detector computes with: published weights go with those that they were trained with.</summary>
public enum DetectorStyle
{
    /// <summary>mmdetection's, which papers use.</summary>
    Mmdetection,

    /// <summary>torchvision's.</summary>
    Torchvision,
}
