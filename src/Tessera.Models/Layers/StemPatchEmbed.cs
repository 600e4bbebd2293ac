using Tessera.Nn;

namespace Tessera.Models.Layers;

/// <summary>
/// LV-ViT's patch embedding: three convolutions halve the image once and keep fine detail, a fourth cuts the patches
/// (Jiang et al., 2021, arXiv:2104.10858, section 3.3). Without filters it is the plain projection of patches.
/// </summary>
public sealed partial class StemPatchEmbed : Layer
{
    private readonly Conv2d? conv1;
    private readonly BatchNorm? bn1;
    private readonly Conv2d? conv2;
    private readonly BatchNorm? bn2;
    private readonly Conv2d? conv3;
    private readonly BatchNorm? bn3;
    private readonly Conv2d proj;
    private readonly int patch;

    /// <summary>Patches of <paramref name="patch"/> x <paramref name="patch"/> pixels to vectors of <paramref name="dim"/>.</summary>
    /// <param name="channels">Channels of the images.</param>
    /// <param name="dim">Width of the tokens.</param>
    /// <param name="patch">Side of a patch; even with filters.</param>
    /// <param name="filters">Channels of the three convolutions; 0 for none.</param>
    public StemPatchEmbed(int channels, int dim, int patch, int filters)
    {
        this.patch = patch;
        if (filters == 0)
        {
            proj = new Conv2d(channels, dim, patch, patch);
            return;
        }
        if (patch % 2 != 0)
            throw new ArgumentException($"a patch of {patch} pixels is not supported: it must be even", nameof(patch));
        conv1 = new Conv2d(channels, filters, 7, 2, 3, bias: false);
        bn1 = new BatchNorm(filters);
        conv2 = new Conv2d(filters, filters, 3, 1, 1, bias: false);
        bn2 = new BatchNorm(filters);
        conv3 = new Conv2d(filters, filters, 3, 1, 1, bias: false);
        bn3 = new BatchNorm(filters);
        proj = new Conv2d(filters, dim, patch / 2, patch / 2);
    }

    /// <inheritdoc/>
    protected override Tensor Forward(Tensor input) // [B, C, H, W] -> [B, D, H / P, W / P]
    {
        PatchEmbed.CheckSize(input.Size(2), input.Size(3), patch);
        var x = input;
        if (conv1 is not null && conv2 is not null && conv3 is not null)
        {
            x = bn1!.Call(conv1.Call(x)).Relu();
            x = bn2!.Call(conv2.Call(x)).Relu();
            x = bn3!.Call(conv3.Call(x)).Relu();
        }
        return proj.Call(x);
    }
}
