using Tessera.Data.Imaging;

namespace Tessera.Data.Images;

/// <summary>Images of which some are only a part of their file.</summary>
internal sealed class CroppedImages : ImageDataset
{
    private readonly ImageDataset whole;
    private readonly IReadOnlyList<PixelBox?> boxes;

    /// <summary>The images of a data set, cut out.</summary>
    /// <param name="whole">The images before.</param>
    /// <param name="boxes">Per image the part that it is, which is cut at the edges of the file; null for all of it.</param>
    internal CroppedImages(ImageDataset whole, IReadOnlyList<PixelBox?> boxes)
        : base(whole.Name, whole.Split, whole.Annotations) => (this.whole, this.boxes) = (whole, boxes);

    public override int Channels => whole.Channels;

    public override int? Height => null;

    public override int? Width => null;

    public override Normalization Normalization => whole.Normalization;

    internal override bool FollowsOrientation => whole.FollowsOrientation;

    public override string SampleName(int index) => whole.SampleName(index);

    public override CroppedImages WithMaxPixels(long most) => new((ImageDataset)whole.WithMaxPixels(most), boxes) { Remarks = Remarks };

    // A part of a file is decoded by Read alone.
    public override ImageFile? Open(int index) => boxes[index] is null ? whole.Open(index) : null;

    public override void Read(int index, Raster target)
    {
        if (boxes[index] is not { } box)
        {
            whole.Read(index, target);
            return;
        }
        var all = new Raster();
        whole.Read(index, all);
        var (left, top) = (Math.Max(0, box.Left), Math.Max(0, box.Top));
        var (width, height) = (Math.Min(all.Width, box.Right) - left, Math.Min(all.Height, box.Bottom) - top);
        if (width < 1 || height < 1)
            throw new UnreadableImageException(
                SampleName(index),
                $"the box from {box.Left}, {box.Top} to {box.Right}, {box.Bottom} lies outside of its {all.Width}x{all.Height} pixels"
            );
        target.Resize(all.Channels, height, width);
        for (var channel = 0; channel < all.Channels; channel++)
        for (var y = 0; y < height; y++)
            all.Row(channel, top + y).Slice(left, width).CopyTo(target.Row(channel, y));
    }
}

/// <summary>A part of an image: from left and top, up to right and bottom, in pixels.</summary>
internal readonly record struct PixelBox(int Left, int Top, int Right, int Bottom);
