using Tessera.Distributed;

namespace Tessera.Training.Losses;

/// <summary>Embeddings of one view that a contrastive loss compares: those of this process, and those of all.</summary>
/// <param name="Own">Rows of this process, [N, D].</param>
/// <param name="All">Rows of all processes, [M, D], with gradients that flow back to where they come from.</param>
/// <param name="First">Where the rows of this process begin among them.</param>
public sealed record ContrastRows(Tensor Own, Tensor All, long First) : ITensorBag
{
    /// <inheritdoc/>
    public IEnumerable<Tensor> Tensors => ReferenceEquals(Own, All) ? [Own] : [Own, All];

    /// <summary>Normalises embeddings and joins those of all processes.</summary>
    /// <param name="embeddings">Of one view, [N, D]. Those of 16 bits are compared in float32.</param>
    /// <param name="group">The processes; null for one.</param>
    /// <param name="normalize">Whether each row is divided by its length, which is the rule.</param>
    public static ContrastRows Of(Tensor embeddings, ProcessGroup? group = null, bool normalize = true)
    {
        using var scope = new Scope();
        var own = normalize ? UnitRows.Of(embeddings) : UnitRows.Wide(embeddings);
        var joined = GatheredRows.Of(own, group);
        return scope.Return(new ContrastRows(own, joined.Rows, joined.First));
    }
}
