namespace Tessera.Training.Losses;

/// <summary>
/// Loss of a network that drops tokens: labels, the ratio of tokens that are kept, and the logits and tokens of
/// the dense network that it came from (Rao et al., 2021, arXiv:2106.02034, equations 13 to 17).
/// </summary>
public static class TokenSparsification
{
    /// <summary>Comparison of the patch tokens with the teacher's.</summary>
    public enum TokenTerm
    {
        /// <summary>Mean squared difference of the tokens (DeiT).</summary>
        MeanSquared,

        /// <summary>Divergence of the tokens' logits (LV-ViT).</summary>
        Divergence,
    }

    /// <summary>Weights of the parts of the loss, each at least 0.</summary>
    /// <param name="Classification">Weight of the cross-entropy against the targets; 1 by default.</param>
    /// <param name="Ratio">Weight of the squared errors of the kept ratios, averaged over the stages; 2 by default.</param>
    /// <param name="Distillation">
    /// Weight of the divergence from the teacher's logits, and again of that of the tokens; 0.5 by default.
    /// </param>
    public sealed record Weights(double Classification = 1, double Ratio = 2, double Distillation = 0.5);

    /// <summary>
    /// The loss with its unweighted parts <c>classification</c>, <c>ratio</c>, <c>class_distillation</c> and <c>token_distillation</c>.
    /// </summary>
    /// <param name="logits">Student's logits, [B, K].</param>
    /// <param name="tokens">Student's patch tokens [B, N, D], dropped ones included, or their logits [B, N, K].</param>
    /// <param name="teacherLogits">Teacher's logits, [B, K]; no gradient flows to them.</param>
    /// <param name="teacherTokens">
    /// Teacher's patch tokens or their logits, in the shape of <paramref name="tokens"/>; no gradient flows to them.
    /// </param>
    /// <param name="targets">Distributions over the classes [B, K], or labels, int64 [B].</param>
    /// <param name="decisions">Decisions of every stage, [B, N] each: 1 where a token stays, 0 where it is dropped.</param>
    /// <param name="mask">Decision of the last stage without gradient, [B, N, 1]: only tokens that stay are compared.</param>
    /// <param name="ratios">Share of the original tokens that each stage keeps, in (0, 1]; one per decision.</param>
    /// <param name="term">Comparison of the tokens: squared differences, or divergence of logits.</param>
    /// <param name="weights">Weights of the parts; the published ones when left out.</param>
    /// <param name="perBatch">Holds the ratio for the mean of the batch, so that images may differ; otherwise for every image.</param>
    public static Loss Loss(
        Tensor logits,
        Tensor tokens,
        Tensor teacherLogits,
        Tensor teacherTokens,
        Tensor targets,
        IReadOnlyList<Tensor> decisions,
        Tensor mask,
        IReadOnlyList<double> ratios,
        TokenTerm term,
        Weights? weights = null,
        bool perBatch = false
    )
    {
        if (decisions.Count != ratios.Count)
            throw new ArgumentException($"there must be one ratio per decision, not {ratios.Count} for {decisions.Count}", nameof(ratios));
        using var scope = new Scope();
        weights ??= new();
        var classification = logits.CrossEntropyLoss(targets);
        var ratio = decisions
            .Select((decision, stage) => ((perBatch ? decision.Mean() : decision.Mean([1])) - ratios[stage]).Square().Mean())
            .Aggregate((a, b) => a + b);
        var classes = Divergence(logits, teacherLogits).Mean();
        var kept = mask.Squeeze(2).Gt(0.5).To(tokens.DType); // [B, N]
        // [B, N]
        var differences =
            term == TokenTerm.MeanSquared ? (tokens - teacherTokens.Detach()).Square().Mean([-1]) : Divergence(tokens, teacherTokens);
        var perToken = (differences * kept).Sum() / kept.Sum().ClampMin(1);
        var total =
            weights.Classification * classification
            + weights.Ratio / decisions.Count * ratio
            + weights.Distillation * classes
            + weights.Distillation * perToken;
        return scope.Return(
            new Loss(total)
            {
                Parts = new Dictionary<string, Tensor>
                {
                    ["classification"] = classification.Detach(),
                    ["ratio"] = ratio.Detach(),
                    ["class_distillation"] = classes.Detach(),
                    ["token_distillation"] = perToken.Detach(),
                },
            }
        );
    }

    // Kullback-Leibler divergence from the teacher's distribution over the last dimension.
    private static Tensor Divergence(Tensor student, Tensor teacher)
    {
        var theirs = teacher.Detach().LogSoftmax(-1);
        return (theirs.Exp() * (theirs - student.LogSoftmax(-1))).Sum([-1]);
    }
}
