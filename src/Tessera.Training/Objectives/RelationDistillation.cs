using System.ComponentModel.DataAnnotations;
using Tessera.Data;
using Tessera.Models;
using Tessera.Models.Layers;
using Tessera.Nn;
using Tessera.Training.Losses;
using Tessera.Training.Recipes;

namespace Tessera.Training.Objectives;

/// <summary>
/// TinyMIM: pre-training without labels by imitating how the tokens of one block of a larger, masked-autoencoded ViT are related.
/// The student's last block is cut into the teacher's number of heads. The study's other targets are that block's features and the
/// final class token, behind a learned linear map of the student's. Ren et al., 2023, arXiv:2301.01296.
/// </summary>
public sealed partial class RelationDistillation : BackboneObjective
{
    private readonly RelationDistillationOptions options;
    private readonly int heads,
        teacherBlock,
        teacherHeads;
    private readonly ColorJitter? jitter;
    private readonly Linear? adapter;

    [NotRegistered]
    private readonly Vit teacher;

    /// <summary>The method with its teacher, which is frozen here; the student's positions are fixed.</summary>
    /// <exception cref="ArgumentException">
    /// One of them is no plain ViT, the teacher has no such block, or numbers of heads do not fit.
    /// </exception>
    public RelationDistillation(
        RelationDistillationOptions options,
        Backbone student,
        Backbone teacher,
        bool pretrained = false,
        Normalization? normalization = null
    )
        : base(student)
    {
        this.options = options;
        var own = FixedPositions.Prepare(student, pretrained, "distillation of relations").Options;
        this.teacher =
            teacher as Vit ?? throw new ArgumentException($"the relations of a plain ViT are distilled, not of {teacher.GetType().Name}");
        var (depth, theirs) = (this.teacher.Options.Depth, this.teacher.Transformer);
        teacherBlock = (options.TargetBlock ?? depth) - 1;
        if (teacherBlock < 0 || teacherBlock >= depth)
            throw new ArgumentException($"objective.target_block {options.TargetBlock}: the teacher has {depth} blocks, counted from 1");
        teacherHeads = options.TargetHeads ?? theirs[teacherBlock].Heads;
        heads = options.StudentHeads ?? own.LastHeads ?? own.Heads;
        if (options.Target != DistillationTarget.Relations)
            adapter = TransformerInit.Linears(new Linear(own.Dim, this.teacher.Options.Dim));
        else if (heads != teacherHeads)
            throw new ArgumentException(
                $"relations need the same number of heads on both sides: the student's last block has {heads} (objective.student_heads), "
                    + $"the teacher's block {teacherBlock + 1} has {teacherHeads} (objective.target_heads)"
            );
        else if (own.Dim % heads != 0 || this.teacher.Options.Dim % teacherHeads != 0)
            throw new ArgumentException($"widths of {own.Dim} and {this.teacher.Options.Dim} do not both divide into {heads} heads");
        teacher.RequireGrad(false);
        teacher.Eval();
        if (options.Jitter > 0 && normalization is not null)
            jitter = new(options.Jitter, normalization);
    }

    /// <inheritdoc/>
    protected override Loss ForwardLoss(Batch batch, Progress progress, Phase phase)
    {
        var view = jitter is null ? batch.Inputs : jitter.Of(batch.Inputs);
        var kept = options.MaskRatio > 0 ? Visible((Vit)Student, batch.Inputs) : null;
        return options.Target == DistillationTarget.Relations
            ? Compare((Vit)Student, view, batch.Inputs, kept).Loss
            : Imitate((Vit)Student, view, batch.Inputs, kept);
    }

    /// <inheritdoc/>
    public override bool TrainsClassifier => false;

