namespace Tessera.Training.Losses;

/// <summary>
/// The loss of the advanced recipe of visual transformers: a share of distillation by the teacher's softmax, the rest
/// cross-entropy with label smoothing. Wu et al., 2020, arXiv:2006.03677, section 5.1.
/// </summary>
public static class AdvancedLoss
{
    /// <summary>The paper's share of the teacher.</summary>
    public const double TeacherShare = 0.8;

    /// <summary>The loss and its two parts, each a mean over the batch; no gradient flows to the teacher.</summary>
    /// <param name="student">Student's logits, [B, K].</param>
    /// <param name="teacher">Teacher's logits, [B, K].</param>
    /// <param name="labels">Labels, int64, [B], each from 0 to K - 1.</param>
    /// <param name="share">Weight of the distillation, in [0, 1]; the cross-entropy has the rest.</param>
    /// <param name="smoothing">Label smoothing, in [0, 1).</param>
    /// <param name="temperature">Divides both logits of the distillation, whose loss is multiplied by its square; 1 in the paper.</param>
    public static (Tensor Loss, Tensor Distillation, Tensor CrossEntropy) Of(
        Tensor student,
        Tensor teacher,
        Tensor labels,
        double share = TeacherShare,
        double smoothing = 0.1,
        double temperature = 1
    ) =>
        Torch.Scope(() =>
        {
            var soft = (teacher.Detach() / temperature).Softmax(-1);
            var distillation = ClassificationLosses.SoftCrossEntropy(student / temperature, soft) * (temperature * temperature);
            var crossEntropy = ClassificationLosses.CrossEntropy(student, labels, smoothing);
            return (distillation * share + crossEntropy * (1 - share), distillation, crossEntropy);
        });
}
