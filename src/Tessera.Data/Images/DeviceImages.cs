using Tessera.Data.Imaging;
using Tessera.Data.Transforms;

namespace Tessera.Data.Images;

/// <summary>
/// All images of a data set on a device, as bytes, and batches made of them there by few operations on whole batches: one gathers all
/// pixels, two normalise them, one erases, at most six mix.
/// </summary>
/// <remarks>
/// Around every image lies a row and a column per border that pixels may enter from, of its value: pixels that enter are gathered like all
/// others.
/// </remarks>
internal sealed class DeviceImages
{
    private const int ImagesAtATime = 1024;

    private readonly Device device;
    private readonly Tensor pixels; // [N, C, H + borders, W + borders], uint8
    private readonly Tensor channels; // [1, C, 1, 1], int64
    private readonly Tensor tables; // [1, C, 1, 1], int32: where the values of a channel begin in `values`
    private readonly Tensor values; // [C * 256], float32: the normalised value of every byte

    /// <summary>Brings a data set to a device.</summary>
    /// <param name="data">In memory, of one size.</param>
    /// <param name="pipeline">Transforms of its images.</param>
    /// <param name="device">The device.</param>
    internal DeviceImages(ImageDataset data, Pipeline pipeline, Device device)
    {
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        this.device = device;
        byte[] borders = [.. pipeline.Transforms.OfType<MovingTransform>().Select(transform => transform.Border).OfType<byte>()];
        pixels = Bring(data, borders, device).Keep();
        channels = Torch.Arange(data.Channels, dtype: DType.Int64, device: device).Reshape(1, -1, 1, 1).Keep();
        tables = Torch.Arange(0, 256 * data.Channels, 256, dtype: DType.Int32, device: device).Reshape(1, -1, 1, 1).Keep();
        values = On(Tensor.From((pipeline.Normalization ?? data.Normalization).Table(data.Channels))).Keep();
    }

    private static Tensor Bring(ImageDataset data, byte[] borders, Device device)
    {
        var (height, width) = (data.Height!.Value + borders.Length, data.Width!.Value + borders.Length);
        var result = Torch.Empty([data.Count, data.Channels, height, width], DType.UInt8, device: device);
        var image = new Raster();
        for (var start = 0; start < data.Count; start += ImagesAtATime)
        {
            using var scope = new Scope();
            var count = Math.Min(ImagesAtATime, data.Count - start);
            var bytes = new byte[count * data.Channels * height * width];
            for (var i = 0; i < count; i++)
            {
                data.Read(start + i, image);
                for (var c = 0; c < data.Channels; c++)
                    Frame(image, c, bytes.AsSpan((i * data.Channels + c) * height * width, height * width), width, borders);
            }
            result.Slice(0, start, start + count).Copy_(Tensor.Over(bytes, count, data.Channels, height, width));
        }
        return result;
    }

    private static void Frame(Raster image, int channel, Span<byte> target, int width, byte[] borders)
    {
        for (var y = 0; y < image.Height + borders.Length; y++)
        {
            var row = target.Slice(y * width, width);
            if (y < image.Height)
                image.Row(channel, y).CopyTo(row);
            else
                row.Fill(borders[y - image.Height]);
            // Where a row and a column of two borders meet, the one that entered later lies over the other.
            for (var border = Math.Max(0, y - image.Height); border < borders.Length; border++)
                row[image.Width + border] = borders[border];
        }
    }

    /// <summary>The images of a batch, [B, C, H, W], float32.</summary>
    internal Tensor Make(ImagePlan plan)
    {
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        var images = Normalize(Gather(plan));
        if (plan.Erased.Length > 0)
            images.View(-1).IndexCopy_(0, On(Tensor.From(plan.Erased)), On(Tensor.From(plan.ErasedValues)));
        return scope.Return(plan.Mixes is { } mixes ? Mixed(images, mixes) : images);
    }

    private Tensor Gather(ImagePlan plan)
    {
        var (count, height, width) = (plan.Count, plan.Height, plan.Width);
        var places = On(Tensor.From(plan.Places, count, 1 + height + width));
        var number = places.Slice(1, 0, 1).Reshape(count, 1, 1, 1);
        var row = places.Slice(1, 1, 1 + height).Reshape(count, 1, height, 1);
        var column = places.Slice(1, 1 + height, null).Reshape(count, 1, 1, width);
        return pixels.Index([number, channels, row, column]);
    }

    private Tensor Normalize(Tensor bytes) => values.IndexSelect(0, (bytes + tables).Reshape(-1)).View(bytes.Shape);

    // As Mixing.Apply: image i with image B-1-i, as both were before.
    private Tensor Mixed(Tensor images, Mix[] plan)
    {
        var (count, height, width) = (plan.Length, (int)images.Size(2), (int)images.Size(3));
        var shares = new float[2 * count];
        var inside = new bool[count * (height + width)];
        var (shared, boxed) = (false, false);
        for (var i = 0; i < count; i++)
        {
            // The odd one in the middle is its own partner.
            var mix = i == count - 1 - i ? Mix.None : plan[i];
            (shares[i], shares[count + i]) = mix.Box is null ? ((float)mix.Share, (float)(1 - mix.Share)) : (1, 0);
            shared |= mix.Box is null && mix != Mix.None;
            if (mix.Box is not { } box)
                continue;
            boxed = true;
            var ofImage = inside.AsSpan(i * (height + width), height + width);
            ofImage[box.Top..box.Bottom].Fill(true);
            ofImage[(height + box.Left)..(height + box.Right)].Fill(true);
        }
        if (!shared && !boxed)
            return images;
        var partners = images.Flip(0);
        var result = images;
        if (shared)
        {
            var share = On(Tensor.From(shares, 2, count, 1, 1, 1));
            result = images * share[0] + partners * share[1];
        }
        if (boxed)
        {
            var sides = On(Tensor.From(inside, count, height + width));
            var rows = sides.Slice(1, 0, height).Reshape(count, 1, height, 1);
            var columns = sides.Slice(1, height, null).Reshape(count, 1, 1, width);
            result = Torch.Where(rows.LogicalAnd(columns), partners, result);
        }
        return result;
    }

    // The engine copies from here in the order of its work; nothing has to wait.
    private Tensor On(Tensor tensor) => tensor.To(device: device, nonBlocking: true);
}
