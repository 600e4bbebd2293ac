using Tessera.Models.Layers;
using Tessera.Nn;

namespace Tessera.Models;

/// <summary>
/// Tokens-to-Token ViT: overlapping neighbourhoods are joined into ever fewer tokens, with a small attention layer in between,
/// before a deep and narrow ViT. Yuan et al., "Tokens-to-Token ViT: Training Vision Transformers from Scratch on ImageNet", 2021,
/// arXiv:2101.11986.
/// </summary>
/// <remarks>
/// Names and order of the weights are those of the authors' code. Position table and the performers' random features are fixed:
/// they are parameters of the state dict that gather no gradients. The authors' switch for pretrained weights of their first
/// release scales attention by D^-0.5; the published accuracies have the usual scale, <see cref="Config.QkScale"/> gives another.
/// </remarks>
public sealed partial class T2tVit : Backbone<T2tVit.Config>
{
    /// <summary>Sizes and options.</summary>
    /// <param name="ImageSize">Height and width in pixels.</param>
    /// <param name="Dim">Width of the tokens.</param>
    /// <param name="Depth">Number of blocks.</param>
    /// <param name="Heads">Heads of the attention.</param>
    /// <param name="MlpRatio">Hidden width of the MLP over the width.</param>
    /// <param name="Transformers">Attention between the soft splits; otherwise performers, whose cost is linear in the tokens.</param>
    /// <param name="TokenDim">Width between the soft splits.</param>
    /// <param name="Classes">Number of classes; 0 for no classifier.</param>
    /// <param name="Channels">Channels of the images.</param>
    /// <param name="QkvBias">Whether queries, keys and values of the blocks have a bias.</param>
    /// <param name="QkScale">Factor of the blocks' scores; null for 1 / sqrt(Dim / Heads).</param>
    /// <param name="KernelRatio">Random features of a performer over its width.</param>
    /// <param name="PerformerEps">Added to a performer's denominator.</param>
    /// <param name="Eps">Of all norms.</param>
    /// <param name="Dropout">Dropout of tokens, projections and MLPs of the blocks; the performers drop a tenth in any case.</param>
    /// <param name="DropPath">Stochastic depth of the last block.</param>
    public sealed record Config(
        (int Height, int Width) ImageSize,
        int Dim,
        int Depth,
        int Heads,
        double MlpRatio,
        bool Transformers = false,
        int TokenDim = 64,
        int Classes = 1000,
        int Channels = 3,
        bool QkvBias = false,
        double? QkScale = null,
        double KernelRatio = 0.5,
        double PerformerEps = 1e-8,
        double Eps = 1e-5,
        double Dropout = 0,
        double DropPath = 0
    ) : RegularizedConfig;

    private readonly Parameter clsToken; // [1, 1, D]
    private Parameter posEmbed; // [1, 1 + N, D]
    private readonly TokensToToken tokensToToken;
    private readonly ModuleList<TransformerBlock> blocks;
    private readonly LayerNorm norm;
    private Linear? head;
    private readonly Dropout drop;

    /// <summary>A model with the authors' initialisation.</summary>
    public T2tVit(Config config)
        : base(config)
    {
        var (height, width) = TokensToToken.Grid(config.ImageSize);
        clsToken = Init.TruncatedNormal(new Parameter([1, 1, config.Dim]), 0.02);
        posEmbed = new Parameter(
            Torch.Scope(() => PositionTable.Sine(1 + height * width, config.Dim, roundAngles: false)),
            requiresGrad: false
        );
        tokensToToken = TransformerInit.Linears(new TokensToToken(config));
        var rates = Nn.DropPath.Rates(config.DropPath, config.Depth);
        blocks = TransformerInit.Linears(
            new ModuleList<TransformerBlock>(
                Enumerable
                    .Range(0, config.Depth)
                    .Select(i => new TransformerBlock(
                        config.Dim,
                        new SelfAttention(config.Dim, config.Heads, config.QkvBias, dropout: config.Dropout, scale: config.QkScale),
                        config.MlpRatio,
                        config.Eps,
                        config.Dropout,
                        rates[i]
                    ))
            )
        );
        norm = new LayerNorm(config.Dim, config.Eps);
        head = InitialClassifier();
        drop = new Dropout(config.Dropout);
    }

    /// <inheritdoc/>
    public override int NumFeatures => Options.Dim;

    /// <inheritdoc/>
    public override int NumPrefixTokens => 1;

