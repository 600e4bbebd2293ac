namespace Tessera.Models;

/// <summary>How the vector that an image is found by comes out of a backbone's tokens.</summary>
public enum DescriptorPooling
{
    /// <summary>The class token where there is one, and else the pooled features that the classifier sees.</summary>
    Auto,

    /// <summary>The class token.</summary>
    Cls,

    /// <summary>The mean of the patch tokens, or of the positions of the last map.</summary>
    Avg,

    /// <summary>The largest value of each channel.</summary>
    Max,

    /// <summary>The generalised mean of each channel.</summary>
    Gem,
}
