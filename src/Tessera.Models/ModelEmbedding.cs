namespace Tessera.Models;

/// <summary>One vector for each image.</summary>
public static class ModelEmbedding
{
    /// <summary>
    /// The pooled features that the classifier sees: images that look alike have vectors that point the same way. Where it sees several
    /// tokens of an image, as a distilled model does, it is their mean.
    /// </summary>
    /// <param name="model">The model, in evaluation mode.</param>
    /// <param name="input">Images [B, C, H, W], or word ids [B, S].</param>
    /// <returns>[B, D], of which D is <see cref="Backbone.NumFeatures"/>.</returns>
    /// <exception cref="ShapeException">The model cannot take it; see <see cref="Backbone.CheckInput"/>.</exception>
    public static Tensor Embed(this Backbone model, Tensor input) =>
        Torch.Scope(() =>
        {
            var pooled = model.ForwardHead(model.ForwardFeatures(input), preLogits: true);
            return pooled.Dim == 3 ? pooled.Mean([1]) : pooled;
        });
}
