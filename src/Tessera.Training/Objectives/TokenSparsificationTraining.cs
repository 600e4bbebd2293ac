using System.ComponentModel.DataAnnotations;
using Tessera.Data;
using Tessera.Models;
using Tessera.Training.Losses;
using Tessera.Training.Recipes;

namespace Tessera.Training.Objectives;

/// <summary>
/// Teaches a DynamicViT which tokens to drop: labels, the share of tokens that is kept, and the logits and tokens of the dense
/// model that it came from (Rao et al., 2021, arXiv:2106.02034, section 3.3). The backbone changes slowly, after some epochs in
/// which the predictors alone learn.
/// </summary>
public sealed partial class TokenSparsificationTraining : BackboneObjective
{
    private readonly TokenSparsificationOptions options;

    [NotRegistered]
    private readonly Parameter[] backbone;

    [NotRegistered]
    private readonly Backbone teacher;

    /// <summary>The method with the dense model, which is frozen here.</summary>
    /// <exception cref="ArgumentException">The student is no DynamicViT, or the teacher not of its kind.</exception>
    public TokenSparsificationTraining(TokenSparsificationOptions options, Backbone student, Backbone teacher)
        : base(student)
    {
        (this.options, this.teacher) = (options, teacher);
        var dynamic =
            student as DynamicVit
            ?? throw new ArgumentException($"token sparsification needs a DynamicViT (dynamicvit_*), not {student.GetType().Name}");
        if (dynamic.Options.DenseHead ? teacher is not LvVit { Options.DenseHead: true } : teacher is not Vit { Options.Pool: "token" })
        {
            var dense = dynamic.Options.DenseHead ? "an LV-ViT (lvvit_*)" : "a plain ViT (deit_*, vit_*)";
            throw new ArgumentException($"the teacher of this DynamicViT must be its dense model, {dense}, not {teacher.GetType().Name}");
        }
        teacher.RequireGrad(false);
        teacher.Eval();
        if (options.FreezeTokens)
            foreach (var (name, parameter) in student.NamedParameters())
                if (name is "cls_token" or "pos_embed")
                    parameter.RequiresGrad = false;
        backbone = [.. student.NamedParameters().Where(p => !IsPredictor(p.Name) && p.Parameter.RequiresGrad).Select(p => p.Parameter)];
    }

    private static bool IsPredictor(string name) => name.StartsWith("score_predictor.", StringComparison.Ordinal);

    /// <inheritdoc/>
    public override double LearningRateScale(string parameter) => IsPredictor(parameter) ? 1 : options.BackboneRate;

    /// <inheritdoc/>
    public override bool MeanOverSamples => !options.PerBatch;

    /// <inheritdoc/>
    protected override Loss ForwardLoss(Batch batch, Progress progress, Phase phase)
    {
        var learns = progress.Epoch >= options.FrozenEpochs;
        foreach (var parameter in backbone)
            if (parameter.RequiresGrad != learns)
                parameter.RequiresGrad = learns;
        var dynamic = (DynamicVit)Student;
        Tensor theirs,
            tokens;
        using (Torch.NoGrad())
            (theirs, tokens) = Dense(dynamic, batch.Inputs);
        var (targets, outputs) = (ClassTargets.Of(batch), Student.Run(new(batch.Inputs)));
        var loss = TokenSparsification.Loss(
            outputs.Logits,
            outputs.Named[DynamicVit.Tokens],
            theirs,
            tokens,
            targets.Soft
                ?? ClassificationLosses.SmoothLabels(targets.Labels, outputs.Logits.Size(1), options.Smoothing, outputs.Logits.DType),
            [.. dynamic.Options.KeepRatios.Select((_, stage) => outputs.Named[DynamicVit.Decision(stage)])],
            outputs.Named[DynamicVit.Mask],
            dynamic.Options.KeepRatios,
            dynamic.Options.DenseHead ? TokenSparsification.TokenTerm.Divergence : TokenSparsification.TokenTerm.MeanSquared,
            new(options.LabelWeight, options.RatioWeight, options.DistillationWeight),
            options.PerBatch
        );
        return loss with { Scores = Accuracy(outputs.Logits, batch) };
    }

    // Logits and normed patch tokens, or the logits of the class token and of every patch token.
    private (Tensor Logits, Tensor Tokens) Dense(DynamicVit student, Tensor images)
    {
        string[] names = student.Options.DenseHead ? ["class_logits", "dense_logits"] : ["normed"];
        var (outputs, records) = BlockOutputs.Run(teacher, new(images), names);
        return student.Options.DenseHead ? (records[0], records[1]) : (outputs.Logits, records[0].Slice(1, teacher.NumPrefixTokens));
    }
}

/// <summary>Training of a DynamicViT that begins with the weights of its dense model (model.weights).</summary>
/// <param name="Teacher">The dense model, with its trained weights.</param>
/// <param name="LabelWeight">Weight of the cross-entropy against the labels, at least 0; 1 by default.</param>
/// <param name="RatioWeight">Weight of the errors of the kept ratios, averaged over the stages, at least 0; 2 by default.</param>
/// <param name="DistillationWeight">
/// Weight of the divergence from the teacher's logits, and again of that of its tokens, at least 0; 0.5 by default.
/// </param>
/// <param name="PerBatch">Holds the share for the mean of a batch instead of for every image.</param>
/// <param name="BackboneRate">Learning rate of the backbone over that of the predictors, from 0 to 1000; 0.01 by default.</param>
/// <param name="FrozenEpochs">Epochs at the beginning in which only the predictors learn, at least 0; 5 by default.</param>
/// <param name="FreezeTokens">Whether class token and positions never change.</param>
/// <param name="Smoothing">Label smoothing, from 0 to 0.999; 0.1 by default.</param>
[RecipeName("token_sparsification")]
public sealed record TokenSparsificationOptions(
    TeacherOptions Teacher,
    [Range(0, 1e6)] double LabelWeight = 1,
    [Range(0, 1e6)] double RatioWeight = 2,
    [Range(0, 1e6)] double DistillationWeight = 0.5,
    bool PerBatch = false,
    [Range(0, 1e3)] double BackboneRate = 0.01,
    [Range(0, 1_000_000)] int FrozenEpochs = 5,
    bool FreezeTokens = true,
    [Range(0, 0.999)] double Smoothing = 0.1
) : ObjectiveOptions
{
    /// <inheritdoc/>
    public override double TargetSmoothing => Smoothing;

    /// <inheritdoc/>
    public override Objective Create(ObjectiveContext context) =>
        new TokenSparsificationTraining(this, context.Student, Teacher.Create(context));
}
