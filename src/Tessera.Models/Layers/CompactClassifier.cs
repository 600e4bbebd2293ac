using Tessera.Nn;

namespace Tessera.Models.Layers;

/// <summary>
/// The encoder that image and text models of the compact transformers share: positions, blocks, sequence pooling or a class
/// token (Hassani et al., 2021, arXiv:2104.05704, section 3).
/// </summary>
public sealed partial class CompactClassifier : Module
{
    /// <summary>Sizes and options.</summary>
    /// <param name="Dim">Width.</param>
    /// <param name="Depth">Number of blocks.</param>
    /// <param name="Heads">Heads of the attention.</param>
    /// <param name="MlpRatio">Hidden width of the MLP over the width.</param>
    /// <param name="Tokens">Number of tokens, without class token.</param>
    /// <param name="SequencePool">Sequence pooling; otherwise a class token.</param>
    /// <param name="Position">learnable, sine or none.</param>
    /// <param name="Classes">Number of classes; 0 for no classifier.</param>
    /// <param name="Dropout">Dropout of tokens and MLPs.</param>
    /// <param name="AttentionDropout">Dropout of the attention weights.</param>
    /// <param name="DropPath">Stochastic depth of the last block.</param>
    /// <param name="PaddingRow">Text: the table has a row 0 for padding, which is never added.</param>
    public sealed record Config(
        int Dim,
        int Depth,
        int Heads,
        double MlpRatio,
        int Tokens,
        bool SequencePool,
        string Position,
        int Classes,
        double Dropout,
        double AttentionDropout,
        double DropPath,
        bool PaddingRow = false
    );

    private readonly Parameter? classEmb; // [1, 1, D]
    private Parameter? positionalEmb; // [1, (padding row +) N (+ 1), D]
    private readonly Linear? attentionPool;
    private readonly ModuleList<Block> blocks;
    private readonly LayerNorm norm;
    private Linear? fc;
    private readonly Dropout drop;
    private readonly Config config;

    /// <summary>An encoder with the authors' initialisation.</summary>
    public CompactClassifier(Config config)
    {
        this.config = config;
        if (!config.SequencePool)
            classEmb = Init.Zeros(new Parameter([1, 1, config.Dim]));
        positionalEmb = config.Position switch
        {
            "learnable" => Init.TruncatedNormal(new Parameter([1, Rows(config.Tokens), config.Dim]), 0.2),
            "sine" => SineTable(config.Tokens),
            "none" => null,
            _ => throw new ArgumentException($"position '{config.Position}' must be learnable, sine or none", nameof(config)),
        };
        if (config.SequencePool)
            attentionPool = TransformerInit.Linears(new Linear(config.Dim, 1));
        var rates = Nn.DropPath.Rates(config.DropPath, config.Depth);
        blocks = new(Enumerable.Range(0, config.Depth).Select(i => new Block(config, rates[i])));
        norm = new LayerNorm(config.Dim);
        if (config.Classes > 0)
            fc = TransformerInit.Linears(new Linear(config.Dim, config.Classes));
        drop = new Dropout(config.Dropout);
    }

    /// <summary>The position table, or null.</summary>
    public Parameter? Positions => positionalEmb;

    private int Rows(int tokens) => tokens + (config.SequencePool ? 0 : 1) + (config.PaddingRow ? 1 : 0);

    private Parameter SineTable(int tokens) =>
        new(
            Torch.Scope(() => config.PaddingRow ? TextSine(Rows(tokens), config.Dim) : PositionTable.Sine(Rows(tokens), config.Dim)),
            requiresGrad: false
        );

    /// <summary>The sine table of text models: a row of zeros for padding, then positions from 0. [1, rows, D].</summary>
    public static Tensor TextSine(int rows, int dim) => Torch.Cat([Torch.Zeros([1, 1, dim]), PositionTable.Sine(rows - 1, dim)], 1);

