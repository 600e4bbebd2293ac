namespace Tessera.Models.Layers;

/// <summary>Coordinates of the points of a square grid from corner to corner, in [-1, 1].</summary>
internal static class CoordinateGrid
{
    /// <summary>[side * side, 2] by rows: column, then row.</summary>
    /// <param name="side">Points along a side.</param>
    /// <param name="precision">The type that they are computed in.</param>
    /// <param name="like">Their type and device are those of this tensor.</param>
    internal static Tensor Of(int side, DType precision, Tensor like) =>
        Torch.Scope(() =>
        {
            var line = Torch.Linspace(-1, 1, side, precision).To(like.Device, like.DType);
            return Torch.Stack([line.Repeat(side), line.RepeatInterleave(side)], 1);
        });
}
