namespace Tessera.Training;

/// <summary>An exponential moving average of tensors, renewed in place.</summary>
internal static class MovingAverage
{
    /// <summary>
    /// d times the average plus (1 - d) times the value; integers are averaged in float64 and cut off. Call it without gradients, in a
    /// scope.
    /// </summary>
    /// <param name="average">The average, which changes.</param>
    /// <param name="value">A value of the same shape.</param>
    /// <param name="decay">d, in [0, 1].</param>
    internal static void Update(Tensor average, Tensor value, double decay)
    {
        if (average.DType.IsFloat())
            average.Mul_(decay).Add_(value, 1 - decay);
        else
            average.Copy_(average.To(DType.Float64).Mul_(decay).Add_(value.To(DType.Float64), 1 - decay));
    }
}
