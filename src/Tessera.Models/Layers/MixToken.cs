namespace Tessera.Models.Layers;

/// <summary>
/// CutMix on tokens: inside a box, every sample shows the tokens of its partner in the reversed batch (Jiang et al., 2021,
/// arXiv:2104.10858, section 3.2).
/// </summary>
public static class MixToken
{
    /// <summary>Draws a box: its share of the grid uniform in [0, 1) before clipping at the edges, its centre uniform.</summary>
    /// <param name="height">Rows of the grid.</param>
    /// <param name="width">Columns of the grid.</param>
    /// <param name="random">Where the draws come from; the default generator when left out.</param>
    public static TokenBox Draw(int height, int width, Generator? random = null)
    {
        using var scope = new Scope();
        var draws = (random is null ? Torch.Rand(3) : Torch.Rand(3, random)).ToArray<float>();
        // Beta(1, 1) is uniform; the box covers 1 - lambda.
        var cut = Math.Sqrt(draws[0]);
        var (top, bottom) = Side(height, cut, draws[1]);
        var (left, right) = Side(width, cut, draws[2]);
        return new(top, left, bottom, right);
    }

    private static (int From, int To) Side(int size, double cut, double draw)
    {
        var half = (int)(size * cut) / 2;
        var centre = Math.Min((int)(draw * size), size - 1);
        return (Math.Max(centre - half, 0), Math.Min(centre + half, size));
    }

    /// <summary>Share of the grid that a sample keeps of its own: 1 - area / N.</summary>
    public static double Kept(TokenBox box, int tokens) =>
        1 - Math.Max(0, box.Bottom - box.Top) * (double)Math.Max(0, box.Right - box.Left) / tokens;

    /// <summary>Exchanges the tokens inside the box with those of the reversed batch; twice gives back the original.</summary>
    /// <param name="tokens">[B, h w, D], row-major.</param>
    /// <param name="box">The region.</param>
    /// <param name="grid">h and w.</param>
    /// <exception cref="ShapeException">The box leaves the grid.</exception>
    public static Tensor Exchange(Tensor tokens, TokenBox box, (int Height, int Width) grid)
    {
        if (box.Top < 0 || box.Left < 0 || box.Bottom > grid.Height || box.Right > grid.Width)
            throw new ShapeException($"the box {box} must lie within the grid of {grid.Height} x {grid.Width} tokens");
        if (box.Bottom <= box.Top || box.Right <= box.Left)
            return tokens;
        return Torch.Scope(() =>
        {
            var inside = Torch.Zeros([grid.Height, grid.Width], DType.Bool, device: tokens.Device);
            inside.Slice(0, box.Top, box.Bottom).Slice(1, box.Left, box.Right).Fill_(1);
            return Torch.Where(inside.Reshape(1, -1, 1), tokens.Flip(0), tokens);
        });
    }
}
