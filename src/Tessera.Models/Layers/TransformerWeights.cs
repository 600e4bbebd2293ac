using Tessera.Nn;

namespace Tessera.Models.Layers;

/// <summary>The maps of one plain transformer block, for networks that use them in another role.</summary>
/// <param name="Attention">The attention, whose parameters <paramref name="Qkv"/> and <paramref name="Out"/> are.</param>
/// <param name="Qkv">Queries, keys and values, packed in this order, heads inside each: [3 D, D].</param>
/// <param name="Out">What joins the heads, [D, D].</param>
/// <param name="Hidden">First map of the MLP, [F, D].</param>
/// <param name="Output">Second map of the MLP, [D, F].</param>
/// <param name="Heads">Heads of the attention.</param>
public sealed record TransformerWeights(Module Attention, Linear Qkv, Linear Out, Linear Hidden, Linear Output, int Heads);
