using System.ComponentModel.DataAnnotations;
using Tessera.Data;
using Tessera.Training.Losses;
using Tessera.Training.Objectives;
using Tessera.Training.Recipes;

namespace Tessera.Training.Tasks.Segmentation;

/// <summary>
/// Learning from label maps and from a large segmenter: <see cref="TransKd"/> as a training method. The student alone is kept; what lies
/// between it and the teacher is learned along with it, and part of the checkpoints. The teacher is neither.
/// </summary>
public sealed class TransKdLearning : SegmentationLearning
{
    private const string Name = "transkd";

    private readonly TransKd transkd;

    /// <summary>A student with its teacher and its losses.</summary>
    /// <param name="transkd">Student, teacher and what lies between them.</param>
    /// <param name="losses">Losses of the label maps; they are added up.</param>
    /// <param name="classWeights">Weights of the classes for each of them; null for none.</param>
    /// <param name="auxiliaryWeight">Factor of the same losses at the student's auxiliary head, where it has one.</param>
    /// <param name="headScale">Factor of the learning rate of everything in the student that is not the backbone.</param>
    public TransKdLearning(
        TransKd transkd,
        IReadOnlyList<SegmentationLoss> losses,
        IReadOnlyList<float[]?>? classWeights = null,
        double auxiliaryWeight = 0.4,
        double headScale = 1
    )
        : base(transkd.Student, losses, classWeights, auxiliaryWeight, headScale) => this.transkd = transkd;

    /// <summary>Student, teacher and what lies between them.</summary>
    public TransKd Method => transkd;

    /// <inheritdoc/>
    protected override void ListMembers(Members members)
    {
        base.ListMembers(members);
        members.Add(Name, transkd);
    }

    /// <summary>The student is the model itself.</summary>
    /// <inheritdoc/>
    protected internal override bool IsOfModel(string name) =>
        base.IsOfModel(name) || name.StartsWith($"{Name}.student.", StringComparison.Ordinal);

    /// <summary>Unknown: there is a teacher.</summary>
    public override double? ForwardPasses => null;

    /// <summary>False: the loss of the maps is a mean over pixels, those of features and embeddings are means over images.</summary>
    public override bool MeanOverSamples => false;

    /// <summary>Images without a label teach, too.</summary>
    /// <inheritdoc/>
    public override double? WeightOf(Batch batch) => null;

    /// <inheritdoc/>
    protected override Loss ForwardLoss(Batch batch, Progress progress, Phase phase)
    {
        var outputs = transkd.Run(batch.Inputs);
        var own = LossOf(outputs.Answers, batch);
        var (features, embeddings) = (transkd.FeatureLoss(outputs), transkd.EmbeddingLoss(outputs));
        return own with
        {
            Total = own.Total + features + embeddings,
            Parts = new Dictionary<string, Tensor>(own.Parts) { ["features"] = features.Detach(), ["embeddings"] = embeddings.Detach() },
        };
    }
}

/// <summary>TransKD (Liu et al., 2022, arXiv:2202.13393): learning from label maps and from a large segmenter.</summary>
/// <param name="Teacher">
/// The trained segmenter: <c>{ run: FOLDER }</c>, or <c>{ model: mit_b2, head: { name: segformer, width: 768 }, weights: FILE }</c>.
/// </param>
/// <param name="Kind">base, gl (with the mixer of global and local parts) or ea (with the embedding assistant).</param>
/// <param name="FeatureLoss">pyramid (by default), channel or spatial.</param>
/// <param name="FeatureWeight">Weight of the loss of the features, from 0 to 1e6; 1 by default.</param>
/// <param name="EmbeddingWeights">Weight of the loss of each stage's embeddings; 0.1, 0.1, 0.5 and 1 by default.</param>
/// <param name="Temperature">Of the feature losses channel and spatial, from 1e-6 to 1e6; 1 by default.</param>
/// <param name="Middle">Channels inside of the fusion of features; 64 by default.</param>
/// <param name="Reduced">Channels that its shares are computed from; by default a sixteenth of the middle, at least 32.</param>
/// <param name="MixerHeads">For gl: heads of the global part of the mixer, which divide the width of the student's last stage; 8 by default.</param>
/// <param name="Loss">Losses of the label maps, as of the objective segmentation; cross_entropy by default.</param>
/// <param name="AuxiliaryWeight">Factor of these losses at the auxiliary head of a student that has one, from 0 to 100; 0.4 by default.</param>
/// <param name="HeadLrScale">Factor of the learning rate of everything in the student that is not the backbone, from 1e-6 to 1e6.</param>
[RecipeName("transkd")]
public sealed record TransKdLearningOptions(
    TeacherOptions Teacher,
    TransKdKind Kind = TransKdKind.Base,
    FeatureLoss FeatureLoss = FeatureLoss.Pyramid,
    [Range(0, 1e6)] double FeatureWeight = 1,
    IReadOnlyList<double>? EmbeddingWeights = null,
    [Range(1e-6, 1e6)] double Temperature = 1,
    [Range(1, 4096)] int Middle = 64,
    [Range(1, 4096)] int? Reduced = null,
    [Range(1, 1024)] int MixerHeads = 8,
    IReadOnlyList<SegmentationLoss>? Loss = null,
    [Range(0.0, 100)] double AuxiliaryWeight = 0.4,
    [Range(1e-6, 1e6)] double HeadLrScale = 1
) : ObjectiveOptions
{
    /// <summary>Losses of the label maps.</summary>
    public IReadOnlyList<SegmentationLoss> Loss { get; init; } = SegmentationOptions.Losses(Loss);

    /// <summary>Weight of the loss of each stage's embeddings; null for 0.1, 0.1, 0.5 and 1.</summary>
    public IReadOnlyList<double>? EmbeddingWeights { get; init; } = new TransKdOptions(EmbeddingWeights: EmbeddingWeights).EmbeddingWeights;

    /// <inheritdoc/>
    public override Type TargetsType => typeof(MaskTargets);

    /// <inheritdoc/>
    public override Objective Create(ObjectiveContext context)
    {
        var student = SegmentationOptions.StudentOf(context, "transkd");
        var teacher = Teacher.CreateSegmenter(context);
        TransKd method;
        try
        {
            method = new(
                student,
                teacher,
                new(Kind, Middle, Reduced, FeatureLoss, FeatureWeight, EmbeddingWeights, Temperature, MixerHeads)
            );
        }
        catch (ArgumentException error)
        {
            throw new ArgumentException($"with the teacher {Teacher.Title}: {error.Message}", error);
        }
        return new TransKdLearning(method, Loss, SegmentationOptions.ClassWeights(Loss, context), AuxiliaryWeight, HeadLrScale);
    }
}
