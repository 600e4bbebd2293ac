using System.Globalization;

namespace Tessera.Models.Detection;

/// <summary>
/// What maps show in regions, each brought to the same size: the mean of bilinear samples in every bin of a grid over the region.
/// He et al., 2017, arXiv:1703.06870, section 3.
/// </summary>
/// <param name="Height">Bins down, at least 1.</param>
/// <param name="Width">Bins across, at least 1.</param>
/// <param name="Scale">Of the maps to the image that the regions are in: 1 / stride.</param>
/// <param name="SamplingRatio">
/// Samples of a bin down and across; 0 for as many as the bin has pixels of the map, rounded up, so that none is left out.
/// </param>
/// <param name="Aligned">
/// Whether a pixel of the map is centered on half a stride, as mmdetection's detectors have it. Without it, as in torchvision's, regions
/// lie half a pixel further to the right and below, and are at least one pixel of the map wide and high.
/// </param>
public sealed record RoiAlign(int Height, int Width, double Scale, int SamplingRatio = 0, bool Aligned = true)
{
    // As far as the kernel lets regions reach, in pixels of the map.
    private const double Farthest = 1e7;

    // Elements that Plain holds at once.
    private const long Most = 1 << 25;

    /// <summary>
    /// Samples by a kernel of the native library on the processor, by <see cref="Plain"/> elsewhere. The result and its gradient are the
    /// same whatever the number of threads. The gradient goes to the maps alone.
    /// </summary>
    /// <param name="maps">[B, C, H, W]; of bytes, such as bit masks, they give float32.</param>
    /// <param name="rois">
    /// [n, 5]: number of the image in the batch, left, top, right, bottom. One with a coordinate that is not finite gives values that
    /// are not numbers.
    /// </param>
    /// <returns>[n, C, Height, Width].</returns>
    /// <exception cref="ShapeException">Shapes do not fit each other.</exception>
    /// <exception cref="TorchIndexException">A region is of an image that the batch does not have.</exception>
    /// <exception cref="TorchValueException">A region reaches ten million pixels from its map.</exception>
    public Tensor Apply(Tensor maps, Tensor rois) =>
        maps.Device.Type == DeviceType.Cpu && maps.DType != DType.Float16
            ? Torch.Scope(() => Torch.RoiAlign(maps, rois.Detach().To(Device.Cpu), Height, Width, Scale, SamplingRatio, Aligned))
            : Plain(maps, rois);

    /// <summary>
    /// The same from the engine's own operators, on every device and differentiable any number of times: products of the maps with how
    /// much each bin takes of each row and each column. It holds the rows of some regions at once, over the whole width of the maps.
    /// </summary>
    /// <inheritdoc cref="Apply"/>
    public Tensor Plain(Tensor maps, Tensor rois)
    {
        if (maps.Dim != 4)
            throw new ShapeException($"the maps have to be [B, C, H, W], they are {maps.Shape}");
        if (rois.Dim != 2 || rois.Size(1) != 5)
            throw new ShapeException($"the regions have to be [n, 5] (image, x1, y1, x2, y2), they are {rois.Shape}");
        if (maps.Size(2) < 1 || maps.Size(3) < 1 || Height < 1 || Width < 1)
            throw new ShapeException($"maps of {maps.Shape} have no {Height} x {Width} bins to sample");
        // Sixteen bits do not tell one pixel of a row from its neighbor.
        if (maps.DType is DType.BFloat16 or DType.Float16 or DType.UInt8)
            return Torch.Scope(() =>
            {
                var wide = Plain(maps.To(DType.Float32), rois);
                return maps.DType == DType.UInt8 ? wide : wide.To(maps.DType);
            });
        using var whole = Torch.Autocast(device: maps.Device.Type, enabled: false);
        return Torch.Scope(() =>
        {
            var regions = rois.Detach().To(maps.Device).To(maps.DType);
            if (regions.Size(0) == 0)
                return maps.NewZeros([0, maps.Size(1), Height, Width]) + maps.Sum() * 0;
            var images = regions.Select(1, 0).ToArray<double>();
            for (var n = 0; n < images.Length; n++)
                if (!(images[n] >= 0 && images[n] < maps.Size(0) && images[n] == Math.Floor(images[n])))
                    throw new TorchIndexException(
                        string.Create(CultureInfo.InvariantCulture, $"region {n} is of image {images[n]}, there are {maps.Size(0)}")
                    );
            var corners = regions.Slice(1, 1) * Scale;
            if (corners.Abs().NanToNum(0, 0, 0).Max().ToDouble() >= Farthest)
                throw new TorchValueException("a region reaches ten million pixels from its map");
            var (down, rows) = Shares(corners.Select(1, 1), corners.Select(1, 3), Height, maps.Size(2)); // [n, Height, H], [n]
            var (across, columns) = Shares(corners.Select(1, 0), corners.Select(1, 2), Width, maps.Size(3)); // [n, Width, W], [n]
            var samples = Torch.Where(corners.Sum(1).Isfinite(), (rows * columns).ClampMin(1), double.NaN);

            // By image, some regions at a time; then back into their order.
            var order = Enumerable.Range(0, images.Length).OrderBy(n => images[n]).ToArray();
            var step = (int)Math.Clamp(Most / (Height * maps.Size(1) * maps.Size(3)), 1, int.MaxValue);
            var parts = order
                .GroupBy(n => (long)images[n])
                .SelectMany(image => image.Chunk(step).Select(chunk => (image.Key, Chosen: Numbers(chunk))))
                .Select(part => Sums(maps.Select(0, part.Key), down.IndexSelect(0, part.Chosen), across.IndexSelect(0, part.Chosen)));
            return Torch.Cat([.. parts]).IndexSelect(0, Numbers(order).Argsort()) / samples.Reshape(-1, 1, 1, 1);
        });

        Tensor Numbers(int[] numbers) => Tensor.From([.. numbers.Select(n => (long)n)]).To(maps.Device);
    }

