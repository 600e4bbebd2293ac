using Tessera.Models;
using Tessera.Models.Layers;
using Tessera.Nn;

namespace Tessera.Training.Objectives;

/// <summary>Initial weights and fixed positions of the encoders of masked-image pre-training.</summary>
internal static class FixedPositions
{
    /// <summary>
    /// The student as a plain ViT with fixed sine positions, initialised as published unless it has been trained already.
    /// </summary>
    /// <exception cref="ArgumentException">It is another model, or has no class token or final norm.</exception>
    internal static Vit Prepare(Backbone student, bool pretrained, string method)
    {
        if (student is not Vit { Options: { Pool: "token", NoEmbedClass: false } options } vit || student is Deit)
            throw new ArgumentException(
                $"{method} needs a plain ViT with a class token (vit_*, tinymim_vit_*_pretrain), not {student.GetType().Name}"
            );
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        var grid = (options.ImageSize.Height / options.Patch, options.ImageSize.Width / options.Patch);
        vit.Positions.RequiresGrad = false;
        if (pretrained)
            return vit;
        vit.Positions.Copy_(PositionTable.GridSine(grid, options.Dim, vit.NumPrefixTokens));
        Initialize(vit);
        return vit;
    }

    /// <summary>Linear maps Xavier-uniform with biases of 0, patches likewise as one matrix, tokens normal 0.02.</summary>
    /// <param name="module">The module that gets new weights.</param>
    /// <param name="leftAlone">Names of modules and parameters inside of it that keep their values; null for none.</param>
    internal static void Initialize(Module module, Func<string, bool>? leftAlone = null)
    {
        foreach (var (name, found) in module.NamedModules())
        {
            if (leftAlone?.Invoke(name) == true)
                continue;
            if (found is Linear linear)
            {
                Init.XavierUniform(linear.Weight);
                if (linear.Bias is { } bias)
                    Init.Zeros(bias);
            }
            else if (found is PatchEmbed patches)
            {
                var (rows, columns) = (patches.Weight.Size(0), patches.Weight.Elements / patches.Weight.Size(0));
                var bound = Math.Sqrt(6.0 / (rows + columns));
                Init.Uniform(patches.Weight, -bound, bound);
            }
        }
        foreach (var (name, parameter) in module.NamedParameters())
            if (
                leftAlone?.Invoke(name) != true
                && (name.EndsWith("cls_token", StringComparison.Ordinal) || name.EndsWith("mask_token", StringComparison.Ordinal))
            )
                Init.Normal(parameter, 0.02);
    }
}
