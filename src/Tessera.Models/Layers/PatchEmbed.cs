using Tessera.Nn;

namespace Tessera.Models.Layers;

/// <summary>Cuts an image into patches that do not overlap and projects each linearly (Dosovitskiy et al., 2020, equation 1).</summary>
public sealed partial class PatchEmbed : Layer
{
    private readonly Conv2d proj;
    private readonly int patch;

    /// <summary>Patches of <paramref name="patch"/> x <paramref name="patch"/> pixels to vectors of <paramref name="dim"/>.</summary>
    public PatchEmbed(int channels, int dim, int patch, bool bias = true)
    {
        this.patch = patch;
        proj = new Conv2d(channels, dim, patch, patch, bias: bias);
    }

    /// <summary>Side of a patch in pixels.</summary>
    public int Patch => patch;

    /// <summary>The projection's weights, [D, C, P, P].</summary>
    public Parameter Weight => proj.Weight;

    /// <summary>The projection's bias, [D], or null.</summary>
    public Parameter? Bias => proj.Bias;

    /// <summary>Refuses a size that patches do not divide.</summary>
    /// <exception cref="ShapeException">They do not.</exception>
    internal static void CheckSize(long height, long width, int patch)
    {
        if (height % patch != 0 || width % patch != 0)
            throw new ShapeException($"an image of {height} x {width} does not divide into patches of {patch} x {patch}");
    }

    /// <inheritdoc/>
    protected override Tensor Forward(Tensor input) // [B, C, H, W] -> [B, N, D]
    {
        CheckSize(input.Size(2), input.Size(3), patch);
        return proj.Call(input).Flatten(2).Transpose(1, 2);
    }
}
