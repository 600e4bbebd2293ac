namespace Tessera.Models;

/// <summary>What a block of <see cref="VitGanGenerator"/> adds the results of its attention and its MLP to.</summary>
public enum VitGanResidual
{
    /// <summary>To their input behind the norm, as the authors' code does.</summary>
    AfterNorm,

    /// <summary>To their input before the norm, as the paper does.</summary>
    PreNorm,
}
