namespace Tessera.Models;

/// <summary>The activation of <see cref="VitDiscriminator"/>'s MLPs.</summary>
public enum VitDiscriminatorActivation
{
    /// <summary>x times its sigmoid.</summary>
    Silu,

    /// <summary>x times the normal distribution function of x.</summary>
    Gelu,
}
