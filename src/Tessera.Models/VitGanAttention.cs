namespace Tessera.Models;

/// <summary>How <see cref="VitGanGenerator"/> compares queries and keys.</summary>
public enum VitGanAttention
{
    /// <summary>As the authors' code does: m_i - 2 q_i k_j + m_j, in which m is the mean of the squares of a query.</summary>
    ReferenceL2,

    /// <summary>By dot products, as the paper does.</summary>
    Dot,
}