    /// <inheritdoc/>
    public override IReadOnlyList<string> BlockPaths => [.. Enumerable.Range(0, Options.Depth).Select(i => $"blocks.{i}")];

    /// <inheritdoc/>
    protected override ref Linear? Classifier => ref head;

    /// <inheritdoc/>
    public override bool NoWeightDecay(string name) => name is "cls_token" or "pos_embed";

    /// <inheritdoc/>
    protected override Tensor Features(Tensor input) // [B, C, H, W] -> [B, 1 + N, D]
    {
        ExpectOwnSize(input);
        var x = tokensToToken.Call(input);
        x = drop.Call(Torch.Cat([clsToken.Expand([input.Size(0), -1, -1]), x], 1) + posEmbed);
        foreach (var block in blocks)
            x = block.Call(x);
        return norm.Call(x);
    }

    /// <inheritdoc/>
    protected override Tensor Pool(Tensor features) => features.Select(1, 0);

    /// <inheritdoc/>
    protected override IReadOnlyList<FeatureMap> FeatureMaps(Tensor input)
    {
        var (height, width) = TokensToToken.Grid(((int)input.Size(2), (int)input.Size(3)));
        return [new(Features(input).Slice(1, NumPrefixTokens).ToMap(height, width), 16)];
    }

    /// <summary>Takes images of another size: the position table is resampled bicubically, the class token's row kept.</summary>
    /// <exception cref="ShapeException">The image is smaller than one token.</exception>
    public override void Resize(int height, int width)
    {
        if (Math.Min(height, width) < TokensToToken.Smallest)
            throw new ShapeException(
                $"an image of {height} x {width} is smaller than one token: both sides must be at least {TokensToToken.Smallest}"
            );
        var (from, to) = (TokensToToken.Grid(Options.ImageSize), TokensToToken.Grid((height, width)));
        posEmbed = PositionTable.ResampleParameter(posEmbed, from, to, NumPrefixTokens, PositionResampling.Bicubic);
        Options = Options with { ImageSize = (height, width) };
    }

    /// <summary>A position table of another size is resampled bicubically.</summary>
    public override void AdaptStateDict(IDictionary<string, Tensor> state)
    {
        PositionTable.Fit(state, "pos_embed", posEmbed, TokensToToken.Grid(Options.ImageSize), NumPrefixTokens, PositionResampling.Bicubic);
    }

    /// <summary>Three soft splits with attention after the first two, then a linear map (section 3.1).</summary>
    private sealed partial class TokensToToken : Layer
    {
        private static readonly (int Kernel, int Stride, int Padding)[] splits = [(7, 4, 2), (3, 2, 1), (3, 2, 1)];

        /// <summary>The least side that the padded first kernel fits on.</summary>
        public const int Smallest = 3;

        private readonly Layer attention1;
        private readonly Layer attention2;
        private readonly Linear project;

        public TokensToToken(Config config)
        {
            var joined = config.TokenDim * 9;
            attention1 = Attention(config.Channels * 49);
            attention2 = Attention(joined);
            project = new Linear(joined, config.Dim);

            Layer Attention(int width) => config.Transformers ? new TokenTransformer(width, config) : new TokenPerformer(width, config);
        }

        public static (int Height, int Width) Grid((int Height, int Width) image) =>
            splits.Aggregate(image, (size, split) => (After(size.Height, split), After(size.Width, split)));

        private static int After(int size, (int Kernel, int Stride, int Padding) split) =>
            (size + 2 * split.Padding - split.Kernel) / split.Stride + 1;

        protected override Tensor Forward(Tensor input) // [B, C, H, W] -> [B, N, D]
        {
            var x = attention1.Call(Join(input, 0));
            x = attention2.Call(Join(AsMap(x, input, 1), 1));
            return project.Call(Join(AsMap(x, input, 2), 2));
        }

        // The neighbourhood of each position as one token: channels first, then rows and columns of the kernel.
        private static Tensor Join(Tensor map, int split)
        {
            var (kernel, stride, padding) = splits[split];
            return map.Im2col((kernel, kernel), (1, 1), (padding, padding), stride, stride).Transpose(1, 2);
        }

        private static Tensor AsMap(Tensor tokens, Tensor image, int after)
        {
            var (height, width) = splits
                .Take(after)
                .Aggregate(((int)image.Size(2), (int)image.Size(3)), (size, split) => (After(size.Item1, split), After(size.Item2, split)));
            return tokens.ToMap(height, width);
        }
    }

