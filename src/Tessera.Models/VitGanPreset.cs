namespace Tessera.Models;

/// <summary>Whose form of <see cref="VitGanGenerator"/>.</summary>
public enum VitGanPreset
{
    /// <summary>What the authors' code trains.</summary>
    Reproduction,

    /// <summary>What the paper describes: dot products, no spectral norm, residuals from before the norms.</summary>
    Paper,
}
