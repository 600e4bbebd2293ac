namespace Tessera.Models;

/// <summary>
/// A vector of length 1 for an image, by which it is found among others: similar images have a large inner product (El-Nouby et al.,
/// "Training Vision Transformers for Image Retrieval", 2021, arXiv:2102.05644, section 3.1).
/// </summary>
/// <param name="Pooling">How it comes out of the backbone's tokens.</param>
/// <param name="GemPower">Power of the generalised mean, above 0 (Radenovic et al., 2019, arXiv:1711.02512, equation 3).</param>
public sealed record Descriptor(DescriptorPooling Pooling = DescriptorPooling.Auto, double GemPower = 3)
{
    /// <summary>Power of the generalised mean: 1 gives the mean, and the larger it is the nearer the largest value.</summary>
    public double GemPower { get; init; } =
        GemPower > 0 && double.IsFinite(GemPower)
            ? GemPower
            : throw new ArgumentOutOfRangeException(nameof(GemPower), GemPower, "the power of the generalised mean must be above 0");

    /// <summary>Values below it are raised to it before the power, above 0.</summary>
    public double GemFloor { get; init; } = 1e-6;

    /// <summary>The descriptors of images.</summary>
    /// <param name="backbone">Any backbone of images.</param>
    /// <param name="images">Prepared images [B, C, H, W].</param>
    /// <returns>
    /// [B, D] of length 1 each, of which D is the width of the tokens, or of the pooled features that the classifier sees; float32 where
    /// the backbone computes in 16 bits.
    /// </returns>
    /// <exception cref="ArgumentException">
    /// The backbone is for texts, or the class token is wanted of a backbone that has none.
    /// </exception>
    /// <exception cref="ShapeException">The backbone cannot take the images.</exception>
    public Tensor Of(Backbone backbone, Tensor images) =>
        Torch.Scope(() =>
        {
            if (!backbone.TakesImages)
                throw new ArgumentException($"descriptors are for models of images, and {backbone.GetType().Name} takes texts");
            var pooled = Pooled(backbone, images);
            // Lengths in full precision, whatever the backbone computes in.
            using var exact = Torch.Autocast(device: pooled.Device.Type, enabled: false);
            var wide = pooled.DType is DType.BFloat16 or DType.Float16 ? pooled.To(DType.Float32) : pooled;
            return wide / wide.LinalgVectorNorm(2, [1], true).ClampMin(1e-12);
        });

    private Tensor Pooled(Backbone backbone, Tensor images)
    {
        if (Pooling == DescriptorPooling.Auto && !backbone.HasClassToken)
            return backbone.ForwardEmbedding(images);
        if (Pooling == DescriptorPooling.Cls && !backbone.HasClassToken)
            throw new ArgumentException(
                $"pooling: cls needs a class token that stands for the whole image, and {backbone.GetType().Name} has none; there are avg, "
                    + "max and gem"
            );
        var features = backbone.ForwardFeatures(images);
        if (Pooling is DescriptorPooling.Auto or DescriptorPooling.Cls)
            return features.Select(1, 0);
        // [B, D, N]
        var patches = features.Dim == 4 ? features.Flatten(2) : features.Slice(1, backbone.NumPrefixTokens).Transpose(1, 2);
        return Pooling switch
        {
            DescriptorPooling.Avg => patches.Mean([2]),
            DescriptorPooling.Max => patches.Amax([2]),
            _ => GeneralisedMean(patches),
        };
    }

    // In units of the largest value of a channel, which has no gradient because it cancels: no power of small values comes to zero then.
    private Tensor GeneralisedMean(Tensor patches)
    {
        using var exact = Torch.Autocast(device: patches.Device.Type, enabled: false);
        var values = (patches.DType is DType.BFloat16 or DType.Float16 ? patches.To(DType.Float32) : patches).ClampMin(GemFloor);
        var largest = values.Detach().Amax([2], true);
        return (values / largest).Pow(GemPower).Mean([2]).Pow(1 / GemPower) * largest.Squeeze(2);
    }
}
