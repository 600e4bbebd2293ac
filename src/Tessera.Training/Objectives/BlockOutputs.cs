using Tessera.Models;

namespace Tessera.Training.Objectives;

/// <summary>A pass through a model with the outputs of some of its blocks.</summary>
internal static class BlockOutputs
{
    /// <summary>All outputs, and those of the blocks of the given paths as they are computed.</summary>
    internal static (Outputs Outputs, IReadOnlyList<Tensor> Blocks) Run(Backbone model, ModelInput input, IReadOnlyList<string> paths)
    {
        using var taps = new Taps(model, [.. paths]);
        var outputs = model.Run(input);
        return (outputs, [.. paths.Select(path => taps[path])]);
    }

    /// <summary>The output of a block as a map [B, C, h, w]: tokens by rows, without class token and the like.</summary>
    /// <param name="model">The model with the block.</param>
    /// <param name="path">Path of the block, such as <c>blocks.3</c>.</param>
    /// <param name="output">Output of the block: [B, N, C], [B, C, h, w] or [B, h, w, C].</param>
    /// <param name="image">The model's input, [B, c, H, W].</param>
    /// <exception cref="ShapeException">The tokens are no grid of the image's proportions.</exception>
    internal static Tensor Map(Backbone model, string path, Tensor output, Tensor image) =>
        Torch.Scope(() =>
        {
            var (height, width) = (image.Size(2), image.Size(3));
            // Some models keep their maps as [H, W, C]: the two sides that are as the image's tell.
            if (output.Dim == 4)
                return output.Size(2) * width == output.Size(3) * height ? output : output.Permute(0, 3, 1, 2);
            var tokens = output.Slice(1, model.NumPrefixTokensAt(path));
            var rows = (long)Math.Round(Math.Sqrt(tokens.Size(1) * height / (double)width));
            if (rows == 0 || tokens.Size(1) % rows != 0)
                throw new ShapeException($"the {tokens.Size(1)} tokens of {path} are no grid of an image of {height} x {width}");
            var (batch, count, channels) = tokens.Shape;
            return tokens.Transpose(1, 2).Reshape(batch, channels, rows, count / rows);
        });

    /// <summary>Shapes of the maps of some blocks for one image of the model's size; neither statistics nor random draws change.</summary>
    internal static IReadOnlyList<Shape> Probe(Backbone model, IReadOnlyList<string> paths) => Quietly(model, image =>
        {
            var (_, blocks) = Run(model, new(image), paths);
            return blocks.Select((block, i) => Map(model, paths[i], block, image).Shape).ToArray();
        });

    /// <summary>Channels of the levels of a model's pyramid.</summary>
    internal static IReadOnlyList<long> ProbePyramid(Backbone model) =>
        Quietly(model, image => model.ForwardFeatureMaps(image).Select(level => level.Map.Size(1)).ToArray());

    private static T Quietly<T>(Backbone model, Func<Tensor, T> body)
    {
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        var training = model.Training;
        model.Eval();
        try
        {
            return body(Torch.Zeros([1, model.Channels, model.ImageSize.Height, model.ImageSize.Width], device: ModuleDevice.Of(model)));
        }
        finally
        {
            model.Train(training);
        }
    }

    /// <summary>Paths of blocks by index; negative ones count from the end.</summary>
    /// <exception cref="ArgumentException">There is no such block.</exception>
    internal static IReadOnlyList<string> Paths(Backbone model, IEnumerable<int> indices, string field) =>
        [
            .. indices.Select(i =>
            {
                var index = i < 0 ? i + model.BlockPaths.Count : i;
                return index >= 0 && index < model.BlockPaths.Count
                    ? model.BlockPaths[index]
                    : throw new ArgumentException(
                        $"{field}: there is no block {i} among the {model.BlockPaths.Count} of {model.GetType().Name} (they count from 0)"
                    );
            }),
        ];
}