    /// <summary>
    /// Tokens [B, N, D], and for text which of them are real [B, N], to encoded tokens after the final norm, the class token first.
    /// </summary>
    public Tensor Encode(Tensor tokens, Tensor? mask)
    {
        using var scope = new Scope();
        var x = tokens;
        if (classEmb is not null)
        {
            x = Torch.Cat([classEmb.Expand([x.Size(0), -1, -1]), x], 1);
            if (mask is not null)
                mask = Torch.Cat([mask.NewOnes([mask.Size(0), 1]), mask], 1);
        }
        if (positionalEmb is not null)
        {
            var table = config.PaddingRow ? positionalEmb.Slice(1, 1) : (Tensor)positionalEmb;
            if (table.Size(1) < x.Size(1) || (table.Size(1) != x.Size(1) && !config.PaddingRow))
                throw new ShapeException($"{x.Size(1)} tokens do not fit the position table of {table.Size(1)}: call Resize first");
            x = x + table.Slice(1, 0, x.Size(1));
        }
        x = drop.Call(x);
        // A pair attends when both are real.
        var pairs = mask is null ? null : mask.Unsqueeze(1).Unsqueeze(2).LogicalAnd(mask.Unsqueeze(1).Unsqueeze(3)); // [B, 1, N, N]
        foreach (var block in blocks)
            x = block.Call((x, pairs));
        return scope.Return(Record("encoded", norm.Call(x)));
    }

    /// <summary>Sequence pooling (section 3.2): a learned softmax over the tokens; or the class token. [B, N, D] to [B, D].</summary>
    public Tensor Pool(Tensor encoded)
    {
        if (attentionPool is null)
            return encoded.Select(1, 0);
        using var scope = new Scope();
        var weights = Record("pool_weights", attentionPool.Call(encoded).Softmax(1).Squeeze(-1)); // [B, N]
        return scope.Return(weights.Unsqueeze(1).Matmul(encoded).Squeeze(1));
    }

    /// <summary>[B, D] to [B, classes].</summary>
    public Tensor Classify(Tensor pooled) => fc is null ? pooled : fc.Call(pooled);

    /// <summary>A fresh classifier; none for 0 classes.</summary>
    public void ResetClassifier(int classes)
    {
        fc = classes > 0 ? TransformerInit.Linears(new Linear(config.Dim, classes)) : null;
        fc?.To(norm.Weight!.Device, norm.Weight.DType);
    }

    /// <summary>Another grid of tokens: the learned table is resampled bilinearly, the sine table made anew.</summary>
    public void Resize((int Height, int Width) from, (int Height, int Width) to)
    {
        if (positionalEmb is null || from == to)
            return;
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        positionalEmb =
            config.Position == "sine"
                ? SineTable(to.Height * to.Width)
                : new Parameter(
                    PositionTable.Resample(positionalEmb, from, to, config.SequencePool ? 0 : 1, PositionResampling.Bilinear).Clone()
                );
    }

    /// <summary>The encoder block: unlike ViT's, the second residual starts from the normalised sum.</summary>
    private sealed partial class Block : Module<(Tensor X, Tensor? Mask), Tensor>
    {
        private readonly LayerNorm preNorm;
        private readonly SelfAttention selfAttn;
        private readonly Linear linear1;
        private readonly LayerNorm norm1;
        private readonly Linear linear2;
        private readonly Dropout drop;
        private readonly DropPath dropPath;

        public Block(Config config, double dropPath)
        {
            var hidden = (int)(config.Dim * config.MlpRatio);
            preNorm = new LayerNorm(config.Dim);
            selfAttn = new SelfAttention(config.Dim, config.Heads, qkvBias: false, config.AttentionDropout, config.Dropout);
            linear1 = TransformerInit.Linears(new Linear(config.Dim, hidden));
            norm1 = new LayerNorm(config.Dim);
            linear2 = TransformerInit.Linears(new Linear(hidden, config.Dim));
            drop = new Dropout(config.Dropout);
            this.dropPath = new DropPath(dropPath);
            TransformerInit.Linears(selfAttn);
        }

        protected override Tensor Forward((Tensor X, Tensor? Mask) input)
        {
            var s = norm1.Call(input.X + dropPath.Call(selfAttn.Call(preNorm.Call(input.X), input.Mask)));
            return s + dropPath.Call(drop.Call(linear2.Call(drop.Call(linear1.Call(s).Gelu()))));
        }
    }
}
