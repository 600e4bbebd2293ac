using Tessera.Data.Imaging;

namespace Tessera.Data.Transforms;

/// <summary>
/// A step that takes every pixel from somewhere else in the image, or from a border around it, and changes none: its draws say
/// all that happens, on the processor and on a device alike.
/// </summary>
public abstract record MovingTransform : ImageTransform
{
    /// <summary>Value of pixels that enter from outside of the image; null where none does because the image is mirrored there.</summary>
    internal abstract byte? Border { get; }

    /// <summary>Draws the move of an image of a size. The size of the result does not depend on the draws.</summary>
    internal abstract PixelMove Draw(int height, int width, ref SampleRandom random);

    /// <inheritdoc/>
    public sealed override void Apply(Canvas canvas, ref SampleRandom random) =>
        Draw(canvas.Image.Height, canvas.Image.Width, ref random).Apply(canvas, Border);
}

/// <summary>A window of an image, which may reach over the border, and then perhaps its mirror image.</summary>
/// <param name="Top">First row of the window.</param>
/// <param name="Left">First column.</param>
/// <param name="Height">Rows.</param>
/// <param name="Width">Columns.</param>
/// <param name="Overturned">Whether top and bottom are exchanged.</param>
/// <param name="Mirrored">Whether left and right are exchanged.</param>
/// <param name="LabelDown">How many pixels of the image further down label maps are seen.</param>
/// <param name="LabelRight">How many pixels of the image further to the right.</param>
internal readonly record struct PixelMove(
    int Top,
    int Left,
    int Height,
    int Width,
    bool Overturned = false,
    bool Mirrored = false,
    int LabelDown = 0,
    int LabelRight = 0
)
{
    /// <summary>Makes it the image.</summary>
    internal void Apply(Canvas canvas, byte? border)
    {
        Window.Cut(canvas, Top, Left, Height, Width, border);
        if (LabelDown != 0 || LabelRight != 0)
            canvas.ShiftLabels((double)LabelDown / Height, (double)LabelRight / Width);
        if (!Overturned && !Mirrored)
            return;
        canvas.Show(Turned(canvas.View));
        var image = canvas.Image;
        for (var c = 0; c < image.Channels; c++)
        {
            // Both ways at once; where only one is wanted, each row back.
            if (Overturned)
                image.Plane(c).Reverse();
            if (Overturned != Mirrored)
                for (var y = 0; y < image.Height; y++)
                    image.Row(c, y).Reverse();
        }
    }

    /// <summary>What is seen of the original in the result, of an image of a size that shows another part.</summary>
    internal Sight Apply(Sight sight, int height, int width)
    {
        var cut = sight.Show(sight.View.Cut(Top, Left, Height, Width, height, width));
        if (LabelDown != 0 || LabelRight != 0)
            cut = cut.ShiftLabels((double)LabelDown / Height, (double)LabelRight / Width);
        return cut.Show(Turned(cut.View));
    }

    private ImageView Turned(ImageView view)
    {
        if (Overturned)
            view = view.Overturned;
        return Mirrored ? view.Mirrored : view;
    }
}