    /// <summary>
    /// The loss on test images (<c>relation_loss</c> with its parts, <c>feature_loss</c> or <c>class_token_loss</c>), and how good the
    /// class token behind the last norm is. Jitter and hidden patches of an image depend on the seed and on its index alone.
    /// </summary>
    public override Evaluator CreateEvaluator(EvaluatorContext context) =>
        new FeatureEvaluator(batch => ((Vit)Student).ForwardFeatures(batch.Inputs).Select(1, 0), context)
        {
            LossNames = options.Target switch
            {
                DistillationTarget.Relations =>
                [
                    "relation_loss",
                    .. options.Relations.Select(relation => RecipeShape.Snake(relation.ToString())),
                ],
                DistillationTarget.Features => ["feature_loss"],
                _ => ["class_token_loss"],
            },
            Losses = batch => LossesPerSample(batch, context.Seed),
        };

    private IReadOnlyList<Tensor> LossesPerSample(Batch batch, ulong seed)
    {
        var (student, images) = ((Vit)Student, batch.Inputs);
        var view = jitter is null ? images : jitter.Of(images, MeasurementDraws.ColorDraws(batch.Indices, seed, images.Device));
        var kept =
            options.MaskRatio > 0
                ? Patches.Hide(MeasurementDraws.PatchNoise(batch.Indices, PatchCount(student), seed, images.Device), options.MaskRatio).Kept
                : null;
        if (options.Target != DistillationTarget.Relations)
        {
            var (imitation, target) = Outputs(student, view, images, kept);
            return [imitation.SmoothL1Loss(target, reduction: 0).Reshape(batch.Count, -1).Mean(1)];
        }
        var (_, ours, theirs) = Compare(student, view, images, kept);
        Tensor[] parts = [.. ours.Zip(theirs, TokenRelations.LossPerSample)];
        return [Torch.Stack(parts).Sum(0), .. parts];
    }

    private static int PatchCount(Vit student)
    {
        var ((height, width), patch) = (student.ImageSize, student.Options.Patch);
        return height / patch * (width / patch);
    }

    // The same patches are hidden from both.
    private Tensor Visible(Vit student, Tensor images) =>
        Patches.Hide(Torch.Rand([images.Size(0), PatchCount(student)], device: images.Device), options.MaskRatio).Kept;

    // Smooth L1 between the student's outputs and the teacher's.
    private Loss Imitate(Vit student, Tensor view, Tensor teacherView, Tensor? kept)
    {
        var (ours, theirs) = Outputs(student, view, teacherView, kept);
        var loss = ours.SmoothL1Loss(theirs);
        return new(loss) { Parts = new Dictionary<string, Tensor> { [RecipeShape.Snake(options.Target.ToString())] = loss.Detach() } };
    }

    // Features of the block, or the class token behind the last norm: the teacher's, normalised where they are a block's, and a linear
    // map of the student's, in float32.
    private (Tensor Ours, Tensor Theirs) Outputs(Vit student, Tensor view, Tensor teacherView, Tensor? kept)
    {
        var whole = options.Target == DistillationTarget.ClassToken;
        Tensor theirs;
        using (Torch.NoGrad())
            theirs = whole
                ? ClassToken(teacher, teacherView)
                : Torch.LayerNorm(
                    teacher.TokensAfter(teacherView, teacherBlock + 1, kept),
                    [teacher.Options.Dim],
                    null,
                    null,
                    teacher.Options.Eps
                );
        var ours = adapter!.Call(whole ? ClassToken(student, view) : student.TokensAfter(view, student.Options.Depth, kept));
        return (ours.To(DType.Float32), theirs.To(DType.Float32));

        Tensor ClassToken(Vit model, Tensor images) =>
            (kept is null ? model.ForwardFeatures(images) : model.ForwardVisible(images, kept)).Select(1, 0);
    }

