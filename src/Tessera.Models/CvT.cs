using Tessera.Models.Layers;
using Tessera.Nn;

namespace Tessera.Models;

/// <summary>
/// Convolutional vision transformer: three stages, each begun by an overlapping convolution that makes the tokens; depthwise
/// convolutions make queries, keys and values, keys and values on a coarser grid; no positions.
/// Wu et al., "CvT: Introducing Convolutions to Vision Transformers", 2021, arXiv:2103.15808. Not to be confused with the CVT of the
/// compact transformers (<see cref="Cct"/>).
/// </summary>
/// <remarks>
/// Names and order of the weights are those of the authors' code. As there, scores are divided by the root of the
/// stage's whole width, not of a head's: published weights depend on it. The method <c>linear</c> crashes in
/// the reference; here it is plain attention.
/// </remarks>
public sealed partial class CvT : Backbone<CvT.Config>
{
    /// <summary>Sizes and options.</summary>
    /// <param name="ImageSize">Height and width in pixels that it is meant for; it takes any.</param>
    /// <param name="Stages">Its stages from fine to coarse.</param>
    /// <param name="Classes">Number of classes; 0 for no classifier.</param>
    /// <param name="Channels">Channels of the images.</param>
    /// <param name="Method">What makes queries, keys and values before their linear maps: <c>dw_bn</c> (depthwise convolution and batch
    /// norm), <c>avg</c> (average pooling of keys and values) or <c>linear</c> (nothing).</param>
    /// <param name="Kernel">Side of that convolution or pooling.</param>
    /// <param name="PaddingQuery">Its padding for queries.</param>
    /// <param name="StrideQuery">Its stride for queries; only 1 keeps the tokens' number, as the residual needs.</param>
    /// <param name="PaddingKeyValue">Its padding for keys and values.</param>
    /// <param name="StrideKeyValue">Its stride for keys and values.</param>
    /// <param name="Activation">Of the MLPs: <c>quick_gelu</c>, x sigmoid(1.702 x), or <c>gelu</c>.</param>
    /// <param name="Eps">Of the layer norms.</param>
    /// <param name="Dropout">Dropout of tokens, MLPs and projections.</param>
    /// <param name="AttentionDropout">Dropout of the attention weights.</param>
    /// <param name="Xavier">Linear maps start uniform after Glorot instead of truncated normal 0.02.</param>
    public sealed record Config(
        (int Height, int Width) ImageSize,
        IReadOnlyList<StageConfig> Stages,
        int Classes = 1000,
        int Channels = 3,
        string Method = "dw_bn",
        int Kernel = 3,
        int PaddingQuery = 1,
        int StrideQuery = 1,
        int PaddingKeyValue = 1,
        int StrideKeyValue = 2,
        string Activation = "quick_gelu",
        double Eps = 1e-5,
        double Dropout = 0,
        double AttentionDropout = 0,
        bool Xavier = false
    ) : BackboneConfig
    {
        /// <inheritdoc/>
        // Stochastic depth is that of the last stage.
        public override BackboneConfig With(ModelOptions options) =>
            (Config)base.With(options) with
            {
                Dropout = options.Dropout ?? Dropout,
                Stages = [.. Stages.SkipLast(1), Stages[^1] with { DropPath = options.DropPath ?? Stages[^1].DropPath }],
            };
    }

    /// <summary>One stage.</summary>
    /// <param name="Patch">Side of the kernel that makes its tokens.</param>
    /// <param name="Stride">Its stride.</param>
    /// <param name="Padding">Its padding.</param>
    /// <param name="Dim">Width of the tokens.</param>
    /// <param name="Depth">Number of blocks.</param>
    /// <param name="Heads">Heads of the attention.</param>
    /// <param name="ClassToken">Whether a class token joins; that of the last stage feeds the classifier.</param>
    /// <param name="MlpRatio">Hidden width of the MLP over the width.</param>
    /// <param name="QkvBias">Whether the linear maps of queries, keys and values have a bias.</param>
    /// <param name="DropPath">Stochastic depth of its last block.</param>
    public sealed record StageConfig(
        int Patch,
        int Stride,
        int Padding,
        int Dim,
        int Depth,
        int Heads,
        bool ClassToken = false,
        double MlpRatio = 4,
        bool QkvBias = true,
        double DropPath = 0
    );

    private readonly Stage[] stages;
    private readonly LayerNorm norm;
    private Linear? head;

