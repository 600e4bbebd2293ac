namespace Tessera.Optim;

/// <summary>
/// Cosine decay with linear warm-up and restarts in timm's form (Loshchilov and Hutter, 2016, arXiv:1608.03983): the cosine
/// counts from epoch 0, not from the end of the warm-up, unless the warm-up is a prefix.
/// </summary>
/// <param name="LearningRate">Peak learning rate.</param>
/// <param name="Epochs">
/// Length of the first cosine, including the warm-up unless that is a prefix. After the last cosine the minimum holds (cool-down).
/// </param>
/// <param name="WarmupEpochs">Length of the linear warm-up.</param>
/// <param name="WarmupLearningRate">Learning rate at the start of the warm-up.</param>
/// <param name="Minimum">Learning rate at the end of each cosine.</param>
/// <param name="Prefix">Whether the cosine begins where the warm-up ends.</param>
/// <param name="Cycles">Number of cosines.</param>
/// <param name="CycleGrowth">Length of each cosine relative to the previous one.</param>
/// <param name="CycleDecay">Peak of each cosine relative to the previous one.</param>
public sealed record CosineSchedule(
    double LearningRate,
    double Epochs,
    double WarmupEpochs = 0,
    double WarmupLearningRate = 1e-6,
    double Minimum = 0,
    bool Prefix = false,
    int Cycles = 1,
    double CycleGrowth = 1,
    double CycleDecay = 1
)
{
    /// <summary>Epochs until the learning rate stays at the minimum.</summary>
    public double Length
    {
        get
        {
            var (length, total) = (Epochs, Prefix ? WarmupEpochs : 0);
            for (var cycle = 0; cycle < Cycles; cycle++, length *= CycleGrowth)
                total += length;
            return total;
        }
    }

    /// <summary>The learning rate at a time in epochs; fractions give a schedule per step.</summary>
    public double At(double epoch)
    {
        if (epoch < WarmupEpochs)
            return WarmupLearningRate + epoch * (LearningRate - WarmupLearningRate) / WarmupEpochs;
        if (Prefix)
            epoch -= WarmupEpochs;
        var (length, top) = (Epochs, LearningRate);
        for (var cycle = 0; cycle < Cycles; cycle++)
        {
            if (epoch < length)
                return Minimum + 0.5 * (top - Minimum) * (1 + Math.Cos(Math.PI * epoch / length));
            epoch -= length;
            length *= CycleGrowth;
            top *= CycleDecay;
        }
        return Minimum;
    }
}
