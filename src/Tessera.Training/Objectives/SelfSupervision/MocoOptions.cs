using System.ComponentModel.DataAnnotations;
using Tessera.Training.Recipes;

namespace Tessera.Training.Objectives.SelfSupervision;

/// <summary>Momentum contrast; as it is, version 2. Version 1 has <c>mlp: false</c> and <c>temperature: 0.07</c>.</summary>
/// <param name="Queue">
/// Keys K of the queue, from 1 to 16777216; 65536 by default. The keys of a step must divide it.
/// </param>
/// <param name="Momentum">Momentum m of the key encoder, from 0 to 1; 0.999 by default.</param>
/// <param name="Temperature">Temperature of the similarities, from 0.001 to 100; 0.2 by default.</param>
/// <param name="Dim">Width of queries and keys, from 1 to 65536; 128 by default.</param>
/// <param name="Mlp">Whether the head has a hidden layer as wide as the features (version 2), or is one linear map (version 1).</param>
/// <param name="Symmetric">
/// Whether each view is a query for the key of the other: the loss is the sum of both directions, and a step has two keys of each sample.
/// </param>
/// <param name="BnSplits">
/// Groups of a batch that batch norms see apart, from 1 (the default) to 65536, as if each were on a device of its own; published runs have
/// 8.
/// </param>
/// <param name="Shuffle">
/// Whether keys pass the encoder in another order than queries, so that batch norms do not tell which belong together.
/// </param>
/// <param name="Probe">Whether a linear classifier learns along, without influence on the model, where samples have one class each.</param>
/// <param name="Unmix">Un-Mix: mixtures as further queries; none by default.</param>
[RecipeName("moco")]
public sealed record MocoOptions(
    [Range(1, 1 << 24)] int Queue = 65536,
    [Range(0.0, 1.0)] double Momentum = 0.999,
    [Range(0.001, 100)] double Temperature = 0.2,
    [Range(1, 65536)] int Dim = 128,
    bool Mlp = true,
    bool Symmetric = false,
    [Range(1, 65536)] int BnSplits = 1,
    bool Shuffle = true,
    bool Probe = true,
    UnMixOptions? Unmix = null
) : SelfSupervisedOptions
{
    /// <inheritdoc/>
    public override Objective Create(ObjectiveContext context) => new Moco(this, context);
}