    /// <summary>A model with the authors' initialisation.</summary>
    public CvT(Config config)
        : base(config)
    {
        if (config.Method is not ("dw_bn" or "avg" or "linear"))
            throw new ArgumentException($"method '{config.Method}' must be dw_bn, avg or linear", nameof(config));
        if (config.Activation is not ("quick_gelu" or "gelu"))
            throw new ArgumentException($"activation '{config.Activation}' must be quick_gelu or gelu", nameof(config));
        if (config.StrideQuery != 1)
            throw new ArgumentException(
                $"the stride of the queries must be 1, which keeps the number of tokens, not {config.StrideQuery}",
                nameof(config)
            );
        stages = [.. config.Stages.Select((stage, i) => new Stage(config, stage, i == 0 ? config.Channels : config.Stages[i - 1].Dim))];
        norm = new LayerNorm(NumFeatures, config.Eps);
        if (config.Classes > 0)
            head = new Linear(NumFeatures, config.Classes);
        foreach (var (_, module) in NamedModules())
            if (module is Linear linear)
                Initialize(linear);
    }

    private Linear Initialize(Linear linear)
    {
        if (Options.Xavier)
            Init.XavierUniform(linear.Weight);
        else
            Init.TruncatedNormal(linear.Weight, 0.02);
        if (linear.Bias is { } bias)
            Init.Zeros(bias);
        return linear;
    }

    // The stages are named stage0, stage1, ... without a list in between.
    /// <inheritdoc/>
    protected override void ListMembers(Members members)
    {
        foreach (var (i, stage) in stages.Index())
            members.Add($"stage{i}", stage);
        members.Add("norm", norm);
        members.Add("head", head);
    }

    /// <inheritdoc/>
    public override int NumFeatures => Options.Stages[^1].Dim;

    /// <inheritdoc/>
    public override int NumPrefixTokens => Options.Stages[^1].ClassToken ? 1 : 0;

    /// <inheritdoc/>
    public override int NumPrefixTokensAt(string blockPath)
    {
        var stage = Array.FindIndex([.. Enumerable.Range(0, stages.Length)], i =>
            blockPath.StartsWith($"stage{i}.", StringComparison.Ordinal)
        );
        return stage >= 0 && Options.Stages[stage].ClassToken ? 1 : 0;
    }

    /// <inheritdoc/>
    public override IReadOnlyList<string> BlockPaths =>
        [.. Options.Stages.Index().SelectMany(s => Enumerable.Range(0, s.Item.Depth).Select(j => $"stage{s.Index}.blocks.{j}"))];

    /// <inheritdoc/>
    protected override ref Linear? Classifier => ref head;

    /// <inheritdoc/>
    protected override Linear NewClassifier(int classes) => Initialize(new Linear(NumFeatures, classes));

    /// <inheritdoc/>
    public override bool NoWeightDecay(string name) => name.EndsWith("cls_token", StringComparison.Ordinal);

    // Maps as they leave the stages, without class tokens, and the last stage's tokens with theirs.
    private (Tensor[] Maps, Tensor Tokens) Encode(Tensor image)
    {
        var maps = new Tensor[stages.Length];
        var tokens = image;
        for (var i = 0; i < stages.Length; i++)
        {
            (tokens, var height, var width) = stages[i].Call(i == 0 ? image : maps[i - 1]);
            maps[i] = Record($"stage{i}", tokens.Slice(1, Options.Stages[i].ClassToken ? 1 : 0).ToMap(height, width));
        }
        return (maps, tokens);
    }

    /// <inheritdoc/>
    // [B, C, H, W] -> [B, (1 +) N, D]
    protected override Tensor Features(Tensor input) => Record("normed", norm.Call(Encode(input).Tokens));

    /// <inheritdoc/>
    protected override Tensor Pool(Tensor features) => NumPrefixTokens > 0 ? features.Select(1, 0) : features.Mean(1);

    /// <inheritdoc/>
    protected override IReadOnlyList<FeatureMap> FeatureMaps(Tensor input)
    {
        var stride = 1;
        return [.. Encode(input).Maps.Select((map, i) => new FeatureMap(map, stride *= Options.Stages[i].Stride))];
    }

    /// <summary>Tokens by a convolution, then blocks (figure 2).</summary>
    private sealed partial class Stage : Module<Tensor, (Tensor Tokens, long Height, long Width)>
    {
        private readonly Parameter? clsToken; // [1, 1, D]
        private readonly ConvEmbed patchEmbed;
        private readonly ModuleList<Block> blocks;
        private readonly Dropout drop;

        public Stage(Config config, StageConfig stage, int inputs)
        {
            if (stage.ClassToken)
                clsToken = Init.TruncatedNormal(new Parameter([1, 1, stage.Dim]), 0.02);
            patchEmbed = new ConvEmbed(inputs, stage, config.Eps);
            var rates = Nn.DropPath.Rates(stage.DropPath, stage.Depth);
            blocks = new(Enumerable.Range(0, stage.Depth).Select(i => new Block(config, stage, rates[i])));
            drop = new Dropout(config.Dropout);
        }

