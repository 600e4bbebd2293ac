using Tessera.Models.Layers;
using Tessera.Nn;

namespace Tessera.Models;

/// <summary>
/// The compact transformers for text: words as vectors, a convolution over the sequence (CCT), patches of words (CVT,
/// ViT-Lite) or the words themselves (Transformer-Lite). Hassani et al., 2021, arXiv:2104.05704, appendix on text.
/// </summary>
/// <remarks>
/// The input is word ids [B, S]; a mask [B, S] (true for real words) is part of <see cref="ModelInput"/>. In the authors'
/// code the text models run only without positions and without a mask; here both work: rows 1.. of a position table are
/// added (row 0 stands for padding), and the mask stays [B, N].
/// </remarks>
public sealed partial class TextCct : Backbone
{
    /// <summary>Sizes and options.</summary>
    /// <param name="Kind">cct, cvt, vit_lite or transformer.</param>
    /// <param name="Length">Words of a sequence.</param>
    /// <param name="Vocabulary">Number of words.</param>
    /// <param name="WordDim">Width of word vectors.</param>
    /// <param name="Dim">Width of tokens; for a transformer that of words.</param>
    /// <param name="Depth">Number of blocks.</param>
    /// <param name="Heads">Heads of the attention.</param>
    /// <param name="MlpRatio">Hidden width of the MLP over the width.</param>
    /// <param name="Kernel">Words that a convolution or a patch spans.</param>
    /// <param name="Classes">Number of classes; 0 for no classifier.</param>
    /// <param name="Position">learnable, sine or none.</param>
    /// <param name="PaddingIndex">The word that stands for padding; its vector gets no gradient.</param>
    /// <param name="Dropout">Dropout of tokens and MLPs.</param>
    /// <param name="AttentionDropout">Dropout of the attention weights.</param>
    /// <param name="DropPath">Stochastic depth of the last block.</param>
    /// <param name="Stride">Of the convolution; follows from the kernel when left out.</param>
    /// <param name="Padding">Of the convolution; follows from the kernel when left out.</param>
    /// <param name="PoolKernel">Window of the pooling.</param>
    /// <param name="PoolStride">Its stride.</param>
    /// <param name="PoolPadding">Its padding.</param>
    public sealed record Config(
        string Kind,
        int Length,
        int Vocabulary,
        int WordDim,
        int Dim,
        int Depth,
        int Heads,
        double MlpRatio,
        int Kernel,
        int Classes,
        string Position = "none",
        int PaddingIndex = 1,
        double Dropout = 0,
        double AttentionDropout = 0.1,
        double DropPath = 0.1,
        int? Stride = null,
        int? Padding = null,
        int PoolKernel = 2,
        int PoolStride = 2,
        int PoolPadding = 1
    );

    private readonly Embedder embedder;
    private readonly TextTokenizer? tokenizer;
    private readonly CompactClassifier classifier;
    private Config config;

    /// <summary>A model with the authors' initialisation.</summary>
    public TextCct(Config config)
    {
        if (config.Kind is not ("cct" or "cvt" or "vit_lite" or "transformer"))
            throw new ArgumentException($"kind '{config.Kind}' must be cct, cvt, vit_lite or transformer", nameof(config));
        if (config.Kind == "transformer" && config.Dim != config.WordDim)
            throw new ArgumentException("a transformer has no tokenizer: its width must be the width of the word vectors", nameof(config));
        this.config = config;
        embedder = new Embedder(config);
        if (config.Kind != "transformer")
            tokenizer = new TextTokenizer(config);
        classifier = new CompactClassifier(
            new(
                config.Dim,
                config.Depth,
                config.Heads,
                config.MlpRatio,
                tokenizer?.Tokens(config.Length) ?? config.Length,
                config.Kind is "cct" or "cvt",
                config.Position,
                config.Classes,
                config.Dropout,
                config.AttentionDropout,
                config.DropPath,
                PaddingRow: true
            )
        );
    }

    /// <summary>Its sizes and options.</summary>
    public Config Options => config;

    /// <summary>Words of a sequence, and 1.</summary>
    public override (int Height, int Width) ImageSize => (config.Length, 1);

    /// <inheritdoc/>
    public override int Channels => 1;

    /// <inheritdoc/>
    public override IReadOnlyList<long> InputShape => [config.Length];

    /// <summary>Word ids of the first word alone, [B, S].</summary>
    public override Tensor ExampleInput(int batch = 1) => Torch.Zeros([batch, config.Length], DType.Int64, device: embedder.Weight.Device);

