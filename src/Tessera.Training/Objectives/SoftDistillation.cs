using System.ComponentModel.DataAnnotations;
using Tessera.Data;
using Tessera.Models;

namespace Tessera.Training;

/// <summary>Learning from a teacher's soft labels alone, without labels of the data: SReT's distilled models (Shen et al., 2021, arXiv:2111.05297, section 4).</summary>
public sealed partial class SoftDistillation : Objective
{
    private readonly double temperature;

    [NotRegistered]
    private readonly Backbone teacher;

    /// <summary>The method with its teacher, which is frozen here.</summary>
    public SoftDistillation(Backbone teacher, double temperature = 1)
    {
        (this.teacher, this.temperature) = (teacher, temperature);
        teacher.RequireGrad(false);
        teacher.Eval();
    }

    /// <inheritdoc/>
    protected override Loss ForwardLoss(Backbone student, Batch batch, Progress progress)
    {
        var logits = student.Run(new(batch.Inputs, batch.Mask)).Logits;
        Tensor theirs;
        using (Torch.NoGrad()) theirs = teacher.Call(batch.Inputs);
        if (theirs.Size(1) != logits.Size(1)) throw new ShapeException($"the teacher knows {theirs.Size(1)} classes, the student {logits.Size(1)}");
        return new(SoftLabelDistillation.Loss(logits, theirs, temperature)) { Logits = logits };
    }
}

/// <summary>Distillation by soft labels alone.</summary>
/// <param name="Teacher">Who teaches.</param>
/// <param name="Temperature">Of both logits.</param>
[RecipeName("soft_distillation")]
public sealed record SoftDistillationOptions(TeacherOptions Teacher, [Range(1e-6, 1e6)] double Temperature = 1) : ObjectiveOptions
{
    /// <inheritdoc/>
    public override Objective Create(ObjectiveContext context) => new SoftDistillation(Teacher.Create(context), Temperature);
}
