using System.ComponentModel.DataAnnotations;
using Tessera.Models;
using Tessera.Nn;
using Tessera.Training.Losses;
using Tessera.Training.Recipes;

namespace Tessera.Training.Objectives.SelfSupervision;

/// <summary>SiT's revision of June 2022 (v1b).</summary>
public sealed class SitV1b : SitTwoTokens
{
    private readonly Parameter rotW = SitV1.One(),
        contrW = SitV1.One(),
        recW = SitV1.One();
    private readonly SitReconstruction recHead;
    private readonly SitMlp rotHead,
        contrHead;
    private readonly SitV1bOptions options;

    /// <summary>The method with new heads for a student.</summary>
    /// <param name="options">Heads, corruption and temperature.</param>
    /// <param name="context">Student and data.</param>
    /// <exception cref="ArgumentException">
    /// The student is no SiT of v1b, its images are not as high as wide, or blocks cannot cover so much of them.
    /// </exception>
    public SitV1b(SitV1bOptions options, ObjectiveContext context)
        : base(context, options.Probe, SitVersion.V1b)
    {
        this.options = options;
        Corruption = new GroupMasking(options.Drop, options.DropArea, options.ReplaceArea, options.Align, Student.ImageSize);
        var sizes = Network.Options;
        recHead = new(sizes.Dim, sizes.Channels, sizes.Patch, layers: 2);
        contrHead = new(sizes.Dim, options.Width, options.Outputs);
        rotHead = new(sizes.Dim, options.Width, Turning.Count);
    }

    /// <inheritdoc/>
    protected override void ListMembers(Members members)
    {
        base.ListMembers(members);
        members.Add("rot_w", rotW);
        members.Add("contr_w", contrW);
        members.Add("rec_w", recW);
        members.Add("rec_head", recHead);
        members.Add("contr_head", contrHead);
        members.Add("rot_head", rotHead);
    }

    /// <inheritdoc/>
    protected override ImageCorruption Corruption { get; }

    /// <inheritdoc/>
    public override (Parameter Rotation, Parameter Contrastive, Parameter Reconstruction) Weights => (rotW, contrW, recW);

    private protected override double Temperature => options.Temperature;

    /// <inheritdoc/>
    protected override Tensor Rotations(Tensor tokens) => rotHead.Call(tokens.Select(1, 0));

    /// <inheritdoc/>
    protected override Tensor Embed(Tensor tokens) => contrHead.Call(tokens.Select(1, 1));

    /// <inheritdoc/>
    protected override Tensor Paint(Tensor tokens, Tensor like) =>
        recHead.Paint(tokens.Slice(1, Network.NumPrefixTokens), like.Size(2), like.Size(3));

    /// <inheritdoc/>
    protected override Tensor Reconstruction(Tensor painted, Tensor clean, Tensor mask) =>
        Difference(painted, clean, mask, options.DropOnly);

    /// <summary>The mean over destroyed pixels, or over all.</summary>
    /// <param name="painted">Rebuilt images, [B, C, H, W].</param>
    /// <param name="clean">True images, [B, C, H, W].</param>
    /// <param name="mask">1 where pixels were destroyed.</param>
    /// <param name="dropOnly">Whether destroyed pixels alone count.</param>
    internal static Tensor Difference(Tensor painted, Tensor clean, Tensor mask, bool dropOnly) =>
        dropOnly ? MaskedPixels.Difference(painted, clean, mask) : SitV1.Difference(painted, clean);

    /// <inheritdoc/>
    protected override Tensor Total(Tensor rotation, Tensor contrastive, Tensor reconstruction) =>
        Total(rotation, contrastive, reconstruction, Weights);

    /// <summary>The weighted sum of the losses, [1].</summary>
    /// <param name="rotation">Of telling turns.</param>
    /// <param name="contrastive">Of comparing views.</param>
    /// <param name="reconstruction">Of rebuilding.</param>
    /// <param name="weights">The learned weights, [1] each.</param>
    internal static Tensor Total(
        Tensor rotation,
        Tensor contrastive,
        Tensor reconstruction,
        (Tensor Rotation, Tensor Contrastive, Tensor Reconstruction) weights
    ) =>
        Torch.Scope(() =>
            UncertaintyWeighting.Logarithmic(rotation, weights.Rotation)
            + UncertaintyWeighting.Logarithmic(contrastive, weights.Contrastive)
            + UncertaintyWeighting.Logarithmic(reconstruction, weights.Reconstruction)
        );
}

/// <summary>SiT of June 2022 (v1b): turns are told, views compared, destroyed groups of pixels rebuilt.</summary>
/// <param name="Temperature">T of the comparison, from 0.001 to 100; 0.5 by default.</param>
/// <param name="Drop">
/// What destroyed blocks are filled with: noise (the default), zeros, block (another block of the image), or several, one for each image.
/// </param>
/// <param name="DropArea">
/// Largest share of an image that is destroyed, from 0.01 to 0.9, of which at least a half of the image where it is more; 0.7 by default.
/// </param>
/// <param name="ReplaceArea">
/// The same for images into which another image is pasted instead, from 0 (none) to 0.9; 0.35 by default.
/// </param>
/// <param name="Align">Blocks begin and end at multiples of so many pixels, from 1 (the default) to 1024: the side of a patch, for
/// instance.</param>
/// <param name="DropOnly">Whether destroyed pixels alone count in the rebuilding; true by default.</param>
/// <param name="Width">Hidden width of the heads of turns and of the comparison, from 1 to 65536; 2048 by default.</param>
/// <param name="Outputs">Channels of an embedding, from 1 to 65536; 256 by default.</param>
/// <param name="Probe">Whether a linear classifier learns along on the features, without influence on them; true by default.</param>
[RecipeName("sit_v1b")]
public sealed record SitV1bOptions(
    [Range(0.001, 100)] double Temperature = 0.5,
    IReadOnlyList<BlockFilling>? Drop = null,
    [Range(0.01, 0.9)] double DropArea = 0.7,
    [Range(0, 0.9)] double ReplaceArea = 0.35,
    [Range(1, 1024)] int Align = 1,
    bool DropOnly = true,
    [Range(1, 65536)] int Width = 2048,
    [Range(1, 65536)] int Outputs = 256,
    bool Probe = true
) : SelfSupervisedOptions
{
    /// <summary>Fillings of destroyed blocks.</summary>
    public IReadOnlyList<BlockFilling> Drop { get; init; } = Drop ?? [BlockFilling.Noise];

    /// <inheritdoc/>
    public override Objective Create(ObjectiveContext context) => new SitV1b(this, context);
}
