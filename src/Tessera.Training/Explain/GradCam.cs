using Tessera.Models;

namespace Tessera.Training.Explain;

/// <summary>
/// Which places speak for a class (Selvaraju et al., 2017, arXiv:1610.02391, section 3): the channels of a late block, weighted
/// by the mean gradient of the class's logit, summed, the negative part cut off.
/// </summary>
public static class GradCam
{
    // A class token takes from the patches in the block before the last; further back is less of the whole.
    private const int Candidates = 4;

    /// <summary>
    /// The map of the last block whose patches have influence: of models that read only a class token the outputs of the last
    /// block's patches have none, so it is the one before.
    /// </summary>
    /// <param name="model">In evaluation mode.</param>
    /// <param name="image">[1, C, H, W], normalised.</param>
    /// <param name="label">The class.</param>
    /// <returns>The map; null if the logit depends on the patches of none of the last blocks.</returns>
    public static HeatMap? Of(Backbone model, Tensor image, int label) => Of("Grad-CAM", model, image, leaf => model.Call(leaf)[0][label]);

    /// <summary>The same of any figure that a model comes to.</summary>
    /// <param name="name">What the map shows.</param>
    /// <param name="model">In evaluation mode.</param>
    /// <param name="image">[1, C, H, W], normalised.</param>
    /// <param name="score">Runs the model on the image and gives the figure, a scalar.</param>
    /// <returns>The map; null if the figure depends on the patches of none of the last blocks.</returns>
    internal static HeatMap? Of(string name, Backbone model, Tensor image, Func<Tensor, Tensor> score)
    {
        using var scope = new Scope();
        using var inside = Torch.EnableGrad();
        string[] paths = [.. model.BlockPaths.TakeLast(Candidates)];
        Tensor figure;
        (string Path, Tensor Output)[] blocks;
        using (var taps = new Taps(model, paths))
        {
            // Gradients flow from the image, so that frozen weights do not matter.
            var leaf = image.Detach().Clone();
            leaf.RequiresGrad = true;
            figure = score(leaf);
            blocks = [.. paths.Where(taps.Records.ContainsKey).Select(path => (path, taps[path]))];
        }
        var gradients = Autograd.Grad([figure], [.. blocks.Select(block => block.Output)], allowUnused: true);
        using var outside = Torch.NoGrad();
        foreach (var ((path, output), gradient) in blocks.Zip(gradients).Reverse())
            if (gradient is not null && Map(Channels(output, path), Channels(gradient, path)) is { } map)
                return map;
        return null;

        // [C, H, W], or [C, N] of tokens without those of the prefix
        Tensor Channels(Tensor block, string path)
        {
            var one = block.Detach()[0];
            if (block.Dim != 4)
                return one.Slice(0, model.NumPrefixTokensAt(path)).Transpose(0, 1);
            // Some models keep their maps as [H, W, C]: the two sides that are as the image's tell.
            return one.Size(1) * image.Size(3) == one.Size(2) * image.Size(2) ? one : one.Permute(2, 0, 1);
        }

        HeatMap? Map(Tensor values, Tensor gradient)
        {
            if (values.Size(1) == 0 || gradient.Abs().Max().ToDouble() == 0)
                return null;
            var grid = values.Dim == 3 ? ((int)values.Size(1), (int)values.Size(2)) : HeatMap.Grid(values.Size(1), image);
            if (grid is not var (height, width))
                return null;
            var places = values.To(DType.Float32).Reshape(values.Size(0), -1); // [C, N]
            var weights = gradient.To(DType.Float32).Reshape(values.Size(0), -1).Mean([1], true); // [C, 1]
            return HeatMap.Normalize(name, (weights * places).Sum([0]).Relu().ToArray<double>(), height, width);
        }
    }
}
