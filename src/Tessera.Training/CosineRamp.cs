namespace Tessera.Training;

/// <summary>A value that goes from one end to the other along half a cosine: decays and momenta that change while training.</summary>
public static class CosineRamp
{
    /// <summary>The value at a step: the first step has the beginning itself, and the step after the last would have the end.</summary>
    /// <param name="from">Value at step 0.</param>
    /// <param name="to">Value that the step after the last would have.</param>
    /// <param name="step">From 0; beyond the last step, the value stays at the end.</param>
    /// <param name="steps">Steps of the whole training, at least 1.</param>
    public static double At(double from, double to, long step, long steps) =>
        step >= steps ? to : to + 0.5 * (from - to) * (1 + Math.Cos(Math.PI * step / steps));
}
