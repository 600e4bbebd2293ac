using System.ComponentModel.DataAnnotations;
using Tessera.Data;
using Tessera.Models;
using Tessera.Nn;
using Tessera.Training.Losses;
using Tessera.Training.Recipes;

namespace Tessera.Training.Objectives;

/// <summary>
/// Beside the labels, outputs of some blocks learn to look like the stages of a small convolutional network that was trained on
/// the same small data before (Li et al., 2022, arXiv:2207.10026). The guide's predictions play no part; guide and adapters are
/// dropped afterwards.
/// </summary>
public sealed partial class LocalityGuidance : BackboneObjective
{
    private readonly ModuleList<Conv2d> featureTransforms;

    [NotRegistered]
    private readonly Backbone guide;

    [NotRegistered]
    private readonly GuideMaps? stored;

    private readonly LocalityGuidanceOptions options;
    private readonly IReadOnlyList<string> paths;
    private readonly IReadOnlyList<int> levels;

    /// <summary>The method with its guide, which is frozen here.</summary>
    /// <exception cref="ArgumentException">A block or level that is not there, or not as many blocks as levels.</exception>
    public LocalityGuidance(LocalityGuidanceOptions options, Backbone student, Backbone guide)
        : this(options, student, guide, null) { }

    internal LocalityGuidance(LocalityGuidanceOptions options, Backbone student, Backbone guide, GuideMaps? stored)
        : base(student)
    {
        (this.options, this.guide, this.stored) = (options, guide, stored);
        guide.RequireGrad(false);
        var depth = student.BlockPaths.Count;
        paths = BlockOutputs.Paths(student, options.StudentBlocks ?? [0, depth / 2, depth - 1], "objective.student_blocks");
        var widths = BlockOutputs.Probe(student, paths).Select(shape => shape[1]).ToArray();
        long[] stages = [.. BlockOutputs.ProbePyramid(guide)];
        levels = options.GuideLevels ?? [.. Enumerable.Range(0, stages.Length)];
        if (levels.Count != paths.Count)
            throw new ArgumentException(
                $"objective.student_blocks and objective.guide_levels must have the same length, not {paths.Count} and {levels.Count}"
            );
        if (levels.Any(level => level < 0 || level >= stages.Length))
            throw new ArgumentException($"objective.guide_levels must be 0 to {stages.Length - 1}, the levels of the guide");
        featureTransforms = new(
            options.Kind == AlignmentKind.Linear ? widths.Select((width, i) => new Conv2d(width, stages[levels[i]], 1)) : []
        );
    }

    /// <summary>The 1 x 1 convolutions that bring blocks to the guide's channels.</summary>
    public Module Adapters => featureTransforms;

    /// <inheritdoc/>
    public override bool MeanOverSamples => options.Kind != AlignmentKind.Similarity;

    /// <inheritdoc/>
    protected override Loss ForwardLoss(Batch batch, Progress progress, Phase phase)
    {
        var (outputs, blocks) = BlockOutputs.Run(Student, new(batch.Inputs), paths);
        Tensor[] theirs;
        using (Torch.NoGrad())
        {
            // As published the frozen guide is left in training mode: it then normalises by the batch.
            if (guide.Training != options.GuideBatchNorm is GuideStatistics.Batch)
                guide.Train(options.GuideBatchNorm is GuideStatistics.Batch);
            var maps = stored is null ? GuideMaps.Of(guide, batch.Inputs) : stored.Of(batch);
            theirs = [.. levels.Select(level => maps[level])];
        }
        var guidance = Torch
            .Stack([
                .. theirs.Select(
                    (target, i) =>
                        FeatureAlignment.Loss(Adapt(i, BlockOutputs.Map(Student, paths[i], blocks[i], batch.Inputs)), target, options.Kind)
                ),
            ])
            .Sum();
        var labels = Supervised.Base(outputs.Logits, batch, options.Smoothing);
        return new(labels + options.Weight * guidance)
        {
            Scores = Accuracy(outputs.Logits, batch),
            Parts = new Dictionary<string, Tensor> { ["labels"] = labels.Detach(), ["guidance"] = guidance.Detach() },
        };
    }

    private Tensor Adapt(int pair, Tensor map) => options.Kind == AlignmentKind.Linear ? featureTransforms[pair].Call(map) : map;
}

/// <summary>Statistics that a guide's batch norms use.</summary>
public enum GuideStatistics
{
    /// <summary>The running statistics that the guide has learned.</summary>
    Running,

    /// <summary>Those of the batch, as in the published code, which leaves the guide in training mode.</summary>
    Batch,
}

/// <summary>Settings of locality guidance (Li et al., 2022, arXiv:2207.10026, section 3).</summary>
/// <param name="Guide">The convolutional network that guides; images are resized to its own image size.</param>
/// <param name="StudentBlocks">Blocks that are guided, counted over all stages; by default the first, the middle and the last.</param>
/// <param name="GuideLevels">Levels of the guide's pyramid that they follow, one each; all by default.</param>
/// <param name="Weight">Weight of the guidance, at least 0; 2.5 by default.</param>
/// <param name="Kind">linear, attention or similarity.</param>
/// <param name="GuideBatchNorm">running, or batch as in the published code.</param>
/// <param name="Smoothing">Label smoothing, from 0 (the default) to 0.999.</param>
/// <param name="Stored">
/// Folder for the guide's stored maps, made if missing. The maps are of images that are the same in every epoch, or of whole images and are
/// then cropped and mirrored as the images are.
/// </param>
[RecipeName("locality_guidance")]
public sealed record LocalityGuidanceOptions(
    TeacherOptions Guide,
    IReadOnlyList<int>? StudentBlocks = null,
    IReadOnlyList<int>? GuideLevels = null,
    [Range(0, 1e6)] double Weight = 2.5,
    AlignmentKind Kind = AlignmentKind.Linear,
    GuideStatistics GuideBatchNorm = GuideStatistics.Running,
    [Range(0, 0.999)] double Smoothing = 0,
    [RecipePath] string? Stored = null
) : ObjectiveOptions
{
    /// <summary>Folder that keeps the guide's maps.</summary>
    public string? Stored { get; init; } =
        Stored is not null && GuideBatchNorm is GuideStatistics.Batch
            ? throw new ArgumentException(
                "stored must be left out with guide_batch_norm: batch, where the guide's maps depend on the other images of a batch"
            )
            : Stored;

    /// <inheritdoc/>
    public override double TargetSmoothing => Smoothing;

    /// <inheritdoc/>
    public override IReadOnlyList<Need> Needs =>
        [new Need.Views(1), .. Stored is null ? Array.Empty<Need>() : [new Need.RepeatableImages(GuideMaps.Obstacle)]];

    /// <inheritdoc/>
    public override Objective Create(ObjectiveContext context)
    {
        var guide = Guide.Create(context, needsClassifier: false);
        return new LocalityGuidance(this, context.Student, guide, Stored is null ? null : GuideMaps.Open(Stored, guide, context));
    }
}