    /// <summary>y = attention(norm(x)), then y + MLP(norm(y)): the first step changes the width, so no residual passes it.</summary>
    private sealed partial class TokenTransformer : Layer
    {
        private readonly LayerNorm norm1;
        private readonly ValueAttention attn;
        private readonly LayerNorm norm2;
        private readonly Mlp mlp;

        public TokenTransformer(int width, Config config)
        {
            norm1 = new LayerNorm(width, config.Eps);
            attn = new ValueAttention(width, config.TokenDim);
            norm2 = new LayerNorm(config.TokenDim, config.Eps);
            mlp = new Mlp(config.TokenDim, config.TokenDim);
        }

        protected override Tensor Forward(Tensor x)
        {
            x = attn.Call(norm1.Call(x));
            return x + mlp.Call(norm2.Call(x));
        }
    }

    /// <summary>Attention of one head whose residual comes from the values; scores are scaled by the width of the input.</summary>
    private sealed partial class ValueAttention(int width, int dim) : Layer
    {
        private readonly Linear qkv = new(width, 3 * dim, bias: false);
        private readonly Linear proj = new(dim, dim);

        protected override Tensor Forward(Tensor x) // [B, N, width] -> [B, N, dim]
        {
            var parts = qkv.Call(x).Unsqueeze(1).Chunk(3, -1); // [B, 1, N, dim] each
            var (query, key, value) = (parts[0], parts[1], parts[2]);
            var scale = 1 / Math.Sqrt(width);
            var mixed = Attention.Apply(this, query, key, value, scale: scale);
            return (proj.Call(mixed) + value).Squeeze(1);
        }
    }

    /// <summary>
    /// Attention approximated by positive random features (Choromanski et al., 2020, arXiv:2009.14794, section 2.3):
    /// phi(u) = exp(w u - |u|^2 / 2) / sqrt(m), y_i = phi(q_i) sum_j phi(k_j) v_j / phi(q_i) sum_j phi(k_j).
    /// </summary>
    private sealed partial class TokenPerformer : Layer
    {
        private readonly Parameter w; // [m, dim], fixed
        private readonly Linear kqv;
        private readonly Linear proj;
        private readonly LayerNorm norm1;
        private readonly LayerNorm norm2;
        private readonly Sequential mlp;
        private readonly Dropout drop = new(0.1);
        private readonly double eps;

        public TokenPerformer(int width, Config config)
        {
            var (dim, features) = (config.TokenDim, (int)(config.TokenDim * config.KernelRatio));
            eps = config.PerformerEps;
            w = Init.Orthogonal(new Parameter([features, dim]) { RequiresGrad = false }, Math.Sqrt(features));
            kqv = new Linear(width, 3 * dim);
            proj = new Linear(dim, dim);
            norm1 = new LayerNorm(width, config.Eps);
            norm2 = new LayerNorm(dim, config.Eps);
            mlp = new Sequential(new Linear(dim, dim), new Gelu(), new Linear(dim, dim), new Dropout(0.1));
        }

        protected override Tensor Forward(Tensor x) // [B, N, width] -> [B, N, dim]
        {
            var parts = kqv.Call(norm1.Call(x)).Chunk(3, -1);
            var (key, query, value) = (parts[0], parts[1], parts[2]);
            var mixed = Mix(query, key, value);
            x = value + drop.Call(proj.Call(mixed));
            return x + mlp.Call(norm2.Call(x));
        }

        // In float32 at least: with long vectors the features vanish in shorter types.
        private Tensor Mix(Tensor query, Tensor key, Tensor value)
        {
            using var scope = new Scope();
            using var exact = Torch.Autocast(device: query.Device.Type, enabled: false);
            var type = query.DType == DType.Float64 ? DType.Float64 : DType.Float32;
            var (queries, keys, matrix) = (Phi(query.To(type)), Phi(key.To(type)), value.To(type));
            var total = queries.Matmul(keys.Sum(1).Unsqueeze(-1)); // [B, N, 1]
            var mixed = queries.Matmul(keys.MT.Matmul(matrix)) / (total + eps);
            return scope.Return(mixed.To(value.DType));

            Tensor Phi(Tensor u) => (u.Matmul(w.To(type).MT) - u.Square().Sum(-1, true) / 2).Exp() / Math.Sqrt(w.Size(0));
        }
    }

