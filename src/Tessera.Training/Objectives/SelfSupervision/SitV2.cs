using System.ComponentModel.DataAnnotations;
using Tessera.Data;
using Tessera.Distributed;
using Tessera.Models;
using Tessera.Training.Losses;
using Tessera.Training.Recipes;

namespace Tessera.Training.Objectives.SelfSupervision;

/// <summary>
/// SiT of December 2022: the student rebuilds two corrupted views, and the projection of each must find that of the other among the
/// projections that a slowly following teacher makes of the clean views. Atito et al., 2021, arXiv:2104.03602. With several processes the
/// teachers' projections of all are compared.
/// </summary>
public sealed class SitV2 : SitPretraining
{
    private readonly SitProjection head;
    private readonly SitReconstruction headRecons;
    private readonly MomentumCopy<Backbone> teacher;
    private readonly MomentumCopy<SitProjection> teacherHead;
    private readonly SitV2Options options;
    private readonly ProcessGroup? group;

    /// <summary>The method with new heads for a student.</summary>
    /// <param name="options">Heads, corruption and weights of the losses.</param>
    /// <param name="context">Student, data and processes.</param>
    /// <exception cref="ArgumentException">The student is no SiT of v2, or blocks cannot cover so much of its images.</exception>
    public SitV2(SitV2Options options, ObjectiveContext context)
        : base(context, options.Probe, SitVersion.V2)
    {
        (this.options, group) = (options, context.Group);
        Corruption = new GroupMasking(options.Drop, options.DropArea, options.ReplaceArea, options.Align, Student.ImageSize);
        var sizes = Network.Options;
        head = Projection();
        headRecons = new(sizes.Dim, sizes.Channels, sizes.Patch, layers: 3);
        teacher = new(Student, context.Twin());
        teacherHead = new(head, Projection());

        SitProjection Projection() => new(sizes.Dim, options.Width, options.Outputs, options.Layers);
    }

    /// <inheritdoc/>
    protected override void ListMembers(Members members)
    {
        base.ListMembers(members);
        members.Add("head", head);
        members.Add("head_recons", headRecons);
        members.Add("teacher", teacher);
        members.Add("teacher_head", teacherHead);
    }

    /// <inheritdoc/>
    protected override ImageCorruption Corruption { get; }

    /// <inheritdoc/>
    public override bool JoinsProcesses => true;

    /// <inheritdoc/>
    protected override Tensor Paint(Tensor tokens, Tensor like) =>
        headRecons.Paint(tokens.Slice(1, Network.NumPrefixTokens), like.Size(2), like.Size(3));

    /// <inheritdoc/>
    protected override Comparison Compare(Batch batch, Progress progress)
    {
        // It has no stochastic depth; its head is in training, with statistics of its own.
        if (teacher.Module.Training)
            teacher.Module.Eval();
        Tensor[] views = [batch.Views[0].Inputs, batch.Views[1].Inputs];
        var clean = Torch.Cat(views, 0);
        var corrupted = Destroy(views);
        var tokens = Student.ForwardFeatures(corrupted.Images);
        var (student, painted) = (head.Call(tokens.Select(1, 0)), Paint(tokens, clean).To(clean.DType));
        Tensor keys;
        using (Torch.NoGrad())
            keys = teacherHead.Module.Call(teacher.Module.ForwardFeatures(clean).Select(1, 0));
        var (ours, theirs) = (student.Chunk(2), keys.Chunk(2));
        var contrastive = TeacherContrast.Loss((ours[0], ours[1]), (theirs[0], theirs[1]), options.Temperature, group);
        var reconstruction = MaskedPixels.Difference(painted, clean, corrupted.Mask);
        var parts = Differences(painted, clean, corrupted.Mask);
        (parts["contrastive"], parts["reconstruction"]) = (contrastive.Detach(), reconstruction.Detach());
        return new(contrastive + reconstruction * options.ReconstructionWeight, FeaturesOf(tokens, batch.Inputs.Size(0)), ours)
        {
            Parts = parts,
        };
    }

    /// <summary>The teacher follows the weights that the step has brought; its batch norms keep their own statistics.</summary>
    /// <inheritdoc/>
    public override void AfterStep(Progress progress)
    {
        var kept = CosineRamp.At(options.Momentum, 1, progress.Step, progress.TotalSteps);
        teacher.Update(kept);
        teacherHead.Update(kept);
    }
}

/// <summary>SiT of December 2022 (v2): destroyed groups of pixels are rebuilt, views are compared with a momentum teacher's.</summary>
/// <param name="ReconstructionWeight">Weight of the rebuilding, from 0 to 1000: 1 (the default), 5 for small data sets.</param>
/// <param name="Temperature">T of the comparison, from 0.001 to 100; 0.2 by default.</param>
/// <param name="Drop">
/// What destroyed blocks are filled with: zeros (the default), noise, block (another block of the image), or several, one for each image.
/// </param>
/// <param name="DropArea">
/// Largest share of an image that is destroyed, from 0.01 to 0.9, of which at least a half of the image where it is more; 0.5 by default.
/// </param>
/// <param name="ReplaceArea">
/// The same for images into which another image is pasted instead, from 0 (none) to 0.9; 0.3 by default.
/// </param>
/// <param name="Align">Blocks begin and end at multiples of so many pixels, from 1 (the default) to 1024: the side of a patch, for
/// instance.</param>
/// <param name="Width">Hidden width of the projection, from 1 to 65536; 4096 by default.</param>
/// <param name="Outputs">Channels of an embedding, from 1 to 65536; 256 by default.</param>
/// <param name="Layers">Linear maps of the projection, from 2 to 16; 3 by default.</param>
/// <param name="Momentum">
/// Share of itself that the teacher keeps in the first step, from 0 to 1; along a cosine it comes to 1 at the end. 0.996 by default.
/// </param>
/// <param name="Probe">Whether a linear classifier learns along on the features, without influence on them; true by default.</param>
[RecipeName("sit")]
public sealed record SitV2Options(
    [Range(0, 1000)] double ReconstructionWeight = 1,
    [Range(0.001, 100)] double Temperature = 0.2,
    IReadOnlyList<BlockFilling>? Drop = null,
    [Range(0.01, 0.9)] double DropArea = 0.5,
    [Range(0, 0.9)] double ReplaceArea = 0.3,
    [Range(1, 1024)] int Align = 1,
    [Range(1, 65536)] int Width = 4096,
    [Range(1, 65536)] int Outputs = 256,
    [Range(2, 16)] int Layers = 3,
    [Range(0, 1)] double Momentum = 0.996,
    bool Probe = true
) : SelfSupervisedOptions
{
    /// <summary>Fillings of destroyed blocks.</summary>
    public IReadOnlyList<BlockFilling> Drop { get; init; } = Drop ?? [BlockFilling.Zeros];

    /// <inheritdoc/>
    public override Objective Create(ObjectiveContext context) => new SitV2(this, context);
}
