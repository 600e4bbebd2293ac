namespace Tessera.Models.Layers;

/// <summary>
/// Biases of attention by the offset of key and query in a window, kept as a table [(2 h - 1) (2 w - 1), heads] (Liu et al., 2021,
/// arXiv:2103.14030, section 3.2).
/// </summary>
public static class RelativePositions
{
    /// <summary>Rows of the table of a window.</summary>
    public static int Rows((int Height, int Width) window) => (2 * window.Height - 1) * (2 * window.Width - 1);

    /// <summary>
    /// The row of the table for every pair, int64 [h w, h w]: (r_q - r_k + h - 1) (2 w - 1) + (c_q - c_k + w - 1) for a query at (r_q, c_q)
    /// and a key at (r_k, c_k), positions by rows.
    /// </summary>
    public static Tensor Index((int Height, int Width) window)
    {
        var (height, width) = window;
        var positions = height * width;
        var index = new long[positions * positions];
        for (var query = 0; query < positions; query++)
        for (var key = 0; key < positions; key++)
        {
            var (down, right) = (query / width - key / width, query % width - key % width);
            index[query * positions + key] = (down + height - 1) * (2 * width - 1) + right + width - 1;
        }
        return Tensor.From(index, positions, positions);
    }

    /// <summary>The biases of all pairs, [heads, h w, h w].</summary>
    /// <param name="table">[rows, heads].</param>
    /// <param name="index">What <see cref="Index"/> gives, on the table's device.</param>
    public static Tensor Bias(Tensor table, Tensor index) =>
        Torch.Scope(() => table.IndexSelect(0, index.Flatten()).Reshape(index.Size(0), index.Size(1), -1).Permute(2, 0, 1));

    /// <summary>The table of another window: each head's offsets as an image, resampled bicubically without antialiasing.</summary>
    /// <exception cref="ShapeException">The table is not that of the window.</exception>
    public static Tensor Resize(Tensor table, (int Height, int Width) from, (int Height, int Width) to)
    {
        if (table.Dim != 2 || table.Size(0) != Rows(from))
            throw new ShapeException(
                $"a table of relative positions of shape {table.Shape} does not belong to a window of {from.Height} x {from.Width}"
            );
        if (from == to)
            return table;
        return Torch.Scope(() =>
            table
                .MT.Reshape(1, -1, 2 * from.Height - 1, 2 * from.Width - 1)
                .UpsampleBicubic2d((2 * to.Height - 1, 2 * to.Width - 1), false)
                .Reshape(-1, Rows(to))
                .MT.Contiguous()
        );
    }

    /// <summary>The side of the square window that a table of so many rows belongs to.</summary>
    /// <exception cref="ShapeException">It belongs to none.</exception>
    public static int SideOf(long rows)
    {
        var side = ((int)Math.Round(Math.Sqrt(rows)) + 1) / 2;
        return Rows((side, side)) == rows
            ? side
            : throw new ShapeException(
                $"a table of {rows} relative positions does not belong to a square window: its rows must be (2 s - 1)^2"
            );
    }
}