        protected override (Tensor Tokens, long Height, long Width) Forward(Tensor input) // [B, C', H, W]
        {
            var (x, height, width) = patchEmbed.Call(input);
            if (clsToken is not null)
                x = Torch.Cat([clsToken.Expand([x.Size(0), -1, -1]), x], 1);
            x = drop.Call(x);
            foreach (var block in blocks)
                x = block.Call((x, height, width));
            return (x, height, width);
        }
    }

    /// <summary>Convolutional token embedding (section 3.1): a convolution with overlap and a norm of each token.</summary>
    private sealed partial class ConvEmbed(int inputs, StageConfig stage, double eps)
        : Module<Tensor, (Tensor Tokens, long Height, long Width)>
    {
        private readonly Conv2d proj = new(inputs, stage.Dim, stage.Patch, stage.Stride, stage.Padding);
        private readonly LayerNorm norm = new(stage.Dim, eps);

        protected override (Tensor Tokens, long Height, long Width) Forward(Tensor input)
        {
            var map = proj.Call(input);
            return (norm.Call(map.ToTokens()), map.Size(2), map.Size(3));
        }
    }

    /// <summary>x + attention(norm(x)), then x + MLP(norm(x)).</summary>
    private sealed partial class Block : Module<(Tensor X, long Height, long Width), Tensor>
    {
        private readonly LayerNorm norm1;
        private readonly ConvAttention attn;
        private readonly LayerNorm norm2;
        private readonly QuickMlp mlp;
        private readonly DropPath dropPath;

        public Block(Config config, StageConfig stage, double dropPath)
        {
            norm1 = new LayerNorm(stage.Dim, config.Eps);
            attn = new ConvAttention(config, stage);
            norm2 = new LayerNorm(stage.Dim, config.Eps);
            mlp = new QuickMlp(stage.Dim, (int)(stage.Dim * stage.MlpRatio), config.Activation == "quick_gelu", config.Dropout);
            this.dropPath = new DropPath(dropPath);
        }

        protected override Tensor Forward((Tensor X, long Height, long Width) input)
        {
            var x = input.X + dropPath.Call(attn.Call((norm1.Call(input.X), input.Height, input.Width)));
            return x + dropPath.Call(mlp.Call(norm2.Call(x)));
        }
    }

    /// <summary>Two linear maps with x sigmoid(1.702 x), or GELU, in between.</summary>
    private sealed partial class QuickMlp(int dim, int hidden, bool quick, double dropout) : Layer
    {
        private readonly Linear fc1 = new(dim, hidden);
        private readonly Linear fc2 = new(hidden, dim);
        private readonly Dropout drop = new(dropout);

        protected override Tensor Forward(Tensor input)
        {
            var x = fc1.Call(input);
            return drop.Call(fc2.Call(drop.Call(quick ? x * (x * 1.702).Sigmoid() : x.Gelu())));
        }
    }

    /// <summary>
    /// Attention with convolutional projection (section 3.2, equation 2): the tokens are convolved as a map before the linear maps; the
    /// class token is not. Records
    /// <c>attention</c>, [B, h, N, M].
    /// </summary>
    private sealed partial class ConvAttention : Module<(Tensor X, long Height, long Width), Tensor>
    {
        private readonly Layer convProjQ;
        private readonly Layer convProjK;
        private readonly Layer convProjV;
        private readonly Linear projQ;
        private readonly Linear projK;
        private readonly Linear projV;
        private readonly Linear proj;
        private readonly Dropout drop;
        private readonly int dim,
            heads;
        private readonly bool classToken;
        private readonly double attentionDropout;

        public ConvAttention(Config config, StageConfig stage)
        {
            if (stage.Dim % stage.Heads != 0)
                throw new ArgumentException($"the width {stage.Dim} must be a multiple of the {stage.Heads} heads", nameof(stage));
            (dim, heads, classToken, attentionDropout) = (stage.Dim, stage.Heads, stage.ClassToken, config.AttentionDropout);
            convProjQ =
                config.Method == "dw_bn" ? new DepthwiseNorm(dim, config.Kernel, config.StrideQuery, config.PaddingQuery) : new Identity();
            convProjK = KeyValue();
            convProjV = KeyValue();
            projQ = new Linear(dim, dim, stage.QkvBias);
            projK = new Linear(dim, dim, stage.QkvBias);
            projV = new Linear(dim, dim, stage.QkvBias);
            proj = new Linear(dim, dim);
            drop = new Dropout(config.Dropout);

            Layer KeyValue() =>
                config.Method switch
                {
                    "dw_bn" => new DepthwiseNorm(dim, config.Kernel, config.StrideKeyValue, config.PaddingKeyValue),
                    "avg" => new AvgPool2d(config.Kernel, config.StrideKeyValue, config.PaddingKeyValue, ceil: true),
                    _ => new Identity(),
                };
        }

