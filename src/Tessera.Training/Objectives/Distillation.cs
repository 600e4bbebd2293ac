using System.ComponentModel.DataAnnotations;
using Tessera.Data;
using Tessera.Models;
using Tessera.Training.Losses;
using Tessera.Training.Recipes;

namespace Tessera.Training.Objectives;

/// <summary>
/// A distillation token learns from a teacher (Touvron et al., 2020, arXiv:2012.12877, section 4), which sees the same augmented
/// and mixed images. The teacher is frozen and no part of what checkpoints hold.
/// </summary>
public sealed partial class Distillation : BackboneObjective
{
    private readonly DistillationOptions options;

    [NotRegistered]
    private readonly Backbone? teacher;

    [NotRegistered]
    private readonly TeacherStore? stored;

    /// <summary>The method with its teacher.</summary>
    /// <param name="options">Kind, weight and temperature of the distillation.</param>
    /// <param name="student">A model with a distillation token.</param>
    /// <param name="teacher">Frozen and set to evaluation here; null where nothing is distilled.</param>
    /// <exception cref="ArgumentException">Distillation without a teacher.</exception>
    public Distillation(DistillationOptions options, Backbone student, Backbone? teacher)
        : this(options, student, teacher, null) { }

    internal Distillation(DistillationOptions options, Backbone student, Backbone? teacher, TeacherStore? stored)
        : base(student)
    {
        if (options.Kind != DistillationKind.None && teacher is null && stored is null)
            throw new ArgumentException($"{options.Kind} distillation needs a teacher", nameof(teacher));
        (this.options, this.teacher, this.stored) = (options, teacher, stored);
        teacher?.RequireGrad(false);
        teacher?.Eval();
    }

    /// <inheritdoc/>
    protected override Loss ForwardLoss(Batch batch, Progress progress, Phase phase)
    {
        var outputs = Student.Run(new(batch.Inputs, batch.Mask));
        var own = Supervised.Base(outputs.Logits, batch, options.Smoothing);
        if (options.Kind == DistillationKind.None)
            return new(own) { Scores = Accuracy(outputs.Logits, batch) };
        if (!outputs.Named.TryGetValue(Outputs.Distillation, out var distilled))
            throw new InvalidOperationException(
                $"{Student.GetType().Name} has no distillation token: choose deit_*_distilled_* or objective.kind none"
            );
        Tensor theirs;
        using (Torch.NoGrad())
            theirs = stored is null ? teacher!.Call(batch.Inputs) : stored.Of(batch)[0];
        if (theirs.Size(1) != distilled.Size(1))
            throw new ShapeException($"the teacher must have the {distilled.Size(1)} classes of the student, not {theirs.Size(1)}");
        var (kind, temperature, perBatch) = (options.Kind, options.Temperature, options.PerBatch);
        var total = ClassificationLosses.Distillation(own, distilled, theirs, kind, options.Alpha, temperature, perBatch);
        return new(total)
        {
            Scores = Accuracy(outputs.Logits, batch),
            Parts = new Dictionary<string, Tensor>
            {
                ["class_loss"] = own.Detach(),
                ["teacher_loss"] = ClassificationLosses.FromTeacher(distilled.Detach(), theirs, kind, temperature, perBatch),
            },
        };
    }
}

/// <summary>Settings of DeiT's distillation (Touvron et al., 2020, arXiv:2012.12877, section 4).</summary>
/// <param name="Teacher">The trained model that teaches; may be left out for kind none.</param>
/// <param name="Kind">none, soft (equation 2) or hard (equation 3, the default).</param>
/// <param name="Alpha">Weight of the teacher's loss, from 0 to 1; the labels' loss has the rest. 0.5 by default.</param>
/// <param name="Temperature">Divisor T of the logits in the soft form, from 1e-6 to 1e6; 1 by default.</param>
/// <param name="Smoothing">Label smoothing of the class token's loss, from 0 to 0.999; 0.1 by default.</param>
/// <param name="PerBatch">
/// For the soft form: whether to divide by the batch alone, as in the paper's formula, or by batch times classes, as in the published code.
/// </param>
/// <param name="Stored">Folder for the teacher's stored outputs, made if missing; needs images that are the same in every epoch.</param>
[RecipeName("distillation")]
public sealed record DistillationOptions(
    TeacherOptions? Teacher = null,
    DistillationKind Kind = DistillationKind.Hard,
    [Range(0, 1)] double Alpha = 0.5,
    [Range(1e-6, 1e6)] double Temperature = 1,
    [Range(0, 0.999)] double Smoothing = 0.1,
    bool PerBatch = false,
    [RecipePath] string? Stored = null
) : ObjectiveOptions
{
    /// <summary>The trained model that teaches; null for kind none.</summary>
    public TeacherOptions? Teacher { get; init; } =
        Teacher is null && Kind != DistillationKind.None
            ? throw new ArgumentException(
                $"{RecipeShape.Snake(Kind.ToString())} distillation needs a teacher: {{ run: FOLDER }} or {{ model: NAME, weights: FILE }}"
            )
            : Teacher;

    /// <inheritdoc/>
    public override double TargetSmoothing => Smoothing;

    /// <inheritdoc/>
    public override IReadOnlyList<Need> Needs =>
        [new Need.Views(1), .. Stored is null ? Array.Empty<Need>() : [new Need.RepeatableImages(TeacherStore.Obstacle)]];

    /// <inheritdoc/>
    public override Objective Create(ObjectiveContext context)
    {
        if (Kind == DistillationKind.None)
            return new Distillation(this, context.Student, null);
        var teacher = Teacher!.Create(context);
        return Stored is null
            ? new Distillation(this, context.Student, teacher)
            : new Distillation(
                this,
                context.Student,
                null,
                TeacherStore.OfTraining(Stored, teacher, context, images => [teacher.Call(images)])
            );
    }
}
