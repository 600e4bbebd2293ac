namespace Tessera.Models.Layers;

/// <summary>How a table of learned positions is resampled to another grid.</summary>
public enum PositionResampling
{
    /// <summary>Bicubic with antialiasing, coefficient -0.5, in float32: timm's.</summary>
    BicubicAntialiased,

    /// <summary>Bicubic without antialiasing, coefficient -0.75: DeiT's fine-tuning and older timm.</summary>
    Bicubic,

    /// <summary>Bilinear without antialiasing: the compact transformers.</summary>
    Bilinear,

    /// <summary>Bilinear with aligned corners: Google's JAX code.</summary>
    BilinearAlignedCorners,

    /// <summary>
    /// Bicubic without antialiasing, coefficient -0.75, by the factors (h + 0.1) / h0 and (w + 0.1) / w0, which and not the ratio of the
    /// sizes say where a row is sampled: SiT.
    /// </summary>
    BicubicByFactors,
}

/// <summary>Learned position embeddings: prefix tokens first, then a grid in row-major order.</summary>
public static class PositionTable
{
    /// <summary>Resamples the grid part and keeps the prefix. An equal grid is given back unchanged.</summary>
    /// <param name="table">[1, prefix + h w, D].</param>
    /// <param name="from">Grid of the table.</param>
    /// <param name="to">Grid that is wanted.</param>
    /// <param name="prefix">Rows in front that belong to no position of the grid.</param>
    /// <param name="mode">How.</param>
    /// <exception cref="ShapeException">The table does not hold such a grid.</exception>
    public static Tensor Resample(
        Tensor table,
        (int Height, int Width) from,
        (int Height, int Width) to,
        int prefix,
        PositionResampling mode
    )
    {
        if (table.Dim != 3 || table.Size(1) != prefix + from.Height * from.Width)
            throw new ShapeException(
                $"a position table of shape {table.Shape} does not hold {prefix} prefix tokens and a grid of {from.Height} x {from.Width}"
            );
        if (from == to)
            return table;
        return Torch.Scope(() =>
        {
            var grid = table.Slice(1, prefix).Reshape(1, from.Height, from.Width, -1).Permute(0, 3, 1, 2); // [1, D, h, w]
            IntList size = (to.Height, to.Width);
            var resampled = mode switch
            {
                PositionResampling.BicubicAntialiased => Aa(grid, size),
                PositionResampling.Bicubic => grid.UpsampleBicubic2d(size, false),
                PositionResampling.BicubicByFactors => grid.UpsampleBicubic2d(
                    size,
                    false,
                    Factor(to.Height, from.Height),
                    Factor(to.Width, from.Width)
                ),
                PositionResampling.Bilinear => grid.UpsampleBilinear2d(size, false),
                _ => grid.UpsampleBilinear2d(size, true),
            };
            var rows = resampled.Permute(0, 2, 3, 1).Reshape(1, to.Height * to.Width, -1);
            return prefix == 0 ? rows : Torch.Cat([table.Slice(1, 0, prefix), rows], 1);
        });
    }

    private static double Factor(int to, int from) => (to + 0.1) / from;

    /// <summary>A parameter of another grid in place of a table, outside of any graph.</summary>
    /// <inheritdoc cref="Resample"/>
    internal static Parameter ResampleParameter(
        Parameter table,
        (int Height, int Width) from,
        (int Height, int Width) to,
        int prefix,
        PositionResampling mode
    )
    {
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        return new Parameter(Resample(table, from, to, prefix, mode).Clone(), table.RequiresGrad);
    }

