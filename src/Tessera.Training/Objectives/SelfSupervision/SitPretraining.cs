using Tessera.Data;
using Tessera.Models;
using Tessera.Training.Losses;

namespace Tessera.Training.Objectives.SelfSupervision;

/// <summary>
/// Pre-training of a <see cref="Sit"/>: groups of pixels of two views are destroyed, and the network rebuilds the views while it compares
/// them. Atito et al., "SiT: Self-supervised vIsion Transformer", 2021, arXiv:2104.03602. What its three versions have in common.
/// </summary>
public abstract class SitPretraining : SelfSupervised
{
    /// <summary>The method for the student of a context.</summary>
    /// <param name="context">Student and data.</param>
    /// <param name="probe">Whether a linear classifier learns along.</param>
    /// <param name="version">The version of SiT that the student must be of.</param>
    /// <exception cref="ArgumentException">The student is another model.</exception>
    private protected SitPretraining(ObjectiveContext context, bool probe, SitVersion version)
        : base(context, probe)
    {
        if (Student is not Sit { Options.Version: var own } || own != version)
            throw new ArgumentException($"this objective pre-trains {Models(version)}");
        if (context.StepSamples == 1)
            throw new ArgumentException("it tells samples of a batch apart: data.batch must be at least 2");
    }

    private static string Models(SitVersion version) =>
        version switch
        {
            SitVersion.V1 => "a SiT of v1, such as sit_v1_base_patch16_224 or sit_v1_micro_patch4_32",
            SitVersion.V1b => "a SiT of v1b, such as sit_v1b_small_patch16_224 or sit_v1b_micro_patch4_32",
            _ => "a SiT of v2, such as sit_small_patch16_224 or sit_micro_patch4_32",
        };

    /// <summary>The student.</summary>
    protected Sit Network => (Sit)Student;

    /// <summary>How images are destroyed.</summary>
    protected abstract ImageCorruption Corruption { get; }

    /// <summary>Images from the student's tokens.</summary>
    /// <param name="tokens">[B, prefix + N, D].</param>
    /// <param name="like">Images of the size that is wanted.</param>
    /// <returns>[B, C, H, W].</returns>
    protected abstract Tensor Paint(Tensor tokens, Tensor like);

    /// <summary>Logits of the four rotations from the student's tokens, [B, 4]; null where rotations are not learned.</summary>
    /// <param name="tokens">[B, prefix + N, D].</param>
    protected virtual Tensor? Rotations(Tensor tokens) => null;

    /// <summary>Both views of a batch, the first above the second, corrupted view by view.</summary>
    /// <param name="views">Clean images of each view, [B, C, H, W].</param>
    private protected Corrupted Destroy(IReadOnlyList<Tensor> views)
    {
        Corrupted[] each = [.. views.Select(Corruption.Apply)];
        return new(Torch.Cat([.. each.Select(view => view.Images)], 0), Torch.Cat([.. each.Select(view => view.Mask)], 0));
    }

    /// <summary>Features of the first view from the tokens of both, as a classifier would see them.</summary>
    private protected Tensor FeaturesOf(Tensor tokens, long samples)
    {
        var pooled = Student.ForwardHead(tokens.Slice(0, 0, samples), preLogits: true);
        return pooled.Dim == 3 ? pooled.Mean([1]) : pooled;
    }

    /// <summary>Parts for the log: the difference where pixels were destroyed, and that of images of one colour, their mean.</summary>
    private protected static Dictionary<string, Tensor> Differences(Tensor painted, Tensor clean, Tensor mask)
    {
        using var outside = Torch.NoGrad();
        return new()
        {
            [ReconstructionMetrics.Masked] = MaskedPixels.Difference(painted.Detach(), clean, mask),
            [ReconstructionMetrics.MeanColor] = MaskedPixels.Difference(MeanColor(clean), clean, mask),
        };
    }

    private static Tensor MeanColor(Tensor images) => images.Mean([2, 3], true).Expand(images.Shape);

    /// <summary>
    /// Beside the features: the mean absolute difference where pixels of test images were destroyed, that of the images' mean colours, and
    /// the share of rotations that are told. What is destroyed of an image, and how it is turned, depends on the seed and its index alone.
    /// With the moving average of the weights, the heads are the present ones: the average is of the backbone.
    /// </summary>
    public override Evaluator CreateEvaluator(EvaluatorContext context) =>
        new ReconstructionEvaluator(base.CreateEvaluator(context), batch => Measure(batch, context.Seed));

    private ReconstructionFigures Measure(Batch batch, ulong seed)
    {
        var turns = Turning.Measured(batch.Indices, seed);
        var (clean, corrupted, painted, rotations) = Rebuild(batch.Inputs, batch.Indices, turns, seed);
        return new(
            MaskedPixels.DifferencePerImage(painted, clean, corrupted.Mask),
            MaskedPixels.DifferencePerImage(MeanColor(clean), clean, corrupted.Mask),
            rotations?.Argmax(1).Eq(Turning.Labels(turns, clean.Device)).Sum().ToInt64()
        );
    }

    // Images are turned only where turns are learned.
    private (Tensor Clean, Corrupted Corrupted, Tensor Painted, Tensor? Rotations) Rebuild(
        Tensor images,
        IReadOnlyList<int> indices,
        IReadOnlyList<int> turns,
        ulong seed
    )
    {
        var clean = LearnsRotations ? Turning.Apply(images, turns) : images;
        var corrupted = Corruption.Measured(clean, indices, seed);
        var tokens = Student.ForwardFeatures(corrupted.Images);
        return (clean, corrupted, Paint(tokens, clean).To(clean.DType), Rotations(tokens));
    }

    /// <summary>Whether rotations are learned.</summary>
    private protected virtual bool LearnsRotations => false;

    /// <inheritdoc/>
    public override IReadOnlyList<ReportSection> Report(ReportSamples samples) =>
        [
            .. base.Report(samples),
            ReconstructionPictures.Section(
                Student,
                samples,
                "From top to bottom: the test image, what the network sees of it after groups of pixels were destroyed, "
                    + "and the image as the network rebuilds it.",
                (image, index) =>
                {
                    using var scope = new Scope();
                    var (_, corrupted, painted, _) = Rebuild(image, [index], [0], samples.Seed);
                    return (scope.Return(corrupted.Images), scope.Return(painted));
                }
            ),
        ];
}
