namespace Tessera.Data;

/// <summary>
/// What is seen of an original while an image is moved: in the image, and in its label map, which a step may have shifted further.
/// </summary>
/// <param name="View">Which part of the original the image shows.</param>
/// <param name="Visible">Which part of it is left.</param>
/// <param name="LabelVisible">Which part of the label map is left.</param>
/// <param name="Down">How much further down the label map is seen, in heights of the original.</param>
/// <param name="Right">How much further to the right, in widths of the original.</param>
internal readonly record struct Sight(ImageView View, ImageView Visible, ImageView LabelVisible, double Down, double Right)
{
    /// <summary>All of it.</summary>
    internal static Sight Full { get; } = new(ImageView.Full, ImageView.Full, ImageView.Full, 0, 0);

    // A shift in the original's own measure stays what it is while the image is cut, resized and mirrored.
    private ImageView LabelView => View with { Top = View.Top + Down, Left = View.Left + Right };

    /// <summary>Another part is shown.</summary>
    internal Sight Show(ImageView view)
    {
        var next = this with { View = view, Visible = Visible.Intersect(view) };
        return next with { LabelVisible = LabelVisible.Intersect(next.LabelView) };
    }

    /// <summary>The label map is shifted further than the image, in heights and widths of what is shown.</summary>
    internal Sight ShiftLabels(double down, double right)
    {
        var next = this with { Down = Down + down * View.Height, Right = Right + right * View.Width };
        return next with { LabelVisible = LabelVisible.Intersect(next.LabelView) };
    }

    /// <summary>Where the targets of the image come from.</summary>
    internal PreparedImage Targets(ImageSize original) => new(LabelView, LabelVisible, original);
}
