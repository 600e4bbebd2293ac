using Tessera.Models.Layers;

namespace Tessera.Models;

/// <summary>The pixels that reach one position of a feature map.</summary>
/// <param name="Stride">Pixels of the image per position.</param>
/// <param name="Pixels">Number of pixels with any influence.</param>
/// <param name="Height">Height of the box around them.</param>
/// <param name="Width">Width of the box around them.</param>
/// <param name="Share">Share of the image, in (0, 1].</param>
public sealed record ReceptiveField(int Stride, long Pixels, int Height, int Width, double Share)
{
    /// <summary>
    /// Measures a model: the gradient of the middle position of each map of its pyramid with respect to the image, counting
    /// what is not zero. Global gates and the statistics of global norms are held fixed, since through them every pixel
    /// reaches every position.
    /// </summary>
    /// <param name="model">It is switched to evaluation; its weights should be random, not zero.</param>
    /// <param name="height">Height of the image.</param>
    /// <param name="width">Width of the image.</param>
    public static IReadOnlyList<ReceptiveField> Measure(Backbone model, int height, int width)
    {
        // Holding its gates changes the model: two threads that measure it take turns.
        lock (model)
            return MeasureAlone(model, height, width);
    }

    private static ReceptiveField[] MeasureAlone(Backbone model, int height, int width)
    {
        using var scope = new Scope();
        model.Eval();
        IGlobalGate[] gates = [.. model.NamedModules().Select(m => m.Module).OfType<IGlobalGate>()];
        var like = model.Parameters().First();
        var image = (Torch.Arange(model.Channels * height * (long)width, dtype: DType.Float64) * 0.37)
            .Sin()
            .Reshape(1, model.Channels, height, width)
            .To(like.DType)
            .To(like.Device)
            .Detach();
        image.RequiresGrad = true;
        foreach (var gate in gates)
            gate.Held = true;
        try
        {
            return [.. model.ForwardFeatureMaps(image).Select(map => Of(map, image, height, width))];
        }
        finally
        {
            foreach (var gate in gates)
                gate.Held = false;
        }
    }

    private static ReceptiveField Of(FeatureMap map, Tensor image, int height, int width)
    {
        // Uneven weights of the channels: behind a norm their plain sum has no gradient.
        var weights = (Torch.Arange(map.Map.Size(1), dtype: DType.Float64) * 0.7).Cos().To(map.Map.DType).To(map.Map.Device);
        var middle = map.Map.Select(3, map.Map.Size(3) / 2).Select(2, map.Map.Size(2) / 2); // [1, C]
        var gradient = Autograd.Grad([(middle * weights).Sum()], [image], retainGraph: true, allowUnused: true)[0];
        if (gradient is null)
            return new(map.Stride, 0, 0, 0, 0);
        var reached = gradient.Abs().Sum([0, 1]).Ne(0); // [H, W]
        var pixels = reached.Sum().ToInt64();
        return new(map.Stride, pixels, Extent(reached.Any(1)), Extent(reached.Any(0)), pixels / (double)(height * width));
    }

    private static int Extent(Tensor line)
    {
        var hits = line.ToArray<bool>();
        var first = Array.IndexOf(hits, true);
        return first < 0 ? 0 : Array.LastIndexOf(hits, true) - first + 1;
    }
}
