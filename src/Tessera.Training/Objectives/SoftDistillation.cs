using System.ComponentModel.DataAnnotations;
using Tessera.Data;
using Tessera.Models;
using Tessera.Training.Losses;
using Tessera.Training.Recipes;

namespace Tessera.Training.Objectives;

/// <summary>
/// Learning from a teacher's soft labels alone, without labels of the data: SReT's distilled models (Shen et al., 2021, arXiv:2111.05297,
/// section 4).
/// </summary>
public sealed class SoftDistillation : BackboneObjective
{
    private readonly double temperature;

    private readonly Func<Batch, Tensor> teacher;

    /// <summary>The method with its teacher, which is frozen here.</summary>
    /// <param name="student">The model that is trained.</param>
    /// <param name="teacher">The trained model whose distribution the student learns.</param>
    /// <param name="temperature">Divisor T of the logits of both, above 0.</param>
    public SoftDistillation(Backbone student, Backbone teacher, double temperature = 1)
        : this(student, batch => teacher.Call(batch.Inputs), temperature)
    {
        teacher.RequireGrad(false);
        teacher.Eval();
    }

    /// <summary>The method with what its teacher put out.</summary>
    internal SoftDistillation(Backbone student, TeacherStore stored, double temperature)
        : this(student, batch => stored.Of(batch)[0], temperature) { }

    private SoftDistillation(Backbone student, Func<Batch, Tensor> teacher, double temperature)
        : base(student) => (this.teacher, this.temperature) = (teacher, temperature);

    /// <inheritdoc/>
    protected override Loss ForwardLoss(Batch batch, Progress progress, Phase phase)
    {
        var logits = Student.Run(new(batch.Inputs, batch.Mask)).Logits;
        Tensor theirs;
        using (Torch.NoGrad())
            theirs = teacher(batch);
        if (theirs.Size(1) != logits.Size(1))
            throw new ShapeException($"the teacher must have the {logits.Size(1)} classes of the student, not {theirs.Size(1)}");
        return new(SoftLabelDistillation.Loss(logits, theirs, temperature)) { Scores = Accuracy(logits, batch) };
    }
}

/// <summary>Settings of distillation by soft labels alone (Shen et al., 2021, arXiv:2111.05297, section 4).</summary>
/// <param name="Teacher">The trained model whose distribution the student learns.</param>
/// <param name="Temperature">Divisor T of the logits of both, from 1e-6 to 1e6; 1 by default.</param>
/// <param name="Stored">Folder for the teacher's stored outputs, made if missing; needs images that are the same in every epoch.</param>
[RecipeName("soft_distillation")]
public sealed record SoftDistillationOptions(
    TeacherOptions Teacher,
    [Range(1e-6, 1e6)] double Temperature = 1,
    [RecipePath] string? Stored = null
) : ObjectiveOptions
{
    /// <inheritdoc/>
    public override Type? TargetsType => null;

    /// <inheritdoc/>
    public override IReadOnlyList<Need> Needs =>
        [new Need.Views(1), .. Stored is null ? Array.Empty<Need>() : [new Need.RepeatableImages(TeacherStore.Obstacle)]];

    /// <inheritdoc/>
    public override Objective Create(ObjectiveContext context)
    {
        var teacher = Teacher.Create(context);
        return Stored is null
            ? new SoftDistillation(context.Student, teacher, Temperature)
            : new SoftDistillation(
                context.Student,
                TeacherStore.OfTraining(Stored, teacher, context, images => [teacher.Call(images)]),
                Temperature
            );
    }
}
