namespace Tessera.Training.Losses;

/// <summary>How maps of a student are compared with those of a teacher.</summary>
public enum FeatureLoss
{
    /// <summary>Squared differences at several resolutions (Chen et al., 2021, arXiv:2104.09044).</summary>
    Pyramid,

    /// <summary>Where each channel is large (Shu et al., 2021, arXiv:2011.13256).</summary>
    Channel,

    /// <summary>Which channels are large at each position.</summary>
    Spatial,
}

/// <summary>Losses between maps of one shape, [B, C, H, W]; no gradient flows to the teacher's.</summary>
public static class FeatureDistillation
{
    private static readonly int[] grids = [4, 2, 1];

    /// <summary>The loss of a kind.</summary>
    /// <param name="kind">Which one.</param>
    /// <param name="student">[B, C, H, W].</param>
    /// <param name="teacher">[B, C, H, W].</param>
    /// <param name="temperature">Divides both maps where they become distributions, above 0.</param>
    public static Tensor Of(FeatureLoss kind, Tensor student, Tensor teacher, double temperature = 1) =>
        kind switch
        {
            FeatureLoss.Pyramid => Pyramid(student, teacher),
            FeatureLoss.Channel => ChannelWise(student, teacher, temperature),
            _ => Spatial(student, teacher, temperature),
        };

    /// <summary>
    /// Mean squared difference of the maps, then of their averages over grids of 4 x 4, 2 x 2 and 1 x 1 with half the weight each, over
    /// the sum of the weights. Grids that are not smaller than the map's height are left out, as in TransKD.
    /// </summary>
    /// <param name="student">[B, C, H, W].</param>
    /// <param name="teacher">[B, C, H, W].</param>
    public static Tensor Pyramid(Tensor student, Tensor teacher) =>
        Torch.Scope(() =>
        {
            teacher = Check(student, teacher);
            var (sum, weight, weights) = (student.MseLoss(teacher), 1.0, 1.0);
            foreach (var side in grids)
            {
                if (side >= student.Size(2))
                    continue;
                weight /= 2;
                weights += weight;
                sum = sum + student.AdaptiveAvgPool2d(side, side).MseLoss(teacher.AdaptiveAvgPool2d(side, side)) * weight;
            }
            return sum / weights;
        });

    /// <summary>Divergence of each channel's distribution over the positions, mean over batch and channels, times T^2.</summary>
    /// <param name="student">[B, C, H, W].</param>
    /// <param name="teacher">[B, C, H, W].</param>
    /// <param name="temperature">T, above 0.</param>
    public static Tensor ChannelWise(Tensor student, Tensor teacher, double temperature = 1) =>
        Torch.Scope(() => Divergence(student.Flatten(2), Check(student, teacher).Flatten(2), -1, temperature));

    /// <summary>Divergence of each position's distribution over the channels, mean over batch and positions, times T^2.</summary>
    /// <param name="student">[B, C, H, W].</param>
    /// <param name="teacher">[B, C, H, W].</param>
    /// <param name="temperature">T, above 0.</param>
    public static Tensor Spatial(Tensor student, Tensor teacher, double temperature = 1) =>
        Torch.Scope(() => Divergence(student, Check(student, teacher), 1, temperature));

    private static Tensor Divergence(Tensor student, Tensor teacher, int dim, double temperature)
    {
        var (ours, theirs) = ((student / temperature).LogSoftmax(dim), (teacher / temperature).LogSoftmax(dim));
        return (theirs.Exp() * (theirs - ours)).Sum() * (temperature * temperature * student.Size(dim) / student.Elements);
    }

    private static Tensor Check(Tensor student, Tensor teacher) =>
        student.Shape == teacher.Shape
            ? teacher.Detach()
            : throw new ShapeException($"maps of student and teacher must have the same shape, not {student.Shape} and {teacher.Shape}");
}