        protected override Tensor Forward((Tensor X, long Height, long Width) input) // [B, (1 +) N, D]
        {
            var token = classToken ? input.X.Slice(1, 0, 1) : null;
            var map = input.X.Slice(1, classToken ? 1 : 0).ToMap(input.Height, input.Width);
            var query = Heads(projQ, convProjQ);
            var key = Heads(projK, convProjK);
            var value = Heads(projV, convProjV);
            var scale = 1 / Math.Sqrt(dim);
            var mixed = Attention.Apply(this, query, key, value, dropout: attentionDropout, scale: scale);
            return drop.Call(proj.Call(mixed.Transpose(1, 2).Flatten(2)));

            Tensor Heads(Linear linear, Layer convolution) // -> [B, h, M, d]
            {
                var tokens = convolution.Call(map).ToTokens();
                if (token is not null)
                    tokens = Torch.Cat([token, tokens], 1);
                return linear.Call(tokens).Unflatten(2, heads, dim / heads).Transpose(1, 2);
            }
        }
    }

    /// <summary>A depthwise convolution and a batch norm.</summary>
    private sealed partial class DepthwiseNorm(int dim, int kernel, int stride, int padding) : Layer
    {
        private readonly Conv2d conv = new(dim, dim, kernel, stride, padding, groups: dim, bias: false);
        private readonly BatchNorm bn = new(dim);

        protected override Tensor Forward(Tensor input) => bn.Call(conv.Call(input));
    }

    private const string Paper = "CvT: Introducing Convolutions to Vision Transformers, 2021, arXiv:2103.15808";

    private static readonly (int[] Dims, int[] Depths, int[] Heads) cvt13 = (Dims: [64, 192, 384], Depths: [1, 2, 10], Heads: [1, 3, 6]);
    private static readonly (int[] Dims, int[] Depths, int[] Heads) cvt21 = (Dims: [64, 192, 384], Depths: [1, 4, 16], Heads: [1, 3, 6]);
    private static readonly (int[] Dims, int[] Depths, int[] Heads) w24 = (Dims: [192, 768, 1024], Depths: [2, 2, 20], Heads: [3, 12, 16]);
    private static readonly (int[] Dims, int[] Depths, int[] Heads) mini = (Dims: [64, 128, 256], Depths: [1, 1, 4], Heads: [1, 2, 4]);

    private static Variant Make(
        string name,
        (int[] Dims, int[] Depths, int[] Heads) size,
        int image,
        string note,
        double? parameters = null,
        double? gmacs = null,
        double? top1 = null,
        double dropPath = 0.1
    ) =>
        new(
            name,
            Paper: Paper,
            Create: Variant.Configured(
                new Config(
                    ImageSize: (image, image),
                    Stages:
                    [
                        .. size.Dims.Select(
                            (dim, i) =>
                                new StageConfig(
                                    Patch: image > 32 && i == 0 ? 7 : 3,
                                    Stride: image > 32 && i == 0 ? 4 : 2,
                                    Padding: image > 32 && i == 0 ? 2 : 1,
                                    Dim: dim,
                                    Depth: size.Depths[i],
                                    Heads: size.Heads[i],
                                    ClassToken: i == 2,
                                    DropPath: i == 2 ? dropPath : 0
                                )
                        ),
                    ],
                    Classes: (image > 32 ? 1000 : 10)
                ),
                config => new CvT(config)
            ),
            ImageSize: image,
            Parameters: parameters,
            GMacs: gmacs,
            Top1: top1,
            Dataset: image > 32 ? "ImageNet-1k" : "CIFAR-10",
            Preprocessing: image > 32 ? Preprocessing.ImageNet with { CropRatio = image > 224 ? 1 : 0.875 } : Preprocessing.Cifar10,
            Note: note
        );

    /// <summary>The published sizes, and one for small images.</summary>
    public static IReadOnlyList<Variant> Variants { get; } =
    [
        Make("cvt_13", cvt13, image: 224, parameters: 19.997, gmacs: 4.5, top1: 81.6, note: "300 epochs"),
        Make("cvt_13_384", cvt13, image: 384, parameters: 20.0, gmacs: 16.3, top1: 83.0, note: "83.3 from 22k"),
        Make("cvt_21", cvt21, image: 224, parameters: 31.6, gmacs: 7.1, top1: 82.5, note: "300 epochs, repeated augmentation"),
        Make("cvt_21_384", cvt21, image: 384, parameters: 31.6, gmacs: 24.9, top1: 83.3, note: "84.9 from 22k"),
        Make(
            "cvt_w24_384",
            w24,
            image: 384,
            dropPath: 0.3,
            parameters: 277,
            gmacs: 193.2,
            top1: 87.7,
            note: "from 22k; 87.6 in the authors' repository"
        ),
        Make("cvt_mini_32", mini, image: 32, dropPath: 0, note: "for small images: 3x3 embeddings of stride 2"),
    ];
}
