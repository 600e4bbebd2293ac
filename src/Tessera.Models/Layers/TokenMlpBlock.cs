namespace Tessera.Models.Layers;

/// <summary>A block whose weights are tied to the grid of tokens.</summary>
internal abstract class TokenMlpBlock : Layer
{
    /// <summary>Resamples the block's maps over tokens to another grid, approximately.</summary>
    public abstract void Resize((int Height, int Width) from, (int Height, int Width) to);

    /// <summary>How strongly a token takes from each token, [N], 0 or more.</summary>
    public abstract Tensor Mixing(int token);

    /// <summary>Names, below the block, of weights whose columns, and of weights and biases whose rows are tokens.</summary>
    public abstract (string[] Columns, string[] Rows) TokenWeights { get; }
}
