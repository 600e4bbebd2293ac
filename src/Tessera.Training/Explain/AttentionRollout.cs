using Tessera.Models;

namespace Tessera.Training.Explain;

/// <summary>
/// Attention of all blocks together (Abnar and Zuidema, 2020, arXiv:2005.00928): the product over the blocks of half the
/// attention, mean over the heads, and half the identity, for the residual connection.
/// </summary>
public static class AttentionRollout
{
    /// <summary>
    /// The roll-out as the classifier reads it: the row of the class token, else the rows weighted by sequence pooling, else
    /// their mean. Of models whose blocks differ in tokens only the last blocks, up to the first that differs, are multiplied.
    /// </summary>
    /// <param name="model">In evaluation mode.</param>
    /// <param name="image">[1, C, H, W], normalised.</param>
    /// <returns>Null for models without attention among all tokens of the image.</returns>
    public static HeatMap? Of(Backbone model, Tensor image)
    {
        using var scope = new Scope();
        return Record(model, image)?.Rollout();
    }

    /// <summary>Runs the model and keeps its attention, owned by the current scope.</summary>
    internal static Attention? Record(Backbone model, Tensor image)
    {
        using var outside = Torch.NoGrad();
        Tensor[] weights;
        Tensor? pool;
        using (var taps = new Taps(model, "**.attention", "**.pool_weights"))
        {
            model.Call(image);
            weights = [.. taps.Records.Where(r => !r.Key.EndsWith("pool_weights", StringComparison.Ordinal)).Select(r => r.Value)];
            pool = taps.Records.FirstOrDefault(r => r.Key.EndsWith("pool_weights", StringComparison.Ordinal)).Value;
        }
        if (weights.Length == 0 || !IsAmongTokens(weights[^1]))
            return null;
        var tokens = weights[^1].Size(2);
        Tensor[] last = [.. weights.Reverse().TakeWhile(w => IsAmongTokens(w) && w.Size(2) == tokens).Reverse()];
        var prefix = model.NumPrefixTokens;
        var features = model.ForwardFeatures(image); // [1, N, D] or [1, C, H, W]
        if (tokens != (features.Dim == 3 ? features.Size(1) : features.Size(2) * features.Size(3) + prefix))
            return null;
        if (HeatMap.Grid(tokens - prefix, image) is not { } grid)
            return null;
        return new([.. last.Select(w => w.To(DType.Float32).Mean([1])[0])], Reader(last[0], tokens, prefix, pool), prefix, grid);
    }

    // Not within windows (which stand in the batch), not from a few queries.
    private static bool IsAmongTokens(Tensor weights) => weights.Dim == 4 && weights.Size(0) == 1 && weights.Size(2) == weights.Size(3);

    // What the classifier reads: the class token, the weights of sequence pooling, or all tokens alike.
    private static Tensor Reader(Tensor like, long tokens, int prefix, Tensor? pool)
    {
        if (prefix > 0)
            return Torch.Eye(tokens).Slice(0, 0, 1).To(like.Device);
        return pool is not null && pool.Elements == tokens
            ? pool.To(DType.Float32).Reshape(1, tokens)
            : Torch.Full([1, tokens], 1.0 / tokens).To(like.Device);
    }

    /// <summary>Attention of the blocks among the same tokens.</summary>
    /// <param name="Blocks">[N, N] each, mean over the heads, in the order of computation.</param>
    /// <param name="Reader">[1, N]: how much the classifier reads of each token.</param>
    /// <param name="Prefix">Tokens before those of patches.</param>
    /// <param name="Grid">Of the patches.</param>
    internal sealed record Attention(IReadOnlyList<Tensor> Blocks, Tensor Reader, int Prefix, (int Height, int Width) Grid)
    {
        internal HeatMap Rollout()
        {
            var identity = Torch.Eye(Blocks[0].Size(0)).To(Blocks[0].Device);
            return Draw("roll-out", Blocks.Aggregate(identity, (product, block) => ((block + identity) / 2).Matmul(product)));
        }

        internal HeatMap Block(int index) => Draw($"block {index + 1}", Blocks[index]);

        private HeatMap Draw(string name, Tensor attention) =>
            HeatMap.Normalize(name, Reader.Matmul(attention)[0].Slice(0, Prefix).ToArray<double>(), Grid.Height, Grid.Width);
    }
}
