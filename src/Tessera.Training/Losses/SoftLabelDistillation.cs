namespace Tessera.Training.Losses;

/// <summary>
/// Distillation by the teacher's soft labels alone, without hard labels or a distillation token (Shen et al., 2021, arXiv:2111.05297,
/// section 4).
/// </summary>
public static class SoftLabelDistillation
{
    /// <summary>
    /// Cross-entropy of the student against the teacher's distribution, both logits divided by T, without the factor T^2 and without the
    /// teacher's entropy.
    /// </summary>
    /// <param name="student">Student's logits, [B, K].</param>
    /// <param name="teacher">Teacher's logits, [B, K]; no gradient flows to them.</param>
    /// <param name="temperature">T, above 0; 1 by default.</param>
    public static Tensor Loss(Tensor student, Tensor teacher, double temperature = 1) =>
        Torch.Scope(() => (student / temperature).CrossEntropyLoss((teacher.Detach() / temperature).Softmax(-1)));
}