    /// <summary>Resamples a table of a checkpoint to a model's grid, where it has another one.</summary>
    /// <param name="state">The checkpoint.</param>
    /// <param name="name">Name of the table in it.</param>
    /// <param name="own">The model's table.</param>
    /// <param name="grid">The model's grid.</param>
    /// <param name="prefix">Rows in front that belong to no position of the grid.</param>
    /// <param name="mode">How.</param>
    /// <exception cref="ShapeException">The table is no grid.</exception>
    internal static void Fit(
        IDictionary<string, Tensor> state,
        string name,
        Tensor own,
        (int Height, int Width) grid,
        int prefix,
        PositionResampling mode
    )
    {
        if (!state.TryGetValue(name, out var table) || table.Dim != 3 || table.Size(1) == own.Size(1))
            return;
        state[name] = Resample(table, GridOf(table.Size(1) - prefix, grid), grid, prefix, mode);
    }

    private static Tensor Aa(Tensor grid, IntList size) => grid.To(DType.Float32).UpsampleBicubic2dAa(size, false).To(grid.DType);

    /// <summary>
    /// The fixed table of sines (even channels) and cosines (odd channels) of p / 10000^(2 (i / 2) / D) (Vaswani et al., 2017, section
    /// 3.5).
    /// </summary>
    /// <remarks>
    /// Angles are taken in double and rounded to float32 before sine and cosine, as the compact transformers' weights were made.
    /// </remarks>
    /// <param name="positions">Number of rows.</param>
    /// <param name="dim">Width.</param>
    /// <param name="roundAngles">False keeps the angles in double and rounds the values alone, as T2T-ViT's weights were made.</param>
    /// <returns>[1, positions, dim], float32.</returns>
    public static Tensor Sine(int positions, int dim, bool roundAngles = true)
    {
        var table = new float[positions * dim];
        for (var p = 0; p < positions; p++)
        for (var i = 0; i < dim; i++)
        {
            var angle = p / Math.Pow(10000, 2 * (i / 2) / (double)dim);
            table[p * dim + i] = (i % 2 == 0, roundAngles) switch
            {
                (true, true) => MathF.Sin((float)angle),
                (false, true) => MathF.Cos((float)angle),
                (true, false) => (float)Math.Sin(angle),
                (false, false) => (float)Math.Cos(angle),
            };
        }
        return Tensor.From(table, 1, positions, dim);
    }

    /// <summary>
    /// The fixed table of a grid (He et al., 2021, arXiv:2111.06377, appendix): the first half of the channels tells the column, the
    /// second the row, each as sines and then cosines of p / 10000^(k / n), n a quarter of the width.
    /// </summary>
    /// <param name="grid">Height and width.</param>
    /// <param name="dim">Width, a multiple of 4.</param>
    /// <param name="prefix">Rows of zeros in front.</param>
    /// <returns>[1, prefix + h w, dim], float64.</returns>
    public static Tensor GridSine((int Height, int Width) grid, int dim, int prefix)
    {
        if (dim % 4 != 0)
            throw new ArgumentException($"the positions of a grid need a multiple of 4 channels, not {dim}", nameof(dim));
        var table = new double[(prefix + grid.Height * grid.Width) * dim];
        for (var y = 0; y < grid.Height; y++)
        for (var x = 0; x < grid.Width; x++)
        for (var k = 0; k < dim / 4; k++)
        {
            var frequency = 1 / Math.Pow(10000, k / (dim / 4.0));
            var row = (prefix + y * grid.Width + x) * dim;
            (table[row + k], table[row + dim / 4 + k]) = (Math.Sin(x * frequency), Math.Cos(x * frequency));
            (table[row + dim / 2 + k], table[row + dim * 3 / 4 + k]) = (Math.Sin(y * frequency), Math.Cos(y * frequency));
        }
        return Tensor.From(table, 1, prefix + grid.Height * grid.Width, dim);
    }

    /// <summary>Finds the grid of a table whose image size is not known: square, or wide as the model's own.</summary>
    public static (int Height, int Width) GridOf(long rows, (int Height, int Width) own)
    {
        var side = (int)Math.Round(Math.Sqrt(rows));
        if (rows == own.Height * (long)own.Width)
            return own;
        return side * (long)side == rows
            ? (side, side)
            : throw new ShapeException($"a position table of {rows} rows does not belong to a square grid");
    }
}
