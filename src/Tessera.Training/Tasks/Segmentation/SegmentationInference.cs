using Tessera.Models;
using Tessera.Models.Layers;

namespace Tessera.Training.Tasks.Segmentation;

/// <summary>How large images are segmented.</summary>
public enum InferenceMode
{
    /// <summary>Whole where the model takes images of the size, otherwise in windows of the model's own size.</summary>
    Auto,

    /// <summary>Each image at once.</summary>
    Whole,

    /// <summary>In windows that overlap.</summary>
    Slide,
}

/// <summary>Segments images of any size with a model.</summary>
/// <param name="task">Whole or in windows, scales and flips.</param>
/// <param name="model">The model, in evaluation mode.</param>
/// <param name="predict">Gives the scores of inputs instead of the model: the same, compiled. Null for the model.</param>
public sealed class SegmentationInference(SegmentationTask task, Segmenter model, Func<Tensor, Tensor>? predict = null)
{
    private readonly Func<Tensor, Tensor> scores = predict ?? model.Call;

    /// <summary>Scores of the classes in bands of whole rows from top to bottom: their softmax over the classes are probabilities.</summary>
    /// <param name="image">[1, C, H, W].</param>
    /// <param name="band">Takes the first row and the scores [1, classes, rows, W] of a band, which are freed afterwards.</param>
    public void Run(Tensor image, Action<int, Tensor> band) => Run(image, (image.Size(2), image.Size(3)), band);

    /// <summary>The same at another size than the image's, as label maps of another scale have it.</summary>
    /// <param name="image">[1, C, H, W].</param>
    /// <param name="size">Height and width of the scores; another than the image's needs the image at once.</param>
    /// <param name="band">Takes the first row and the scores [1, classes, rows, width] of a band, which are freed afterwards.</param>
    /// <exception cref="RunException">The image is segmented in windows, and the scores shall have another size.</exception>
    internal void Run(Tensor image, (long Height, long Width) size, Action<int, Tensor> band)
    {
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        var (height, width) = ((int)image.Size(2), (int)image.Size(3));
        var window = Window(height, width);
        if (task.Scales is { Count: > 0 } || task.Flip)
        {
            var views = new MultiScale(task.Scales is { Count: > 0 } given ? given : [1], task.Flip);
            Give(views.Probabilities(image, view => Scores(view)).ResizeTo(size.Height, size.Width).Log(), band);
        }
        else if (window is not null && size != (height, width))
            throw new RunException(
                $"label maps of {size.Height}x{size.Width} cannot be measured with images of {height}x{width} in windows: leave label_scale "
                    + "out of evaluation.transforms, or set task.inference to whole"
            );
        else if (window is not null)
            window.Run(height, width, part => scores(image.Slice(2, part.Top, part.Bottom).Slice(3, part.Left, part.Right)), band);
        else
            Give(scores(image).ResizeTo(size.Height, size.Width), band);
    }

    /// <summary>The class of each pixel.</summary>
    /// <param name="image">[1, C, H, W].</param>
    /// <returns>uint8 for up to 256 classes, int64 for more: [H, W], on the CPU.</returns>
    public Tensor Classes(Tensor image)
    {
        using var scope = new Scope();
        var all = Torch.Empty([image.Size(2), image.Size(3)], model.Classes <= 256 ? DType.UInt8 : DType.Int64);
        Run(image, (row, band) => all.Slice(0, row, row + band.Size(2)).Copy_(band.Argmax(1).Squeeze(0)));
        return scope.Return(all);
    }

    private Tensor Scores(Tensor view) =>
        Window((int)view.Size(2), (int)view.Size(3)) is { } window ? window.Scores(view, scores) : scores(view);

    // Null for an image at once.
    private SlidingWindow? Window(int height, int width)
    {
        if (task.Inference == InferenceMode.Whole || (task.Inference == InferenceMode.Auto && model.Takes(height, width)))
            return null;
        var crop = task.Crop is { Count: > 0 } given ? (given[0], given[^1]) : model.ImageSize;
        // Two thirds, as in published recipes.
        var stride = task.Stride is { Count: > 0 } steps ? (steps[0], steps[^1]) : (Step(crop.Item1), Step(crop.Item2));
        return new(crop, stride);

        static int Step(int side) => Math.Max(1, side * 2 / 3);
    }

    private static void Give(Tensor all, Action<int, Tensor> band)
    {
        const int rows = 64;
        for (long row = 0; row < all.Size(2); row += rows)
        {
            using var scope = new Scope();
            band((int)row, all.Slice(2, row, Math.Min(row + rows, all.Size(2))));
        }
    }
}
