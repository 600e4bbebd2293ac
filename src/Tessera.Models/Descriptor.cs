namespace Tessera.Models;

/// <summary>
/// A vector of length 1 for an image, by which it is found among others: similar images have a large inner product (El-Nouby et al.,
/// "Training Vision Transformers for Image Retrieval", 2021, arXiv:2102.05644, section 3.1).
/// </summary>
/// <param name="Pooling">How it comes out of the backbone's tokens.</param>
/// <param name="GemPower">Power of the generalised mean, above 0 (Radenovic et al., 2019, arXiv:1711.02512, equation 3).</param>
public sealed record Descriptor(DescriptorPooling Pooling = DescriptorPooling.Auto, double GemPower = 3)
{
    // Values below it are raised before the power.
    private const double GemFloor = 1e-6;

    /// <summary>The descriptors of images.</summary>
    /// <param name="backbone">Any backbone of images.</param>
    /// <param name="images">Prepared images [B, C, H, W].</param>
    /// <returns>[B, D] of length 1 each, of which D is <see cref="Backbone.NumFeatures"/>.</returns>
    /// <exception cref="ArgumentException">The class token is wanted of a backbone that has none.</exception>
    /// <exception cref="ShapeException">The backbone cannot take the images.</exception>
    public Tensor Of(Backbone backbone, Tensor images) =>
        Torch.Scope(() =>
        {
            var pooled = Pooled(backbone, images);
            return pooled / pooled.LinalgVectorNorm(2, [1], true).ClampMin(1e-12);
        });

    private Tensor Pooled(Backbone backbone, Tensor images)
    {
        if (Pooling == DescriptorPooling.Auto && backbone.NumPrefixTokens == 0)
            return backbone.ForwardEmbedding(images);
        var features = backbone.ForwardFeatures(images);
        if (Pooling is DescriptorPooling.Auto or DescriptorPooling.Cls)
            return backbone.NumPrefixTokens > 0 && features.Dim == 3
                ? features.Select(1, 0)
                : throw new ArgumentException(
                    $"pooling: cls needs a class token, and {backbone.GetType().Name} has none; there are avg, max and gem"
                );
        // [B, D, N]
        var patches =
            features.Dim == 4
                ? features.Flatten(2)
                : features.Narrow(1, backbone.NumPrefixTokens, features.Size(1) - backbone.NumPrefixTokens).Transpose(1, 2);
        return Pooling switch
        {
            DescriptorPooling.Avg => patches.Mean([2]),
            DescriptorPooling.Max => patches.Amax([2]),
            _ => patches.ClampMin(GemFloor).Pow(GemPower).Mean([2]).Pow(1 / GemPower),
        };
    }
}
