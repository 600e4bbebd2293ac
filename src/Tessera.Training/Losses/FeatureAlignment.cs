namespace Tessera.Training.Losses;

/// <summary>Property of two feature maps that is compared.</summary>
public enum AlignmentKind
{
    /// <summary>The maps themselves, the student's after a learned 1 x 1 convolution.</summary>
    Linear,

    /// <summary>The places of large features in each image (Zagoruyko and Komodakis, 2016, arXiv:1612.03928).</summary>
    Attention,

    /// <summary>The likeness of the images of a batch to each other (Tung and Mori, 2019, arXiv:1907.09682).</summary>
    Similarity,
}

/// <summary>How far a student's map is from its guide's (Li et al., 2022, arXiv:2207.10026, section 3.2).</summary>
public static class FeatureAlignment
{
    /// <summary>Mean squared difference, after both maps were resized bilinearly to the larger height and the larger width.</summary>
    /// <param name="student">Student's map, [B, C, h, w]; for the linear kind C must be the guide's D.</param>
    /// <param name="guide">Guide's map, [B, D, H, W]; no gradient flows to it.</param>
    /// <param name="kind">Comparison of the maps, of their attention or of their similarities.</param>
    public static Tensor Loss(Tensor student, Tensor guide, AlignmentKind kind = AlignmentKind.Linear) =>
        Torch.Scope(() =>
        {
            var (height, width) = (Math.Max(student.Size(2), guide.Size(2)), Math.Max(student.Size(3), guide.Size(3)));
            return (Select(Resize(student)) - Select(Resize(guide.Detach()))).Square().Mean();

            Tensor Resize(Tensor map) =>
                map.Size(2) == height && map.Size(3) == width ? map : map.UpsampleBilinear2d((height, width), false);

            Tensor Select(Tensor map) =>
                kind switch
                {
                    AlignmentKind.Linear => map,
                    AlignmentKind.Attention => Unit(map.Square().Mean([1]).Flatten(1)),
                    _ => Unit(map.Flatten(1).Matmul(map.Flatten(1).MT)),
                };
        });

    private static Tensor Unit(Tensor rows) => rows / rows.LinalgVectorNorm(2, [1], true).ClampMin(1e-12);
}
