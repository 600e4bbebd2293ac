using System.ComponentModel.DataAnnotations;
using Tessera.Data;
using Tessera.Models;

namespace Tessera.Training;

/// <summary>
/// A distillation token learns from a teacher (Touvron et al., 2020, arXiv:2012.12877, section 4), which sees the same augmented
/// and mixed images. The teacher is frozen and no part of what checkpoints hold.
/// </summary>
public sealed partial class Distillation : Objective
{
    private readonly DistillationOptions options;

    [NotRegistered]
    private readonly Backbone? teacher;

    /// <summary>The method with its teacher.</summary>
    /// <param name="options">Settings.</param>
    /// <param name="teacher">Frozen and set to evaluation here; null where nothing is distilled.</param>
    /// <exception cref="ArgumentException">Distillation without a teacher.</exception>
    public Distillation(DistillationOptions options, Backbone? teacher)
    {
        if (options.Kind != DistillationKind.None && teacher is null) throw new ArgumentException($"{options.Kind} distillation needs a teacher", nameof(teacher));
        this.options = options;
        this.teacher = teacher;
        teacher?.RequireGrad(false);
        teacher?.Eval();
    }

    /// <inheritdoc/>
    protected override Loss ForwardLoss(Backbone student, Batch batch, Progress progress)
    {
        var outputs = student.Run(new(batch.Inputs, batch.Mask));
        var own = Supervised.Base(outputs.Logits, batch, options.Smoothing);
        if (options.Kind == DistillationKind.None) return new(own) { Logits = outputs.Logits };
        if (!outputs.Named.TryGetValue(Outputs.Distillation, out var distilled))
            throw new InvalidOperationException($"{student.GetType().Name} has no distillation token: choose a model that has one (deit_*_distilled_*), or objective.kind none");
        Tensor theirs;
        using (Torch.NoGrad()) theirs = teacher!.Call(batch.Inputs);
        if (theirs.Size(1) != distilled.Size(1)) throw new ShapeException($"the teacher knows {theirs.Size(1)} classes, the student {distilled.Size(1)}");
        var total = Losses.Distillation(own, distilled, theirs, options.Kind, options.Alpha, options.Temperature, options.PerBatch);
        return new(total)
        {
            Logits = outputs.Logits,
            Parts = new Dictionary<string, Tensor>
            {
                ["class_loss"] = own.Detach(),
                ["teacher_loss"] = Losses.FromTeacher(distilled.Detach(), theirs, options.Kind, options.Temperature, options.PerBatch),
            },
        };
    }
}

/// <summary>DeiT's distillation.</summary>
/// <param name="Teacher">Who teaches; may be left out for kind none.</param>
/// <param name="Kind">None, soft or hard.</param>
/// <param name="Alpha">Weight of the teacher's loss.</param>
/// <param name="Temperature">Of the soft form.</param>
/// <param name="Smoothing">Label smoothing of the class token's loss.</param>
/// <param name="PerBatch">Soft: divides by the batch alone, as the paper's formula, instead of by batch times classes, as the published code.</param>
[RecipeName("distillation")]
public sealed record DistillationOptions(
    TeacherOptions? Teacher = null,
    DistillationKind Kind = DistillationKind.Hard,
    [Range(0, 1)] double Alpha = 0.5,
    [Range(1e-6, 1e6)] double Temperature = 1,
    [Range(0, 0.999)] double Smoothing = 0.1,
    bool PerBatch = false) : ObjectiveOptions
{
    /// <summary>Who teaches.</summary>
    public TeacherOptions? Teacher { get; init; } = Teacher is null && Kind != DistillationKind.None ? throw new ArgumentException($"{RecipeShape.Snake(Kind.ToString())} distillation needs a teacher: {{ run: FOLDER }} or {{ model: NAME, weights: FILE }}") : Teacher;

    /// <inheritdoc/>
    public override double TargetSmoothing => Smoothing;

    /// <inheritdoc/>
    public override Objective Create(ObjectiveContext context) => new Distillation(this, Kind == DistillationKind.None ? null : Teacher!.Create(context));
}
