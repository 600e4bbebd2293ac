using System.ComponentModel.DataAnnotations;
using Tessera.Data;
using Tessera.Models;

namespace Tessera.Training;

/// <summary>
/// TinyMIM: pre-training without labels by imitating how the tokens of one block of a larger, masked-autoencoded ViT are related.
/// The student's last block is cut into the teacher's number of heads. Ren et al., 2023, arXiv:2301.01296.
/// </summary>
public sealed partial class RelationDistillation : Objective
{
    private readonly RelationDistillationOptions options;
    private readonly int heads, teacherBlock, teacherHeads;
    private readonly ColorJitter? jitter;

    [NotRegistered]
    private readonly Vit teacher;

    /// <summary>The method with its teacher, which is frozen here; the student's positions are fixed.</summary>
    /// <exception cref="ArgumentException">One of them is no plain ViT, the teacher has no such block, or numbers of heads do not fit.</exception>
    public RelationDistillation(RelationDistillationOptions options, Backbone student, Backbone teacher, bool pretrained = false, Normalization? normalization = null)
    {
        this.options = options;
        var own = FixedPositions.Prepare(student, pretrained, "distillation of relations").Options;
        this.teacher = teacher as Vit ?? throw new ArgumentException($"the relations of a plain ViT are distilled, not of {teacher.GetType().Name}");
        var (depth, theirs) = (this.teacher.Options.Depth, this.teacher.Transformer);
        teacherBlock = (options.TargetBlock ?? depth) - 1;
        if (teacherBlock < 0 || teacherBlock >= depth) throw new ArgumentException($"objective.target_block {options.TargetBlock}: the teacher has {depth} blocks, counted from 1");
        teacherHeads = options.TargetHeads ?? theirs[teacherBlock].Heads;
        heads = options.StudentHeads ?? own.LastHeads ?? own.Heads;
        if (heads != teacherHeads) throw new ArgumentException($"the student's last block has {heads} heads, the teacher's block {teacherBlock + 1} has {teacherHeads}: relations need the same number (objective.student_heads, objective.target_heads)");
        if (own.Dim % heads != 0 || this.teacher.Options.Dim % teacherHeads != 0) throw new ArgumentException($"widths of {own.Dim} and {this.teacher.Options.Dim} do not both divide into {heads} heads");
        teacher.RequireGrad(false);
        teacher.Eval();
        if (options.Jitter > 0 && normalization is not null) jitter = new(options.Jitter, normalization);
    }

    /// <inheritdoc/>
    protected override Loss ForwardLoss(Backbone student, Batch batch, Progress progress)
        => Compare((Vit)student, jitter is null ? batch.Inputs : jitter.Of(batch.Inputs), batch.Inputs).Loss;

    /// <summary>The loss of two views, with the relations of both sides.</summary>
    internal (Loss Loss, IReadOnlyList<Tensor> Student, IReadOnlyList<Tensor> Teacher) Compare(Vit student, Tensor view, Tensor teacherView)
    {
        Tensor[] theirs;
        using (Torch.NoGrad())
        {
            var packed = teacher.QueriesKeysValues(teacherView, teacherBlock, teacherHeads);
            theirs = [.. options.Relations.Select(relation => TokenRelations.Log(packed, relation))];
        }
        var own = student.QueriesKeysValues(view, student.Options.Depth - 1, heads);
        Tensor[] ours = [.. options.Relations.Select(relation => TokenRelations.Log(own, relation))];
        Tensor[] losses = [.. ours.Zip(theirs, TokenRelations.Loss)];
        var parts = options.Relations.Zip(losses).ToDictionary(part => RecipeShape.Snake(part.First.ToString()), part => part.Second.Detach());
        return (new(Torch.Stack(losses).Sum()) { Parts = parts }, ours, theirs);
    }
}

/// <summary>TinyMIM's distillation of token relations.</summary>
/// <param name="Teacher">A plain ViT after masked autoencoding, or the student of an earlier such distillation.</param>
/// <param name="TargetBlock">Block of the teacher, from 1; the last by default (18 of 24 as published for the large one).</param>
/// <param name="TargetHeads">Heads that this block is cut into; its own by default.</param>
/// <param name="StudentHeads">Heads that the student's last block is cut into; its own by default.</param>
/// <param name="Relations">qk, vv, qq, kk.</param>
/// <param name="Jitter">Strength of brightness, contrast and saturation in the student's view.</param>
[RecipeName("relation_distillation")]
public sealed record RelationDistillationOptions(
    TeacherOptions Teacher,
    [Range(1, 1000)] int? TargetBlock = null,
    [Range(1, 1024)] int? TargetHeads = null,
    [Range(1, 1024)] int? StudentHeads = null,
    IReadOnlyList<TokenRelation>? Relations = null,
    [Range(0, 1)] double Jitter = 0.4) : ObjectiveOptions
{
    /// <summary>qk, vv, qq, kk.</summary>
    public IReadOnlyList<TokenRelation> Relations { get; init; } = Relations switch
    {
        null => [TokenRelation.Qk, TokenRelation.Vv],
        [] => throw new ArgumentException("relations: at least one of qk, vv, qq and kk"),
        _ => Relations,
    };

    /// <inheritdoc/>
    public override string? Conflict(Recipe recipe) => recipe.Auxiliary.Count > 0 ? "distillation of relations ends the student's pass in its last block: auxiliary terms have no map to work on"
        : Mixing(recipe, "the teacher knows whole images, and no labels are used");

    /// <inheritdoc/>
    public override Objective Create(ObjectiveContext context) => new RelationDistillation(this, context.Student, Teacher.Create(context), context.Pretrained, context.Normalization);
}