    // [C, H, W] and the shares of k regions to [k, C, Height, Width].
    private static Tensor Sums(Tensor map, Tensor down, Tensor across) =>
        Torch.Scope(() =>
        {
            var (count, channels, width) = (down.Size(0), map.Size(0), map.Size(2));
            var lines = down.Reshape(count * down.Size(1), -1).Matmul(map.Transpose(0, 1).Reshape(map.Size(1), channels * width));
            return lines
                .Reshape(count, down.Size(1) * channels, width)
                .Matmul(across.Transpose(1, 2))
                .Reshape(count, down.Size(1), channels, across.Size(1))
                .Transpose(1, 2);
        });

    // How much each bin takes of each of an axis's pixels, [n, bins, size], and how many samples a bin has, [n].
    private (Tensor Shares, Tensor Samples) Shares(Tensor from, Tensor to, int bins, long size)
    {
        var (type, device) = (from.DType, from.Device);
        var begin = from - (Aligned ? 0.5 : 0);
        var extent = Aligned ? to - from : (to - from).ClampMin(1);
        var samples = SamplingRatio > 0 ? from.FullLike(SamplingRatio) : (extent / bins).Ceil();
        var most = SamplingRatio > 0 ? SamplingRatio : samples.NanToNum(0, 0, 0).Max().ToInt64();
        var shares = Torch.Zeros([from.Size(0), bins, size], type, device: device);
        var pixels = Torch.Arange(size, dtype: type, device: device);
        var bin = (extent / bins).Reshape(-1, 1, 1);
        var starts = begin.Reshape(-1, 1, 1) + Torch.Arange(bins, dtype: type, device: device).Reshape(1, -1, 1) * bin;
        var step = (int)Math.Clamp(Most / (from.Size(0) * bins * size), 1, int.MaxValue);
        for (long first = 0; first < most; first += step)
        {
            using var scope = new Scope();
            var number = first + Torch.Arange(Math.Min(step, most - first), dtype: type, device: device);
            var at = starts + (number + 0.5) * bin / samples.Reshape(-1, 1, 1); // [n, bins, step]
            var counts = (number < samples.Reshape(-1, 1, 1)).LogicalAnd(at.Ge(-1)).LogicalAnd(at.Le(size));
            var share = 1 - (at.Clamp(0, size - 1).Unsqueeze(-1) - pixels).Abs();
            shares.Add_(Torch.Where(counts.Unsqueeze(-1), share.ClampMin(0), 0).Sum(2));
        }
        return (shares, samples);
    }
}
