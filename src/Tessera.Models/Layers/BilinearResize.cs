namespace Tessera.Models.Layers;

/// <summary>Maps at other sizes, bilinearly without aligned corners, as all segmentation networks resize theirs.</summary>
public static class BilinearResize
{
    /// <summary>[B, C, h, w] to [B, C, H, W]; a map of that size is given back as it is.</summary>
    /// <param name="map">[B, C, h, w].</param>
    /// <param name="height">H, at least 1.</param>
    /// <param name="width">W, at least 1.</param>
    public static Tensor ResizeTo(this Tensor map, long height, long width) =>
        map.Size(2) == height && map.Size(3) == width ? map : map.UpsampleBilinear2d((height, width), false);

    /// <summary>To the size of another map.</summary>
    /// <param name="map">[B, C, h, w].</param>
    /// <param name="like">[B, D, H, W].</param>
    public static Tensor ResizeTo(this Tensor map, Tensor like) => map.ResizeTo(like.Size(2), like.Size(3));
}
