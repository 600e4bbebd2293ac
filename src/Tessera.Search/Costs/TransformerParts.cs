namespace Tessera.Search.Costs;

/// <summary>Parts of vision transformers, with the work that they do for an image.</summary>
public static class TransformerParts
{
    /// <summary>Self-attention and an MLP, each with its norm and its sum.</summary>
    /// <param name="tokens">Number of tokens, those before the patches included.</param>
    /// <param name="dim">Width of the tokens.</param>
    /// <param name="heads">Heads of the attention.</param>
    /// <param name="qkv">Width of queries, keys and values together.</param>
    /// <param name="mlp">Hidden width of the MLP.</param>
    public static BlockShape Block(int tokens, int dim, int heads, int qkv, int mlp)
    {
        double n = tokens,
            d = dim,
            values = qkv / 3.0;
        var weights = d * (qkv + values + 2.0 * mlp);
        return new(
            "block",
            new OrderedDictionary<string, double>
            {
                ["tokens"] = tokens,
                ["dim"] = dim,
                ["heads"] = heads,
                ["qkv"] = qkv,
                ["mlp"] = mlp,
            },
            new OrderedDictionary<string, double>
            {
                ["products"] = n * weights,
                ["attention"] = 2 * n * n * values,
                ["scores"] = heads * n * n,
                ["elements"] = n * (6 * d + qkv + values + 2 * mlp),
                ["weights"] = weights,
            }
        );
    }

    /// <summary>Patches, class token, positions, the last norm and the classifier.</summary>
    /// <param name="tokens">Number of tokens, the class token included.</param>
    /// <param name="patch">Numbers of a patch: its pixels times the channels.</param>
    /// <param name="dim">Width of the tokens.</param>
    /// <param name="classes">Number of classes.</param>
    public static BlockShape Surroundings(int tokens, int patch, int dim, int classes) =>
        new(
            "surroundings",
            new OrderedDictionary<string, double>
            {
                ["tokens"] = tokens,
                ["patch"] = patch,
                ["dim"] = dim,
                ["classes"] = Math.Max(1, classes),
            },
            new OrderedDictionary<string, double>
            {
                ["products"] = (double)tokens * patch * dim + (double)dim * classes,
                ["elements"] = (double)tokens * (patch + 4 * dim),
                ["weights"] = (double)dim * (patch + classes),
            }
        )
        {
            Surrounds = true,
        };
}