    /// <inheritdoc/>
    public override int Classes => config.Classes;

    /// <inheritdoc/>
    public override int NumFeatures => config.Dim;

    /// <inheritdoc/>
    public override int NumPrefixTokens => config.Kind is "cct" or "cvt" ? 0 : 1;

    /// <inheritdoc/>
    public override IReadOnlyList<string> BlockPaths => [.. Enumerable.Range(0, config.Depth).Select(i => $"classifier.blocks.{i}")];

    /// <inheritdoc/>
    public override IReadOnlyList<string> ClassifierNames => ["classifier.fc.weight", "classifier.fc.bias"];

    /// <inheritdoc/>
    public override bool BelongsToHead(string name) =>
        base.BelongsToHead(name) || name.StartsWith("classifier.attention_pool.", StringComparison.Ordinal);

    /// <inheritdoc/>
    public override bool NoWeightDecay(string name) => name is "classifier.positional_emb" or "classifier.class_emb";

    /// <summary>Word vectors, [V, W]: pre-trained ones are copied into it.</summary>
    public Parameter WordVectors => embedder.Weight;

    /// <inheritdoc/>
    protected override Tensor Features(Tensor input) => Features(input, null);

    private Tensor Features(Tensor ids, Tensor? mask) // [B, S] -> [B, N, D]
    {
        var x = embedder.Call((ids, mask));
        if (tokenizer is not null)
        {
            x = tokenizer.Call(x);
            if (mask is not null)
            {
                mask = Record("token_mask", tokenizer.Mask(mask));
                x = x * mask.Unsqueeze(-1).To(x.DType);
            }
        }
        return classifier.Encode(Record("tokens", x), mask);
    }

    /// <inheritdoc/>
    protected override Tensor Pool(Tensor features) => classifier.Pool(features);

    /// <inheritdoc/>
    protected override Tensor Classify(Tensor pooled) => classifier.Classify(pooled);

    /// <inheritdoc/>
    protected override Outputs ForwardOutputs(ModelInput input) => new(Classify(Pool(Features(input.Inputs, input.Mask))));

    /// <summary>The tokens as one map of width 1.</summary>
    protected override IReadOnlyList<FeatureMap> FeatureMaps(Tensor input)
    {
        var map = Features(input).Slice(1, NumPrefixTokens).Transpose(1, 2).Unsqueeze(-1);
        return [new(map, (int)Math.Round(input.Size(1) / (double)map.Size(2)))];
    }

    /// <inheritdoc/>
    public override void ResetClassifier(int classes)
    {
        config = config with { Classes = classes };
        classifier.ResetClassifier(classes);
    }

    /// <summary>Takes sequences of <paramref name="height"/> words; only models without learned positions can.</summary>
    public override void Resize(int height, int width)
    {
        if (width != 1)
            throw new ShapeException($"a text has only a length: the size must be {height} x 1, not {height} x {width}");
        if (config.Position != "none" && height > config.Length)
            throw new ShapeException(
                $"the position table covers {config.Length} words: a length of {height} needs a model without positions"
            );
        config = config with { Length = height };
    }

    /// <summary>Word vectors; those of padding are zeroed by the mask.</summary>
    private sealed partial class Embedder(Config config) : Module<(Tensor Ids, Tensor? Mask), Tensor>
    {
        private readonly Embedding embeddings = new(config.Vocabulary, config.WordDim, config.PaddingIndex);

        public Parameter Weight => embeddings.Weight;

        protected override Tensor Forward((Tensor Ids, Tensor? Mask) input) // [B, S] -> [B, S, W]
        {
            var x = embeddings.Call(input.Ids);
            return input.Mask is null ? x : x * input.Mask.Unsqueeze(-1).To(x.DType);
        }
    }

    /// <summary>A convolution over whole word vectors; in CCT with ReLU and max pooling.</summary>
    private sealed partial class TextTokenizer : Layer
    {
        private readonly Sequential convLayers;
        private readonly Config config;
        private readonly int stride;
        private readonly int padding;

