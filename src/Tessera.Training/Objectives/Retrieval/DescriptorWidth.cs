using Tessera.Models;

namespace Tessera.Training.Objectives.Retrieval;

/// <summary>How many values a descriptor has, which depends on the tokens that it comes from.</summary>
internal static class DescriptorWidth
{
    /// <summary>The width of a descriptor, found by a blank image.</summary>
    /// <param name="backbone">The model, whose mode is restored.</param>
    /// <param name="descriptor">Descriptors [B, D] of images.</param>
    /// <exception cref="ArgumentException">The backbone has no such descriptor.</exception>
    internal static int Of(Backbone backbone, Func<Backbone, Tensor, Tensor> descriptor)
    {
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        var mode = backbone.Training;
        backbone.Eval();
        try
        {
            var like = backbone.Parameters().First();
            var (height, width) = backbone.ImageSize;
            var blank = Torch.Zeros([1, backbone.Channels, height, width], like.DType, device: like.Device);
            return (int)descriptor(backbone, blank).Size(1);
        }
        finally
        {
            backbone.Train(mode);
        }
    }
}
