using Tessera.Models;

namespace Tessera.Training;

/// <summary>Where a model looks, as maps over the image with values in [0, 1].</summary>
internal static class AttentionPictures
{
    /// <summary>A map over the grid of patches.</summary>
    /// <param name="Name">What it shows.</param>
    /// <param name="Values">[Height, Width], scaled to [0, 1].</param>
    /// <param name="Height">Rows of the grid.</param>
    /// <param name="Width">Columns of the grid.</param>
    internal sealed record Map(string Name, double[] Values, int Height, int Width);

    /// <summary>
    /// Attention of single blocks, mean over the heads, as the tokens that the classifier reads see it; and all blocks together
    /// by roll-out (Abnar and Zuidema, 2020, arXiv:2005.00928).
    /// </summary>
    /// <param name="model">In evaluation mode.</param>
    /// <param name="image">[1, C, H, W].</param>
    /// <param name="blocks">How many single blocks are shown, spread over the depth.</param>
    /// <returns>Empty for models without attention among all tokens.</returns>
    internal static IReadOnlyList<Map> Of(Backbone model, Tensor image, int blocks = 3)
    {
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        Tensor[] weights;
        Tensor? pool;
        using (var taps = new Taps(model, "**.attention", "**.pool_weights"))
        {
            model.Call(image);
            weights = [.. taps.Records.Where(r => r.Key.EndsWith("attention", StringComparison.Ordinal)).Select(r => r.Value)];
            pool = taps.Records.FirstOrDefault(r => r.Key.EndsWith("pool_weights", StringComparison.Ordinal)).Value;
        }
        if (weights.Length == 0 || weights.Any(w => w.Dim != 4 || w.Size(0) != 1 || w.Size(2) != w.Size(3) || w.Size(2) != weights[0].Size(2))) return [];
        var tokens = weights[0].Size(2);
        var prefix = model.PrefixTokens;
        if (Grid(tokens - prefix, image.Size(2) / (double)image.Size(3)) is not { } grid) return [];
        var reader = Reader(tokens, prefix, pool); // [1, N]
        Tensor[] means = [.. weights.Select(w => w.To(DType.Float32).Mean([1])[0])]; // [N, N] each
        var rolled = means.Aggregate(Torch.Eye(tokens), (sum, mean) => ((mean + Torch.Eye(tokens)) / 2).Matmul(sum));
        var shown = Enumerable.Range(0, Math.Min(blocks, means.Length)).Select(i => means.Length <= blocks ? i : (int)Math.Round(i * (means.Length - 1) / (double)(blocks - 1)));
        return [.. shown.Select(i => Draw($"block {i + 1}", means[i])), Draw("roll-out", rolled)];

        Map Draw(string name, Tensor attention)
        {
            var seen = reader.Matmul(attention)[0].Slice(0, prefix).ToArray<double>();
            var (low, high) = (seen.Min(), seen.Max());
            return new(name, [.. seen.Select(v => high > low ? (v - low) / (high - low) : 0)], grid.Height, grid.Width);
        }
    }

    // What the classifier reads: the class token, the weights of sequence pooling, or all tokens alike.
    private static Tensor Reader(long tokens, int prefix, Tensor? pool)
    {
        if (prefix > 0) return Torch.Eye(tokens).Slice(0, 0, 1);
        return pool is not null && pool.Elements == tokens ? pool.To(DType.Float32).Reshape(1, tokens) : Torch.Full([1, tokens], 1.0 / tokens);
    }

    private static (int Height, int Width)? Grid(long patches, double aspect)
    {
        var width = (int)Math.Round(Math.Sqrt(patches / aspect));
        return width > 0 && patches % width == 0 ? ((int)(patches / width), width) : null;
    }

    private static readonly (double R, double G, double B)[] heat =
        [(0, 0, 4), (40, 11, 84), (101, 21, 110), (159, 42, 99), (212, 72, 66), (245, 125, 21), (250, 193, 39), (252, 255, 164)];

    /// <summary>The map laid over the image, as the source of an img element.</summary>
    /// <param name="pixels">[H, W, C] of the image.</param>
    /// <param name="height">H.</param>
    /// <param name="width">W.</param>
    /// <param name="channels">C.</param>
    /// <param name="map">Null for the image alone.</param>
    internal static string Overlay(ReadOnlySpan<byte> pixels, int height, int width, int channels, Map? map)
    {
        var scale = Math.Max(1, 128 / Math.Max(height, width));
        var (h, w) = (height * scale, width * scale);
        var result = new byte[h * w * 3];
        for (var y = 0; y < h; y++)
            for (var x = 0; x < w; x++)
            {
                var at = (y / scale * width + x / scale) * channels;
                var (r, g, b) = channels == 1 ? (pixels[at], pixels[at], pixels[at]) : (pixels[at], pixels[at + 1], pixels[at + 2]);
                var target = result.AsSpan((y * w + x) * 3, 3);
                if (map is null) (target[0], target[1], target[2]) = (r, g, b);
                else Blend(target, (r + g + b) / 3.0, Sample(map, (y + 0.5) / h, (x + 0.5) / w));
            }
        return Png.DataUri(result, h, w, 3);
    }

    private static void Blend(Span<byte> target, double grey, double value)
    {
        var place = value * (heat.Length - 1);
        var (low, part) = (Math.Min((int)place, heat.Length - 2), place - Math.Min((int)place, heat.Length - 2));
        var (a, b) = (heat[low], heat[low + 1]);
        const double opacity = 0.68;
        target[0] = Mix(a.R, b.R);
        target[1] = Mix(a.G, b.G);
        target[2] = Mix(a.B, b.B);

        byte Mix(double from, double to) => (byte)Math.Clamp((1 - opacity) * grey + opacity * (from + (to - from) * part), 0, 255);
    }

    // Bilinear between the centres of the grid's cells.
    private static double Sample(Map map, double y, double x)
    {
        var (row, column) = (Math.Clamp(y * map.Height - 0.5, 0, map.Height - 1), Math.Clamp(x * map.Width - 0.5, 0, map.Width - 1));
        var (top, left) = ((int)row, (int)column);
        var (bottom, right) = (Math.Min(top + 1, map.Height - 1), Math.Min(left + 1, map.Width - 1));
        var (dy, dx) = (row - top, column - left);
        double At(int r, int c) => map.Values[r * map.Width + c];
        return (At(top, left) * (1 - dx) + At(top, right) * dx) * (1 - dy) + (At(bottom, left) * (1 - dx) + At(bottom, right) * dx) * dy;
    }
}
