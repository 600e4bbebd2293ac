using System.ComponentModel.DataAnnotations;
using Tessera.Models;
using Tessera.Nn;

namespace Tessera.Training.Tests.Generation;

/// <summary>Options of <see cref="Painter"/>, a generator of a program's own.</summary>
/// <param name="Width">Width of random vectors.</param>
/// <param name="Noise">Weight of the noise.</param>
[RecipeName("painter")]
public sealed record PainterOptions([Range(1, 1000)] int Width = 6, double Noise = 0.1) : GeneratorOptions
{
    public override ImageGenerator Create(ModelOptions images)
    {
        var (height, width) = images.ImageSize ?? (8, 8);
        return height == width
            ? new Painter(Width, images.Channels ?? 3, height, Noise)
            : throw new ArgumentException($"painter makes square images, not {height}x{width}");
    }
}

/// <summary>A linear map to pixels with noise, behind a mapping of random vectors to styles.</summary>
internal sealed partial class Painter : ImageGenerator
{
    private readonly Linear mapping;
    private readonly Linear pixels;
    private readonly (int Channels, int Side, double Noise) form;

    internal Painter(int width, int channels, int side, double noise) =>
        (mapping, pixels, form) = (new(width, 5), new(5, channels * side * side), (channels, side, noise));

    public override int LatentWidth => (int)mapping.Weight.Size(1);

    public override (int Height, int Width) ImageSize => (form.Side, form.Side);

    public override int Channels => form.Channels;

    public override Tensor Styles(Tensor latents) => mapping.Call(latents);

    public override Tensor ImagesOf(Tensor styles) => Torch.Scope(() => Painted(styles));

    protected override Tensor Images(Tensor latents) => Painted(mapping.Call(latents));

    private Tensor Painted(Tensor styles)
    {
        var flat = pixels.Call(styles.Tanh()).Sigmoid();
        return (flat + form.Noise * flat.RandnLike()).Reshape(-1, form.Channels, form.Side, form.Side);
    }
}

/// <summary>Brings mean and deviation of the images of a batch to those of the real ones.</summary>
[RecipeName("moments")]
public sealed record MomentsOptions : ObjectiveOptions
{
    public override Type? TargetsType => null;

    public override Objective Create(ObjectiveContext context) => new Moments((ImageGenerator)context.Model);
}

/// <summary>The method of <see cref="MomentsOptions"/>; random vectors come from the engine.</summary>
internal sealed class Moments(ImageGenerator generator) : Objective(generator)
{
    public override bool MeanOverSamples => false;

    protected override Loss ForwardLoss(Batch batch, Progress progress, Phase phase)
    {
        var made = ((ImageGenerator)Model).Call(Torch.Randn([batch.Count, ((ImageGenerator)Model).LatentWidth]));
        return new((made.Mean(0) - batch.Inputs.Mean(0)).Square().Mean() + (made.Std(0) - batch.Inputs.Std(0)).Square().Mean());
    }
}
