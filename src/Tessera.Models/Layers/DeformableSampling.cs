namespace Tessera.Models.Layers;

/// <summary>
/// The core of the deformable convolution of version 3: every output pixel and group of channels sums P bilinear samples,
/// each times a modulation (Wang et al., 2022, arXiv:2211.05778, equation 2).
/// </summary>
/// <remarks>
/// Points are counted column by column (x outside, y inside), offsets are pairs (x, y) in pixels, and the scale spreads the
/// regular grid as well as the offsets. Samples outside of the image are zero. There are no weights of the kernel's points
/// other than the modulation: channels are mixed by the linear maps before and after.
/// </remarks>
/// <param name="Groups">Groups of channels with offsets of their own.</param>
/// <param name="Kernel">Height and width of the kernel.</param>
/// <param name="Stride">Down and across.</param>
/// <param name="Padding">Above and below, left and right.</param>
/// <param name="Dilation">Distance of the kernel's points, down and across.</param>
/// <param name="OffsetScale">Factor of grid and offsets.</param>
/// <param name="RemoveCenter">Leaves the middle point of a square kernel of odd size out.</param>
public readonly record struct DeformableSampling(
    int Groups,
    (int Height, int Width) Kernel,
    (int Height, int Width) Stride,
    (int Height, int Width) Padding,
    (int Height, int Width) Dilation,
    double OffsetScale = 1,
    bool RemoveCenter = false
)
{
    /// <summary>Number of points, P.</summary>
    public int Points => Kernel.Height * Kernel.Width - (RemoveCenter ? 1 : 0);

    /// <summary>Samples by the shim's fused kernel on the CPU, by <see cref="Plain"/> elsewhere.</summary>
    /// <param name="value">[B, H, W, C].</param>
    /// <param name="offset">[B, h, w, groups * P * 2].</param>
    /// <param name="mask">Modulation, [B, h, w, groups * P].</param>
    /// <returns>[B, h, w, C].</returns>
    /// <exception cref="ShapeException">Shapes do not fit each other.</exception>
    public Tensor Apply(Tensor value, Tensor offset, Tensor mask)
        // Under autocast the softmax of the modulation stays in float32.
        =>
        value.Device.Type == DeviceType.Cpu
            ? Torch.Dcnv3(
                value,
                offset.To(value.DType),
                mask.To(value.DType),
                Groups,
                Kernel,
                Stride,
                Padding,
                Dilation,
                OffsetScale,
                RemoveCenter
            )
            : Plain(value, offset, mask);

    /// <summary>
    /// The same from the engine's own operators, on every device and differentiable any number of times. It holds all P
    /// samples of every pixel at once. Where a sample falls on a pixel exactly, the gradient of its offset may be that of
    /// either side: the engine's sampler takes coordinates as shares of the image, which round.
    /// </summary>
    /// <inheritdoc cref="Apply"/>
    public Tensor Plain(Tensor value, Tensor offset, Tensor mask)
    {
        // Sixteen bits do not tell one pixel of a row from its neighbour, and not every engine samples by them.
        if (value.DType is DType.BFloat16 or DType.Float16)
        {
            var wide = this;
            return Torch.Scope(() => wide.Plain(value.To(DType.Float32), offset.To(DType.Float32), mask.To(DType.Float32)).To(value.DType));
        }
        (offset, mask) = (offset.To(value.DType), mask.To(value.DType));
        var (self, batch, height, width, channels) = (this, value.Size(0), value.Size(1), value.Size(2), value.Size(3));
        var (rows, columns) = (offset.Size(1), offset.Size(2));
        return Torch.Scope(() =>
        {
            var grid = self.Grid(rows, columns, value.DType).To(value.Device); // [h, w, 1, P, 2]
            var location = grid + offset.Reshape(batch, rows, columns, self.Groups, self.Points, 2) * self.OffsetScale;
            // Pixel coordinates to the sampler's: -1 and 1 are the outer edges of the first and the last pixel.
            var size = Tensor.From<double>([width, height]).To(value.DType).To(value.Device);
            var normalised = ((location * 2 + 1) / size - 1)
                .Permute(0, 3, 1, 2, 4, 5)
                .Reshape(batch * self.Groups, rows * columns, self.Points, 2);
            var maps = value
                .Reshape(batch, height, width, self.Groups, -1)
                .Permute(0, 3, 4, 1, 2)
                .Reshape(batch * self.Groups, -1, height, width);
            var samples = Torch.GridSampler2d(maps, normalised, 0, 0, false); // [B groups, D, h w, P]
            var modulation = mask.Reshape(batch, rows * columns, self.Groups, self.Points)
                .Transpose(1, 2)
                .Reshape(batch * self.Groups, 1, rows * columns, self.Points);
            return (samples * modulation).Sum(-1).Reshape(batch, channels, rows, columns).Permute(0, 2, 3, 1);
        });
    }

    /// <summary>Where the points sample without offsets, in pixels: [rows, columns, 1, P, 2] of (x, y).</summary>
    public Tensor Grid(long rows, long columns, DType type)
    {
        var points = new List<double>();
        var (halfWidth, halfHeight) = (Dilation.Width * (Kernel.Width - 1) / 2, Dilation.Height * (Kernel.Height - 1) / 2);
        for (var i = 0; i < Kernel.Width; i++)
        for (var j = 0; j < Kernel.Height; j++)
        {
            if (RemoveCenter && i == Kernel.Width / 2 && j == Kernel.Height / 2)
                continue;
            points.Add(halfWidth - Padding.Width + (i * Dilation.Width - halfWidth) * OffsetScale);
            points.Add(halfHeight - Padding.Height + (j * Dilation.Height - halfHeight) * OffsetScale);
        }
        var (pointCount, strideX, strideY) = (Points, Stride.Width, Stride.Height);
        return Torch.Scope(() =>
        {
            var x = (Torch.Arange(columns, dtype: DType.Float64) * strideX).Reshape(1, columns).Expand([rows, columns]);
            var y = (Torch.Arange(rows, dtype: DType.Float64) * strideY).Reshape(rows, 1).Expand([rows, columns]);
            return (
                Torch.Stack([x, y], -1).Reshape(rows, columns, 1, 1, 2) + Tensor.From(points.ToArray()).Reshape(1, 1, 1, pointCount, 2)
            ).To(type);
        });
    }
}
