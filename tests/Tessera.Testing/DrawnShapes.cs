namespace Tessera.Testing;

/// <summary>
/// Pictures of filled shapes in several colours on a noisy ground, with the boxes, classes and masks of the shapes: light rectangles,
/// light ellipses and dark ellipses. A detector that learns anything finds them.
/// </summary>
public static class DrawnShapes
{
    /// <summary>Number of classes.</summary>
    public const int Classes = 3;

    // Shapes that hide each other would have masks that nobody sees.
    private const int Attempts = 20;

    /// <summary>A picture.</summary>
    /// <param name="Pixels">[3, side, side], from 0 to 255.</param>
    /// <param name="Boxes">[n, 4] float32: left, top, right, bottom.</param>
    /// <param name="Kinds">[n] int64: classes.</param>
    /// <param name="Masks">[n, side, side] uint8.</param>
    public sealed record Picture(Tensor Pixels, Tensor Boxes, Tensor Kinds, Tensor Masks) : ITensorBag
    {
        /// <inheritdoc/>
        public IEnumerable<Tensor> Tensors => [Pixels, Boxes, Kinds, Masks];
    }

    /// <summary>Draws a picture of one to four shapes, of which none touches another.</summary>
    /// <param name="seed">The same seed gives the same picture.</param>
    /// <param name="side">Height and width in pixels.</param>
    public static Picture Draw(int seed, int side = 128)
    {
        var random = new Random(seed);
        var pixels = new byte[3 * side * side];
        for (var i = 0; i < pixels.Length; i++)
            pixels[i] = (byte)(112 + random.Next(32));
        var (boxes, kinds, masks) = (new List<int[]>(), new List<long>(), new List<byte[]>());
        var wanted = random.Next(1, 5);
        for (var attempt = 0; attempt < Attempts && boxes.Count < wanted; attempt++)
        {
            var (width, height) = (random.Next(side / 8, side / 2), random.Next(side / 8, side / 2));
            var (left, top) = (random.Next(side - width), random.Next(side - height));
            int[] box = [left, top, left + width, top + height];
            var kind = random.Next(Classes);
            int[] colour = [.. Enumerable.Range(0, 3).Select(_ => random.Next(64) + (kind == 2 ? 0 : 192))];
            if (boxes.Any(other => box[0] < other[2] && other[0] < box[2] && box[1] < other[3] && other[1] < box[3]))
                continue;
            var mask = new byte[side * side];
            for (var y = top; y < box[3]; y++)
            for (var x = left; x < box[2]; x++)
            {
                var (across, down) = ((x + 0.5 - left) / width * 2 - 1, (y + 0.5 - top) / height * 2 - 1);
                if (kind > 0 && across * across + down * down > 1)
                    continue;
                mask[y * side + x] = 1;
                for (var channel = 0; channel < 3; channel++)
                    pixels[channel * side * side + y * side + x] = (byte)colour[channel];
            }
            boxes.Add(box);
            kinds.Add(kind);
            masks.Add(mask);
        }
        return new(
            Tensor.From(pixels, 3, side, side),
            Tensor.From([.. boxes.SelectMany(box => box).Select(edge => (float)edge)], boxes.Count, 4),
            Tensor.From([.. kinds], kinds.Count),
            Tensor.From([.. masks.SelectMany(mask => mask)], masks.Count, side, side)
        );
    }
}
