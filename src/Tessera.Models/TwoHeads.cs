using Tessera.Nn;

namespace Tessera.Models;

/// <summary>
/// Logits of a class token and of a distillation token, [B, classes] each. Touvron et al., "Training data-efficient image
/// transformers and distillation through attention", 2020, arXiv:2012.12877, section 4.
/// </summary>
internal readonly record struct TwoHeads(Tensor Class, Tensor Distillation)
{
    /// <summary>Each token through its own head, or as it is where there is none.</summary>
    /// <param name="tokens">Both tokens, [B, 2, D].</param>
    /// <param name="head">Of the class token.</param>
    /// <param name="headDist">Of the distillation token.</param>
    public static TwoHeads Of(Tensor tokens, Linear? head, Linear? headDist)
    {
        var (byClass, byTeacher) = (tokens.Select(1, 0), tokens.Select(1, 1));
        return new(head is null ? byClass : head.Call(byClass), headDist is null ? byTeacher : headDist.Call(byTeacher));
    }

    /// <summary>The prediction: mean of the logits, not of the probabilities.</summary>
    public Tensor Mean => (Class + Distillation) / 2;

    /// <summary>What training is given: each objective has logits of its own.</summary>
    public Outputs ForTraining => new(Class) { Named = new Dictionary<string, Tensor> { [Outputs.Distillation] = Distillation } };
}
