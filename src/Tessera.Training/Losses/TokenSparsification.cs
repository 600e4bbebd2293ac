namespace Tessera.Training.Losses;

/// <summary>
/// What a network that drops tokens is trained with: labels, the ratio of tokens that are kept, and the logits and tokens of
/// the dense network that it came from (Rao et al., 2021, arXiv:2106.02034, equations 13 to 17).
/// </summary>
public static class TokenSparsification
{
    /// <summary>What is compared with the teacher per token.</summary>
    public enum TokenTerm
    {
        /// <summary>Mean squared difference of the tokens (DeiT).</summary>
        MeanSquared,

        /// <summary>Divergence of the tokens' logits (LV-ViT).</summary>
        Divergence,
    }

    /// <summary>Weights of the parts.</summary>
    /// <param name="Classification">Of the labels.</param>
    /// <param name="Ratio">Of the ratios, divided by the number of stages.</param>
    /// <param name="Distillation">Of the teacher's logits, and of its tokens.</param>
    public sealed record Weights(double Classification = 1, double Ratio = 2, double Distillation = 0.5);

    /// <summary>
    /// The loss with its unweighted parts <c>classification</c>, <c>ratio</c>, <c>class_distillation</c> and <c>token_distillation</c>.
    /// </summary>
    /// <param name="logits">[B, K].</param>
    /// <param name="tokens">All patch tokens [B, N, D], or their logits [B, N, K].</param>
    /// <param name="teacherLogits">[B, K].</param>
    /// <param name="teacherTokens">As <paramref name="tokens"/>.</param>
    /// <param name="targets">Distributions over the classes [B, K], or labels, int64 [B].</param>
    /// <param name="decisions">1 where a token stays, of every stage, [B, N] each.</param>
    /// <param name="mask">The last decision without gradient, [B, N, 1].</param>
    /// <param name="ratios">Share of the original tokens that every stage is to keep.</param>
    /// <param name="term">How tokens are compared.</param>
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
