using System.Numerics;
using Tessera.Nn;

namespace Tessera.Models.Layers;

/// <summary>
/// Patches by overlapping convolutions: each stage halves the image with a 3x3 convolution and a batch norm, GELU in
/// between, and doubles the channels up to the width (Graham et al., 2021, arXiv:2104.01136; XCiT and DHVT use it).
/// </summary>
public static class ConvStem
{
    /// <summary>The stages, named 0, 2, 4, ... with 0 (convolution) and 1 (norm) inside.</summary>
    /// <param name="channels">Channels of the images.</param>
    /// <param name="dim">Width of the tokens.</param>
    /// <param name="patch">Pixels per token along a side: a power of two, at least 2.</param>
    /// <param name="eps">Of the batch norms.</param>
    /// <param name="activateLast">Whether GELU follows the last stage too.</param>
    /// <exception cref="ArgumentException">The patch is no power of two, or the width does not halve often enough.</exception>
    public static Sequential Make(int channels, int dim, int patch, double eps = 1e-5, bool activateLast = false)
    {
        if (patch < 2 || !BitOperations.IsPow2(patch))
            throw new ArgumentException($"a patch of {patch} pixels is not supported: it must be a power of 2, at least 2", nameof(patch));
        var stages = BitOperations.Log2((uint)patch);
        if (dim % (1 << (stages - 1)) != 0)
            throw new ArgumentException($"the width {dim} must be divisible by 2 a further {stages - 1} times", nameof(dim));
        var layers = new List<Layer>();
        for (var i = stages - 1; i >= 0; i--)
        {
            var width = dim >> i;
            layers.Add(new Sequential(new Conv2d(channels, width, 3, 2, 1, bias: false), new BatchNorm(width, eps)));
            if (i > 0 || activateLast)
                layers.Add(new Gelu());
            channels = width;
        }
        return new Sequential(layers);
    }

    /// <summary>Size of the map that the stages make of an image.</summary>
    public static (int Height, int Width) Grid((int Height, int Width) image, int patch) =>
        ((image.Height + patch - 1) / patch, (image.Width + patch - 1) / patch);
}
