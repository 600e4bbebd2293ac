namespace Tessera.Models.Layers;

/// <summary>
/// A convolution with a given number of kernel positions, one per head of an attention (Zhang et al., 2022, arXiv:2112.03552,
/// section 3.2): the first ones, by rows, of the smallest square with an odd side that holds them.
/// </summary>
public static class GridConvolution
{
    /// <summary>Side of the square.</summary>
    /// <exception cref="ArgumentException">It is even, so that it has no centre.</exception>
    public static int Side(int positions)
    {
        var side = (int)Math.Ceiling(Math.Sqrt(positions));
        return side % 2 == 1
            ? side
            : throw new ArgumentException(
                $"{positions} heads make a kernel of {side} x {side}, which has no centre: an agent needs 1, 5 to 9 or 17 to 25 heads",
                nameof(positions)
            );
    }

    /// <summary>Zero outside of the map; sizes stay.</summary>
    /// <param name="input">[B, C, H, W].</param>
    /// <param name="weight">[D, C, h]: a matrix per position.</param>
    /// <param name="bias">[D].</param>
    public static Tensor Apply(Tensor input, Tensor weight, Tensor? bias) =>
        Torch.Scope(() =>
        {
            var (outputs, inputs, positions) = weight.Shape;
            var side = Side((int)positions);
            var kernel = weight.ConstantPadNd([0, side * side - positions]).Reshape(outputs, inputs, side, side);
            return Torch.Conv2d(input, kernel, bias, padding: side / 2);
        });

    /// <summary>
    /// The convolution that attention is when the weights of each head are a shift by one position: per head the product of its
    /// columns of the output map and its rows of the value map (equation 4). No bias of values takes part.
    /// </summary>
    /// <param name="qkv">[3 C, C].</param>
    /// <param name="output">[C, C].</param>
    /// <param name="heads">h.</param>
    /// <returns>[C, C, h].</returns>
    public static Tensor Kernel(Tensor qkv, Tensor output, int heads) =>
        Torch.Scope(() =>
        {
            var dim = output.Size(0);
            var values = qkv.Slice(0, 2 * dim).Reshape(heads, dim / heads, dim); // [h, d, C]
            var joined = output.Reshape(dim, heads, dim / heads).Transpose(0, 1); // [h, C, d]
            return joined.Matmul(values).Permute(1, 2, 0);
        });
}
