using Tessera.Data;
using Tessera.Data.Images;
using Tessera.Models;
using Tessera.Models.Layers;

namespace Tessera.Training.Tasks.Segmentation;

/// <summary>How large images are segmented.</summary>
public enum SegmentationMode
{
    /// <summary>
    /// Whole where the model takes images of the size, otherwise in windows of the model's own size. Images of more than 16 million pixels
    /// are segmented in windows in any case.
    /// </summary>
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

    // Pixels that networks of any size take at once when nobody asks for windows: more do not fit into the memory of most machines.
    private const long MostAtOnce = 1 << 24;

    // Side of the windows of larger images.
    private const int LargeWindow = 1024;

    /// <summary>Scores of the classes in bands of whole rows from top to bottom; their softmax over the classes is probabilities.</summary>
    /// <param name="image">[1, C, H, W].</param>
    /// <param name="band">Takes the first row and the scores [1, classes, rows, W] of a band, which are freed afterwards.</param>
    public void Run(Tensor image, Action<int, Tensor> band) => Run(SizeOf(image), Cutting(image), band);

    /// <summary>The same at the pixels of the original, whatever size transforms have brought the image to.</summary>
    /// <param name="image">[1, C, H, W].</param>
    /// <param name="origin">Which part of the original it shows.</param>
    /// <param name="band">
    /// Takes the first row and column in the original and the scores [1, classes, rows, columns] of a band, which are freed afterwards.
    /// Parts of the original that the image does not show are in no band.
    /// </param>
    public void Run(Tensor image, PreparedImage origin, Action<int, int, Tensor> band) => Run(SizeOf(image), Cutting(image), origin, band);

    /// <summary>The same of pixels that are normalized when their window comes.</summary>
    /// <param name="pixels">The image.</param>
    /// <param name="band">Takes the first row and column in the original and the scores of a band.</param>
    public void Run(ImagePixels pixels, Action<int, int, Tensor> band)
    {
        var device = ModuleDevice.Of(model);
        Run(pixels.Size, window => pixels.Window(window.Top, window.Left, window.Height, window.Width).To(device), pixels.Origin, band);
    }

    /// <summary>The same at another size than the image's, as label maps of another scale have it.</summary>
    /// <param name="image">[1, C, H, W].</param>
    /// <param name="size">Height and width of the scores; another than the image's needs the image at once.</param>
    /// <param name="band">Takes the first row and the scores [1, classes, rows, width] of a band, which are freed afterwards.</param>
    /// <exception cref="RunException">The image is segmented in windows, and the scores shall have another size.</exception>
    internal void Run(Tensor image, (long Height, long Width) size, Action<int, Tensor> band)
    {
        var (height, width) = ((int)image.Size(2), (int)image.Size(3));
        if (size != (height, width) && !IsAveraged && Window(height, width) is not null)
            throw new RunException(
                $"label maps of {size.Height}x{size.Width} cannot be measured with images of {height}x{width} in windows: leave "
                    + "label_scale out of evaluation.transforms, or set task.inference to whole"
            );
        Run(new ImageSize(height, width), Cutting(image), band, size);
    }

    private bool IsAveraged => task.Scales is { Count: > 0 } || task.Flip;

    private void Run(ImageSize size, Func<ImageWindow, Tensor> part, PreparedImage origin, Action<int, int, Tensor> band)
    {
        using var original = new OriginalScores(origin, size, band);
        Run(size, part, original.Add);
    }

    // Scores at the image's size, or resized from the model's to another.
    private void Run(ImageSize size, Func<ImageWindow, Tensor> part, Action<int, Tensor> band, (long Height, long Width)? other = null)
    {
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        var (height, width) = size;
        var (rows, columns) = other ?? (height, width);
        var whole = new ImageWindow(0, 0, height, width);
        if (IsAveraged)
        {
            var views = new MultiScale(task.Scales is { Count: > 0 } given ? given : [1], task.Flip);
            Give(views.Probabilities(part(whole), view => Scores(view)).ResizeTo(rows, columns).Log(), band);
        }
        else if (Window(height, width) is { } window)
            window.Run(height, width, place => scores(part(place)), band);
        else
            Give(scores(part(whole)).ResizeTo(rows, columns), band);
    }

    private static ImageSize SizeOf(Tensor image) => new((int)image.Size(2), (int)image.Size(3));

    private static Func<ImageWindow, Tensor> Cutting(Tensor image) =>
        part => image.Slice(2, part.Top, part.Bottom).Slice(3, part.Left, part.Right);

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

    /// <summary>The windows that an image is segmented in; null for an image at once.</summary>
    /// <param name="height">Height of the image.</param>
    /// <param name="width">Width of the image.</param>
    internal SlidingWindow? Window(int height, int width)
    {
        var own = model.ImageSize;
        if (task.Inference == SegmentationMode.Whole)
            return null;
        if (task.Inference == SegmentationMode.Auto)
        {
            // Whether a model takes a size is tried out: a large image would cost more than it is worth.
            var isLarge = (long)height * width > MostAtOnce;
            if (!isLarge && model.Takes(height, width))
                return null;
            var larger = (Height: Math.Max(own.Height, LargeWindow), Width: Math.Max(own.Width, LargeWindow));
            if (isLarge && model.Takes(larger.Height, larger.Width))
                own = larger;
        }
        var crop = task.Crop is { Count: > 0 } given ? (given[0], given[^1]) : own;
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