    private static Variant Make(
        string name,
        int dim,
        int depth,
        int heads,
        double ratio,
        bool transformers,
        double parameters,
        double? gmacs,
        double? top1,
        string? note = null,
        int image = 224
    ) =>
        new(
            name,
            Paper: "Tokens-to-Token ViT, 2021, arXiv:2101.11986",
            Create: Variant.Configured(
                new Config(
                    ImageSize: (image, image),
                    Dim: dim,
                    Depth: depth,
                    Heads: heads,
                    MlpRatio: ratio,
                    Transformers: transformers,
                    Classes: 1000,
                    DropPath: 0.1
                ),
                config => new T2tVit(config)
            ),
            ImageSize: image,
            Parameters: parameters,
            GMacs: gmacs,
            Top1: top1,
            Dataset: "ImageNet-1k",
            Preprocessing: Preprocessing.ImageNet with
            {
                CropRatio = image > 224 ? 1 : 0.9,
            },
            Note: note
        );

    /// <summary>The published sizes; parameters include the fixed tables.</summary>
    public static IReadOnlyList<Variant> Variants { get; } =
    [
        Make("t2t_vit_7", dim: 256, depth: 7, heads: 4, ratio: 2, transformers: false, parameters: 4.31, gmacs: 1.1, top1: 71.7),
        Make("t2t_vit_10", dim: 256, depth: 10, heads: 4, ratio: 2, transformers: false, parameters: 5.89, gmacs: 1.5, top1: 75.2),
        Make("t2t_vit_12", dim: 256, depth: 12, heads: 4, ratio: 2, transformers: false, parameters: 6.94, gmacs: 1.8, top1: 76.5),
        Make(
            "t2t_vit_14",
            dim: 384,
            depth: 14,
            heads: 6,
            ratio: 3,
            transformers: false,
            parameters: 21.55,
            gmacs: 4.8,
            top1: 81.5,
            note: "CIFAR-10 98.3, CIFAR-100 88.4 after fine-tuning at 224"
        ),
        Make(
            "t2t_vit_14_384",
            dim: 384,
            depth: 14,
            heads: 6,
            ratio: 3,
            transformers: false,
            parameters: 21.7,
            gmacs: null,
            top1: 83.3,
            note: "fine-tuned",
            image: 384
        ),
        Make(
            "t2t_vit_19",
            dim: 448,
            depth: 19,
            heads: 7,
            ratio: 3,
            transformers: false,
            parameters: 39.18,
            gmacs: 8.5,
            top1: 81.9,
            note: "CIFAR-10 98.4, CIFAR-100 89.0 after fine-tuning at 224"
        ),
        Make(
            "t2t_vit_24",
            dim: 512,
            depth: 24,
            heads: 8,
            ratio: 3,
            transformers: false,
            parameters: 64.11,
            gmacs: 13.8,
            top1: 82.3,
            note: "84.2 with token labels"
        ),
        Make("t2t_vit_t_14", dim: 384, depth: 14, heads: 6, ratio: 3, transformers: true, parameters: 21.54, gmacs: 6.1, top1: 81.7),
        Make("t2t_vit_t_19", dim: 448, depth: 19, heads: 7, ratio: 3, transformers: true, parameters: 39.17, gmacs: 9.8, top1: 82.4),
        Make("t2t_vit_t_24", dim: 512, depth: 24, heads: 8, ratio: 3, transformers: true, parameters: 64.10, gmacs: 15.0, top1: 82.6),
        Make(
            "t2t_vit_14_resnext",
            dim: 384,
            depth: 14,
            heads: 32,
            ratio: 3,
            transformers: false,
            parameters: 21.5,
            gmacs: null,
            top1: null,
            note: "ablation: 32 heads"
        ),
        Make(
            "t2t_vit_14_wide",
            dim: 768,
            depth: 4,
            heads: 12,
            ratio: 3,
            transformers: false,
            parameters: 25.2,
            gmacs: null,
            top1: null,
            note: "ablation: wide and shallow"
        ),
        Variant.Micro(
            "t2t_vit_micro_64",
            "Tokens-to-Token ViT, 2021, arXiv:2101.11986",
            config: new Config(ImageSize: (64, 64), Dim: 192, Depth: 6, Heads: 4, MlpRatio: 2, Classes: 10),
            create: config => new T2tVit(config)
        ),
    ];
}
