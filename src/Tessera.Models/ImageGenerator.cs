namespace Tessera.Models;

/// <summary>
/// A model that makes images out of random vectors, against a <see cref="Discriminator"/>. Its images are not normalised: colours are from 0
/// to 1. Some values may lie outside, of most models in training alone: whoever shows or stores images cuts them off.
/// </summary>
public abstract class ImageGenerator : Model
{
    /// <summary>Width of a random vector; its values are drawn from the normal distribution.</summary>
    public abstract int LatentWidth { get; }

    /// <inheritdoc/>
    public sealed override IReadOnlyList<long> InputShape => [LatentWidth];

    private protected sealed override string Expected => $"random vectors [B, {LatentWidth}]";

    private protected sealed override bool TakesFractions => true;

    /// <summary>0: images of a generator have no class.</summary>
    public sealed override int Classes => 0;

    /// <inheritdoc/>
    public sealed override IReadOnlyList<string> ClassifierNames => [];

    /// <summary>A generator has no classifier to replace.</summary>
    /// <param name="classes">0.</param>
    /// <exception cref="ArgumentOutOfRangeException">It is not 0.</exception>
    public sealed override void ResetClassifier(int classes) => ArgumentOutOfRangeException.ThrowIfNotEqual(classes, 0);

    /// <summary>A generator is built for one size of images.</summary>
    /// <param name="height">Height of the images.</param>
    /// <param name="width">Width of the images.</param>
    /// <exception cref="ShapeException">It is another size.</exception>
    public sealed override void Resize(int height, int width)
    {
        if ((height, width) != ImageSize)
            throw new ShapeException(
                $"{GetType().Name} makes images of {ImageSize.Height}x{ImageSize.Width} and cannot be brought to {height}x{width}"
            );
    }

    /// <inheritdoc/>
    public override void SetGradientCheckpointing(bool enable = true)
    {
        if (enable)
            throw new NotSupportedException($"{GetType().Name} keeps what its blocks compute for the backward pass");
    }

    internal override IReadOnlyList<string> Fit(OrderedDictionary<string, Tensor> state) => [];

    /// <summary>Images of random vectors; the same ones for the same vectors, up to noise that the model adds to its layers.</summary>
    protected sealed override Tensor Forward(Tensor input) => Taking(input, () => Images(input));

    /// <inheritdoc/>
    protected sealed override Outputs ForwardOutputs(ModelInput input) => new(Images(input.Inputs));

    /// <summary>What its layers see of random vectors: the result of a mapping, where one stands before them.</summary>
    /// <param name="latents">Random vectors [B, <see cref="LatentWidth"/>].</param>
    /// <returns>Styles [B, S].</returns>
    public virtual Tensor Styles(Tensor latents) => latents;

    /// <summary>The images of styles.</summary>
    /// <param name="styles">As <see cref="Styles"/> gives them, or between such.</param>
    /// <returns>Images [B, C, H, W].</returns>
    public virtual Tensor ImagesOf(Tensor styles) => Call(styles);

    /// <summary>What <see cref="Module{TIn, TOut}.Call"/> gives.</summary>
    /// <param name="latents">Random vectors [B, <see cref="LatentWidth"/>].</param>
    /// <returns>Images [B, C, H, W].</returns>
    protected abstract Tensor Images(Tensor latents);
}
