namespace Tessera.Models;

/// <summary>How <see cref="VitGanGenerator"/> makes pixels of its tokens.</summary>
public enum VitGanPixelMapping
{
    /// <summary>Each token is the style of a network over the coordinates of its patch. Images are in [0, 1] outside of training.</summary>
    Implicit,

    /// <summary>The tokens are a map that modulated convolutions double until it is the image. No values are cut off.</summary>
    Convolution,
}