        public TextTokenizer(Config config)
        {
            this.config = config;
            var pooled = config.Kind == "cct";
            stride = config.Stride ?? (pooled ? Math.Max(1, config.Kernel / 2 - 1) : config.Kernel);
            padding = config.Padding ?? (pooled ? Math.Max(1, config.Kernel / 2) : 0);
            var conv = new Conv2d(1, config.Dim, (config.Kernel, config.WordDim), (stride, 1), (padding, 0), bias: false);
            Init.KaimingNormal(conv.Weight);
            convLayers = pooled
                ? new Sequential(conv, new Relu(), new MaxPool2d((config.PoolKernel, 1), (config.PoolStride, 1), (config.PoolPadding, 0)))
                : new Sequential(conv);
        }

        public int Tokens(int length)
        {
            length = (length + 2 * padding - config.Kernel) / stride + 1;
            return config.Kind == "cct" ? (length + 2 * config.PoolPadding - config.PoolKernel) / config.PoolStride + 1 : length;
        }

        protected override Tensor Forward(
            Tensor input
        ) // [B, S, W] -> [B, N, D]
            => convLayers.Call(input.Unsqueeze(1)).Flatten(2).Transpose(1, 2);

        /// <summary>A token is real when any word under its window is.</summary>
        public Tensor Mask(Tensor mask) =>
            Torch.Scope(() => // [B, S] -> [B, N]
            {
                var counts = Torch.Conv1d(
                    mask.To(DType.Float32).Unsqueeze(1),
                    Torch.Ones([1, 1, config.Kernel], device: mask.Device),
                    null,
                    stride,
                    padding
                );
                if (config.Kind == "cct")
                    counts = counts.MaxPool1d(config.PoolKernel, config.PoolStride, config.PoolPadding);
                return counts.Squeeze(1) > 0;
            });
    }

    private const string Paper = "Escaping the Big Data Paradigm with Compact Transformers, 2021, arXiv:2104.05704";

    private static Variant Make(string kind, int size, int kernel, double? parameters = null, double? agNews = null)
    {
        var (heads, ratio, dim) = size == 6 ? (Heads: 4, Ratio: 2.0, Dim: 256) : (Heads: 2, Ratio: 1.0, Dim: 128);
        if (kind == "transformer")
            dim = 300;
        var name = kind == "transformer" ? $"text_transformer_{size}" : $"text_{kind}_{size}_k{kernel}";
        return new(
            name,
            Paper: Paper,
            Create: options => new TextCct(
                new Config(
                    Kind: kind,
                    Length: options.ImageSize?.Height ?? 64,
                    Vocabulary: options.Vocabulary ?? 20000,
                    WordDim: 300,
                    Dim: dim,
                    Depth: size,
                    Heads: heads,
                    MlpRatio: ratio,
                    Kernel: kernel,
                    Classes: options.Classes ?? 4,
                    Dropout: options.Dropout ?? 0,
                    AttentionDropout: options.AttentionDropout ?? 0.1,
                    DropPath: options.DropPath ?? 0.1
                )
            ),
            ImageSize: 64,
            Parameters: parameters,
            Top1: agNews,
            Dataset: agNews is null ? null : "AG-News",
            Note: "parameters without word vectors",
            TakesImages: false
        );
    }

    /// <summary>The published models; the suffix is the kernel.</summary>
    public static IReadOnlyList<Variant> Variants { get; } =
    [
        Make("cct", size: 2, kernel: 1, parameters: 0.238, agNews: 93.45),
        Make("cct", size: 2, kernel: 2, parameters: 0.276, agNews: 93.51),
        Make("cct", size: 2, kernel: 4, parameters: 0.353, agNews: 93.80),
        Make("cct", size: 4, kernel: 1, parameters: 0.436, agNews: 93.55),
        Make("cct", size: 4, kernel: 2, parameters: 0.475, agNews: 93.24),
        Make("cct", size: 4, kernel: 4, parameters: 0.551, agNews: 93.09),
        Make("cct", size: 6, kernel: 1, parameters: 3.237, agNews: 93.78),
        Make("cct", size: 6, kernel: 2, parameters: 3.313, agNews: 93.33),
        Make("cct", size: 6, kernel: 4, parameters: 3.467, agNews: 92.95),
        Make("cvt", size: 2, kernel: 4),
        Make("cvt", size: 4, kernel: 4),
        Make("cvt", size: 6, kernel: 4),
        Make("vit_lite", size: 2, kernel: 4),
        Make("vit_lite", size: 4, kernel: 4),
        Make("vit_lite", size: 6, kernel: 4),
        Make("transformer", size: 2, kernel: 1),
        Make("transformer", size: 4, kernel: 1),
        Make("transformer", size: 6, kernel: 1),
    ];
}
