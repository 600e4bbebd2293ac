namespace Tessera.Optim;

/// <summary>
/// Cosine decay with linear warm-up in timm's form (Loshchilov and Hutter, 2016, arXiv:1608.03983): the cosine counts from
/// epoch 0, not from the end of the warm-up.
/// </summary>
/// <param name="LearningRate">At the top.</param>
/// <param name="Epochs">Length of the cosine, warm-up included; after it the minimum holds (cool-down).</param>
/// <param name="WarmupEpochs">Length of the linear rise.</param>
/// <param name="WarmupLearningRate">Where the rise begins.</param>
/// <param name="Minimum">Where the cosine ends.</param>
public sealed record CosineSchedule(double LearningRate, double Epochs, double WarmupEpochs = 0, double WarmupLearningRate = 1e-6, double Minimum = 0)
{
    /// <summary>The learning rate at a time in epochs; fractions give a schedule per step.</summary>
    public double At(double epoch)
        => epoch < WarmupEpochs ? WarmupLearningRate + epoch * (LearningRate - WarmupLearningRate) / WarmupEpochs
            : epoch >= Epochs ? Minimum
            : Minimum + 0.5 * (LearningRate - Minimum) * (1 + Math.Cos(Math.PI * epoch / Epochs));
}