    /// <summary>The loss of two views, with the relations of both sides.</summary>
    internal (Loss Loss, IReadOnlyList<Tensor> Student, IReadOnlyList<Tensor> Teacher) Compare(
        Vit student,
        Tensor view,
        Tensor teacherView,
        Tensor? kept = null
    )
    {
        Tensor[] theirs;
        using (Torch.NoGrad())
        {
            var packed = teacher.QueriesKeysValues(teacherView, teacherBlock, teacherHeads, kept);
            theirs = [.. options.Relations.Select(relation => TokenRelations.Log(packed, relation))];
        }
        var own = student.QueriesKeysValues(view, student.Options.Depth - 1, heads, kept);
        Tensor[] ours = [.. options.Relations.Select(relation => TokenRelations.Log(own, relation))];
        Tensor[] losses = [.. ours.Zip(theirs, TokenRelations.Loss)];
        var parts = options
            .Relations.Zip(losses)
            .ToDictionary(part => RecipeShape.Snake(part.First.ToString()), part => part.Second.Detach());
        return (new(Torch.Stack(losses).Sum()) { Parts = parts }, ours, theirs);
    }
}

/// <summary>Part of the teacher that the student imitates.</summary>
public enum DistillationTarget
{
    /// <summary>How the tokens of a block are related.</summary>
    Relations,

    /// <summary>The output tokens of a block.</summary>
    Features,

    /// <summary>The class token behind the last norm.</summary>
    ClassToken,
}

/// <summary>TinyMIM's distillation of token relations, and the other targets of its study.</summary>
/// <param name="Teacher">A plain ViT after masked autoencoding, or the student of an earlier such distillation.</param>
/// <param name="TargetBlock">
/// Number of the teacher's block, from 1; the last by default (18 of 24 as published for the large teacher).
/// </param>
/// <param name="TargetHeads">Heads that this block is cut into; its own by default.</param>
/// <param name="StudentHeads">Heads that the student's last block is cut into; its own by default.</param>
/// <param name="Relations">Relations that are compared, of qk, vv, qq and kk.</param>
/// <param name="Jitter">Strength of brightness, contrast and saturation in the student's view.</param>
/// <param name="Target">relations, features or class_token.</param>
/// <param name="MaskRatio">Share of the patches that is hidden from both networks, from 0 (the default) to 0.999.</param>
[RecipeName("relation_distillation")]
public sealed record RelationDistillationOptions(
    TeacherOptions Teacher,
    [Range(1, 1000)] int? TargetBlock = null,
    [Range(1, 1024)] int? TargetHeads = null,
    [Range(1, 1024)] int? StudentHeads = null,
    IReadOnlyList<TokenRelation>? Relations = null,
    [Range(0, 1)] double Jitter = 0.4,
    DistillationTarget Target = DistillationTarget.Relations,
    [Range(0, 0.999)] double MaskRatio = 0
) : ObjectiveOptions
{
    /// <summary>qk, vv, qq, kk; none for the other targets.</summary>
    public IReadOnlyList<TokenRelation> Relations { get; init; } =
        Relations switch
        {
            null or [] when Target != DistillationTarget.Relations => [],
            null => [TokenRelation.Qk, TokenRelation.Vv],
            [] => throw new ArgumentException("relations: at least one of qk, vv, qq and kk"),
            _ when Target != DistillationTarget.Relations => throw new ArgumentException(
                $"relations belong to target: relations, not to {RecipeShape.Snake(Target.ToString())}"
            ),
            _ => Relations,
        };

    /// <summary>Number of the teacher's block, from 1; null for the last.</summary>
    public int? TargetBlock { get; init; } =
        TargetBlock is null || Target != DistillationTarget.ClassToken
            ? TargetBlock
            : throw new ArgumentException("target_block: the class token is that behind the last norm, not a block's");

    /// <inheritdoc/>
    public override Type? TargetsType => null;

    /// <inheritdoc/>
    public override IReadOnlyList<Need> Needs =>
        [
            new Need.Views(1),
            new Need.NoAuxiliaryLosses(
                "distillation of relations ends the student's pass in its last block: auxiliary losses have no map to work on"
            ),
            new Need.UnmixedImages("the teacher knows whole images, and no labels are used"),
        ];

    /// <inheritdoc/>
    public override Objective Create(ObjectiveContext context) =>
        new RelationDistillation(
            this,
            context.Student,
            Teacher.Create(context, needsClassifier: false),
            context.Pretrained,
            context.Normalization
        );
}
