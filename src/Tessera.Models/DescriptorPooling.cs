namespace Tessera.Models;

/// <summary>How the vector that an image is found by comes out of a backbone's tokens.</summary>
public enum DescriptorPooling
{
    /// <summary>
    /// The class token where there is one that stands for the whole image (<see cref="Backbone.HasClassToken"/>), also where a distillation
    /// token is beside it; else the pooled features that the classifier sees.
    /// </summary>
    Auto,

    /// <summary>The class token.</summary>
    Cls,

    /// <summary>The mean of the patch tokens, or of the positions of the last map.</summary>
    Avg,

    /// <summary>The largest value of each channel among the patch tokens.</summary>
    Max,

    /// <summary>The generalised mean of each channel over the patch tokens.</summary>
    Gem,
}
