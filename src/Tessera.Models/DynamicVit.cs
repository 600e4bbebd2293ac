using Tessera.Models.Layers;
using Tessera.Nn;

namespace Tessera.Models;

/// <summary>
/// DynamicViT: a DeiT or LV-ViT in which small predictors between the blocks decide which tokens stay. Rao et al.,
/// "DynamicViT: Efficient Vision Transformers with Dynamic Token Sparsification", 2021, arXiv:2106.02034.
/// </summary>
/// <remarks>
/// In training nothing is removed: dropped tokens are masked in the attention, by decisions that carry gradients (hard Gumbel
/// softmax). In evaluation the best tokens are gathered and the sequence really becomes shorter, by the same number for every
/// image, without any noise. Ratios refer to the number of patch tokens at the start. Weights of the plain backbone load
/// too: the predictors then stay as they were initialised.
/// </remarks>
public sealed partial class DynamicVit : Backbone<DynamicVit.Config>
{
    /// <summary>
    /// Name of what the teacher's tokens are compared with: normed patch tokens [B, N, D], or with a dense head their logits [B, N,
    /// classes].
    /// </summary>
    public const string Tokens = "tokens";

    /// <summary>Name of the last decision without gradient, [B, N, 1].</summary>
    public const string Mask = "mask";

    /// <summary>Name of the decisions of a stage, [B, N], 1 where a token stays, with gradient.</summary>
    public static string Decision(int stage) => $"decision{stage}";

    /// <summary>Name of a stage's Gumbel noise among <see cref="ModelInput.Draws"/>, [B, N, 2].</summary>
    public static string Gumbel(int stage) => $"gumbel{stage}";

    /// <summary>Sizes and options.</summary>
    /// <param name="ImageSize">Height and width in pixels, multiples of the patch.</param>
    /// <param name="Patch">Side of a patch.</param>
    /// <param name="Dim">Width of the tokens.</param>
    /// <param name="Depth">Number of blocks.</param>
    /// <param name="Heads">Heads of the attention.</param>
    /// <param name="PruningLayers">Blocks before which tokens are dropped, from 0.</param>
    /// <param name="KeepRatios">Share of the original patch tokens that stays, one per pruning layer.</param>
    /// <param name="DenseHead">LV-ViT: patch tokens have a head of their own, and norms an eps of 1e-5. Otherwise DeiT: 1e-6.</param>
    /// <param name="Filters">Channels of LV-ViT's convolutional patch embedding; 0 for a plain projection.</param>
    /// <param name="Divisor">What the residual branches are divided by.</param>
    /// <param name="QkvBias">Whether queries, keys and values have a bias.</param>
    /// <param name="Classes">Number of classes; 0 for no classifier.</param>
    /// <param name="Channels">Channels of the images.</param>
    /// <param name="MlpRatio">Hidden width of the MLP over the width.</param>
    /// <param name="Dropout">Dropout of tokens, MLPs and projections.</param>
    /// <param name="DropPath">Stochastic depth of the last block.</param>
    public sealed record Config(
        (int Height, int Width) ImageSize,
        int Patch,
        int Dim,
        int Depth,
        int Heads,
        IReadOnlyList<int> PruningLayers,
        IReadOnlyList<double> KeepRatios,
        bool DenseHead = false,
        int Filters = 0,
        double Divisor = 1,
        bool QkvBias = true,
        int Classes = 1000,
        int Channels = 3,
        double MlpRatio = 4,
        double Dropout = 0,
        double DropPath = 0
    ) : RegularizedConfig;

    private readonly Parameter clsToken; // [1, 1, D]
    private Parameter posEmbed; // [1, 1 + N, D]
    private readonly StemPatchEmbed patchEmbed;
    private readonly ModuleList<Block> blocks;
    private readonly LayerNorm norm;
    private Linear? head;
    private readonly ModuleList<Predictor> scorePredictor;
    private Linear? auxHead;
    private readonly Dropout drop;

    /// <summary>A model with the authors' initialisation: linear maps, tokens and positions truncated normal 0.02.</summary>
    public DynamicVit(Config config)
        : base(config)
    {
        if (config.PruningLayers.Count != config.KeepRatios.Count)
            throw new ArgumentException(
                $"{config.PruningLayers.Count} pruning layers and {config.KeepRatios.Count} ratios were given: every layer needs one ratio",
                nameof(config)
            );
        clsToken = Init.TruncatedNormal(new Parameter([1, 1, config.Dim]), 0.02);
        posEmbed = Init.TruncatedNormal(new Parameter([1, 1 + Grid.Height * Grid.Width, config.Dim]), 0.02);
        patchEmbed = new StemPatchEmbed(config.Channels, config.Dim, config.Patch, config.Filters);
        var rates = Nn.DropPath.Rates(config.DropPath, config.Depth);
        var eps = config.DenseHead ? 1e-5 : 1e-6;
        blocks = new(Enumerable.Range(0, config.Depth).Select(i => new Block(config, eps, rates[i])));
        norm = new LayerNorm(config.Dim, eps);
        scorePredictor = new(config.PruningLayers.Select(_ => new Predictor(config.Dim)));
        drop = new Dropout(config.Dropout);
        TransformerInit.Linears(this);
        head = InitialClassifier();
        auxHead = config.DenseHead ? InitialClassifier() : null;
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
    public override IReadOnlyList<string> ClassifierNames =>
        Options.DenseHead ? [.. base.ClassifierNames, "aux_head.weight", "aux_head.bias"] : base.ClassifierNames;

    /// <inheritdoc/>
    public override bool NoWeightDecay(string name) => name is "pos_embed" or "cls_token";

    /// <summary>Rows and columns of patch tokens.</summary>
    public (int Height, int Width) Grid => (Options.ImageSize.Height / Options.Patch, Options.ImageSize.Width / Options.Patch);

    /// <summary>Number of patch tokens that a stage keeps in evaluation.</summary>
    public int Kept(int stage) => (int)(Grid.Height * Grid.Width * Options.KeepRatios[stage]);

    private Tensor Embed(Tensor image) // [B, C, H, W] -> [B, 1 + N, D]
    {
        ExpectOwnSize(image);
        var x = patchEmbed.Call(image).Flatten(2).Transpose(1, 2);
        return drop.Call(Torch.Cat([clsToken.Expand([x.Size(0), -1, -1]), x], 1) + posEmbed);
    }

    // Training: all tokens stay, decisions mask them (section 3.2). Decisions are [B, N, 1].
    private (Tensor Tokens, IReadOnlyList<Tensor> Decisions) ForwardMasked(Tensor image, IReadOnlyDictionary<string, Tensor> draws)
    {
        var x = Embed(image);
        var decision = x.NewOnes([x.Size(0), x.Size(1) - 1, 1]);
        var always = x.NewOnes([x.Size(0), 1, 1]);
        var policy = x.NewOnes([x.Size(0), x.Size(1), 1]);
        var decisions = new List<Tensor>();
        for (var i = 0; i < blocks.Count; i++)
        {
            if (Stage(i) is { } stage)
            {
                var scores = scorePredictor[stage].Call((x.Slice(1, 1), decision));
                decision = HardGumbel(scores, draws.GetValueOrDefault(Gumbel(stage))).Slice(2, 0, 1) * decision;
                decisions.Add(decision);
                policy = Torch.Cat([always, decision], 1);
            }
            x = blocks[i].Call((x, policy));
        }
        return (Record("normed", norm.Call(x)), decisions);
    }

    // Evaluation: tokens are gathered (section 3.4). Positions [B, n] say where in the image those that are left stand; Dropped
    // holds positions and values of the others, for those who ask.
    private (Tensor Tokens, Tensor Positions, IReadOnlyList<(Tensor Positions, Tensor Values)> Dropped) ForwardPruned(
        Tensor image,
        bool withDropped = false
    )
    {
        var x = Embed(image);
        var positions = Torch.Arange(x.Size(1) - 1, device: x.Device).Expand([x.Size(0), -1]);
        var dropped = new List<(Tensor, Tensor)>();
        for (var i = 0; i < blocks.Count; i++)
        {
            if (Stage(i) is { } stage)
            {
                var scores = Record($"score{stage}", scorePredictor[stage].Call((x.Slice(1, 1), null)));
                var order = scores.Select(2, 0).Argsort(-1, true);
                var keep = Record($"keep{stage}", order.Slice(1, 0, Kept(stage))); // [B, k], best first
                if (withDropped)
                {
                    var rest = order.Slice(1, Kept(stage));
                    dropped.Add((positions.Gather(1, rest), Rows(x, rest + 1)));
                }
                positions = Record($"position{stage}", positions.Gather(1, keep));
                x = Rows(x, (keep + 1).ConstantPadNd([1, 0])); // the class token stays in front
            }
            x = blocks[i].Call((x, null));
        }
        return (Record("normed", norm.Call(x)), positions, dropped);
    }

    // Whole rows are copied, where gathering would go element by element. [B, N, D], [B, k] -> [B, k, D]
    private static Tensor Rows(Tensor tokens, Tensor index)
    {
        var (batch, count, dim) = tokens.Shape;
        var flat = batch == 1 ? index : index + Torch.Arange(batch, device: index.Device).Unsqueeze(1) * count;
        return tokens.Reshape(batch * count, dim).IndexSelect(0, flat.Flatten()).Reshape(batch, -1, dim);
    }

    private int? Stage(int block)
    {
        for (var stage = 0; stage < Options.PruningLayers.Count; stage++)
            if (Options.PruningLayers[stage] == block)
                return stage;
        return null;
    }

    /// <summary>
    /// Straight-through Gumbel softmax over the last dimension at temperature 1: one-hot values, gradients of the softmax.
    /// </summary>
    /// <param name="scores">Log-probabilities.</param>
    /// <param name="noise">Gumbel noise of the same shape; drawn when left out.</param>
    public static Tensor HardGumbel(Tensor scores, Tensor? noise = null) =>
        Torch.Scope(() =>
        {
            var soft = (scores + (noise ?? -scores.Detach().EmptyLike().Exponential_().Log())).Softmax(-1);
            var hard = soft.ZerosLike().Scatter_(-1, soft.Argmax(-1, true), 1.0);
            return hard - soft.Detach() + soft;
        });

    /// <summary>Softmax over the keys that a policy keeps; every token also attends to itself (equations 11 and 12).</summary>
    /// <param name="scores">[B, h, N, N].</param>
    /// <param name="policy">1 for tokens that stay, 0 for dropped ones, [B, N, 1].</param>
    /// <param name="eps">Keeps rows without any key finite; it moves all weights by about its size.</param>
    /// <returns>[B, h, N, N], of the scores' type, computed in float32 at least.</returns>
    public static Tensor MaskedSoftmax(Tensor scores, Tensor policy, double eps = 1e-6) =>
        Torch.Scope(() =>
        {
            var type = scores.DType;
            if (type is DType.BFloat16 or DType.Float16)
                scores = scores.To(DType.Float32);
            var tokens = scores.Size(-1);
            var keys = policy.To(scores.DType).Transpose(1, 2).Unsqueeze(1); // [B, 1, 1, N]
            var mask = keys + (1 - keys) * Torch.Eye(tokens, scores.DType, device: scores.Device);
            // The maximum is over all keys and takes part in the gradient, as in the published code.
            var powers = (scores - scores.Max(-1, true).Item1).Exp() * mask;
            return ((powers + eps / tokens) / (powers.Sum([-1], true) + eps)).To(type);
        });

    /// <inheritdoc/>
    protected override Tensor Features(Tensor input) =>
        Training ? ForwardMasked(input, new Dictionary<string, Tensor>()).Tokens : ForwardPruned(input).Tokens;

    /// <summary>The class token, [B, D].</summary>
    protected override Tensor Pool(Tensor features) => features.Select(1, 0);

    /// <summary>Logits for prediction; with a dense head, class token plus half the maximum over the tokens that are left.</summary>
    protected override Tensor Logits(Tensor features)
    {
        var logits = base.Logits(features);
        return auxHead is null ? logits : logits + 0.5 * auxHead.Call(features.Slice(1, 1)).Amax(1);
    }

    /// <inheritdoc/>
    protected override Outputs ForwardOutputs(ModelInput input)
    {
        if (!Training)
            return base.ForwardOutputs(input);
        var (tokens, decisions) = ForwardMasked(input.Inputs, input.Draws);
        var patches = tokens.Slice(1, 1);
        var named = new Dictionary<string, Tensor> { [Tokens] = auxHead is null ? patches : auxHead.Call(patches) };
        for (var i = 0; i < decisions.Count; i++)
            named[Decision(i)] = decisions[i].Squeeze(2);
        if (decisions.Count > 0)
            named[Mask] = decisions[^1].Detach();
        return new Outputs(Classify(Pool(tokens))) { Named = named };
    }

    /// <summary>
    /// The tokens as a map. In evaluation dropped tokens stand there as they were when they were dropped, after the final norm.
    /// </summary>
    protected override IReadOnlyList<FeatureMap> FeatureMaps(Tensor input)
    {
        var map = Training ? Features(input).Slice(1, 1) : Restore(input);
        return [new(map.Transpose(1, 2).Reshape(input.Size(0), Options.Dim, Grid.Height, Grid.Width), Options.Patch)];
    }

    private Tensor Restore(Tensor image) // [B, N, D]
    {
        var (tokens, positions, dropped) = ForwardPruned(image, withDropped: true);
        var values = Torch.Cat([tokens.Slice(1, 1), .. dropped.Select(d => norm.Call(d.Values))], 1);
        var order = Torch.Cat([positions, .. dropped.Select(d => d.Positions)], 1).Argsort(-1);
        return values.Gather(1, order.Unsqueeze(2).Expand([-1, -1, Options.Dim]));
    }

    /// <summary>The tokens that each stage keeps, then the class token's attention.</summary>
    protected override IEnumerable<Insight> Insights(Tensor image)
    {
        var positions = RecordDuring(image, "position*");
        for (var stage = 0; stage < Options.PruningLayers.Count; stage++)
        {
            var kept = Torch.Zeros([Grid.Height * Grid.Width], device: image.Device).IndexFill(0, positions[$"position{stage}"][0], 1);
            yield return Insight.Map(
                $"kept by stage {stage + 1}",
                "The tokens that are left from a stage on: "
                    + $"{string.Join(", ", Enumerable.Range(0, Options.PruningLayers.Count).Select(Kept))} of {Grid.Height * Grid.Width}.",
                kept.Reshape(Grid.Height, Grid.Width)
            ) with
            {
                IsPresence = true,
            };
        }
        foreach (var insight in base.Insights(image))
            yield return insight;
    }

    /// <inheritdoc/>
    public override void ResetClassifier(int classes)
    {
        base.ResetClassifier(classes);
        auxHead = Options.DenseHead ? FreshClassifier() : null;
    }

    /// <inheritdoc/>
    public override void Resize(int height, int width)
    {
        PatchEmbed.CheckSize(height, width, Options.Patch);
        var before = Grid;
        Options = Options with { ImageSize = (height, width) };
        posEmbed = PositionTable.ResampleParameter(posEmbed, before, Grid, 1, PositionResampling.Bicubic);
    }

    /// <inheritdoc/>
    public override void AdaptStateDict(IDictionary<string, Tensor> state)
    {
        PositionTable.Fit(state, "pos_embed", posEmbed, Grid, 1, PositionResampling.Bicubic);
        if (state.Keys.Any(IsPredictor))
            return;
        foreach (var (name, tensor) in StateDict().Where(entry => IsPredictor(entry.Key)))
            state[name] = tensor;
    }

    private static bool IsPredictor(string name) => name.StartsWith("score_predictor.", StringComparison.Ordinal);

    /// <summary>Scores tokens by themselves and by the mean of those that are left (equations 1 to 5).</summary>
    private sealed partial class Predictor : Module<(Tensor Tokens, Tensor? Decision), Tensor>
    {
        private readonly Sequential inConv;
        private readonly Sequential outConv;

        public Predictor(int dim)
        {
            inConv = new Sequential(new LayerNorm(dim), new Linear(dim, dim), new Gelu());
            outConv = new Sequential(
                new Linear(dim, dim / 2),
                new Gelu(),
                new Linear(dim / 2, dim / 4),
                new Gelu(),
                new Linear(dim / 4, 2)
            );
        }

        // [B, n, D] and which of them are left, [B, n, 1], all without: log-probabilities to keep and drop [B, n, 2]
        protected override Tensor Forward((Tensor Tokens, Tensor? Decision) input)
        {
            var x = inConv.Call(input.Tokens);
            var half = x.Size(2) / 2;
            var mean = input.Decision is { } decision ? MeanOfLeft(x.Slice(2, half), decision) : x.Slice(2, half).Mean([1], true);
            return outConv.Call(Torch.Cat([x.Slice(2, 0, half), mean.Expand([-1, x.Size(1), -1])], 2)).LogSoftmax(-1);
        }
    }

    // An image of which no token is left has a mean of zero instead of 0 / 0.
    private static Tensor MeanOfLeft(Tensor values, Tensor decision)
    {
        var left = decision.Sum([1], true);
        return (values * decision).Sum([1], true) / (left + left.Eq(0).To(left.DType));
    }

    /// <summary>A pre-norm block with an optional policy [B, N, 1] that says which tokens are still there.</summary>
    private sealed partial class Block : Module<(Tensor X, Tensor? Policy), Tensor>
    {
        private readonly LayerNorm norm1;
        private readonly PolicyAttention attn;
        private readonly LayerNorm norm2;
        private readonly Mlp mlp;
        private readonly DropPath dropPath;
        private readonly double divisor;

        public Block(Config config, double eps, double dropPath)
        {
            norm1 = new LayerNorm(config.Dim, eps);
            attn = new PolicyAttention(config);
            norm2 = new LayerNorm(config.Dim, eps);
            mlp = new Mlp(config.Dim, (int)(config.Dim * config.MlpRatio), config.Dropout);
            this.dropPath = new DropPath(dropPath);
            divisor = config.Divisor;
        }

        protected override Tensor Forward((Tensor X, Tensor? Policy) input)
        {
            var x = input.X + dropPath.Call(attn.Call((norm1.Call(input.X), input.Policy))) / divisor;
            return x + dropPath.Call(mlp.Call(norm2.Call(x))) / divisor;
        }
    }

    private sealed partial class PolicyAttention : Module<(Tensor X, Tensor? Policy), Tensor>
    {
        private readonly Linear qkv;
        private readonly Linear proj;
        private readonly Dropout projDrop;
        private readonly int heads;

        public PolicyAttention(Config config)
        {
            heads = config.Heads;
            qkv = new Linear(config.Dim, 3 * config.Dim, config.QkvBias);
            proj = new Linear(config.Dim, config.Dim);
            projDrop = new Dropout(config.Dropout);
        }

        protected override Tensor Forward((Tensor X, Tensor? Policy) input)
        {
            var (batch, tokens, dim) = input.X.Shape;
            // 3 of [B, h, N, d]
            var packed = qkv.Call(input.X).Reshape(batch, tokens, 3, heads, dim / heads).Permute(2, 0, 3, 1, 4).Unbind();
            var (query, key, value) = (packed[0], packed[1], packed[2]);
            Tensor mixed;
            if (input.Policy is { } policy)
            {
                var scores = (query * (1 / Math.Sqrt(dim / heads))).Matmul(key.MT);
                mixed = Record("attention", MaskedSoftmax(scores, policy)).Matmul(value);
            }
            else
                mixed = Attention.Apply(this, query, key, value);
            return projDrop.Call(proj.Call(mixed.Transpose(1, 2).Reshape(batch, tokens, dim)));
        }
    }

    private const string Paper = "DynamicViT: Efficient Vision Transformers with Dynamic Token Sparsification, 2021, arXiv:2106.02034";

    private const string FromTrained = "30 epochs from the trained backbone";

    private static Variant Make(
        string name,
        int dim,
        int depth,
        int heads,
        double ratio,
        double top1,
        bool lvVit = false,
        double dropPath = 0,
        double? parameters = null,
        double? gmacs = null,
        string note = FromTrained
    )
    {
        int[] layers = [depth / 4, depth / 2, 3 * depth / 4];
        double[] ratios = [ratio, ratio * ratio, ratio * ratio * ratio];
        return new(
            name,
            Paper: Paper,
            Create: Variant.Configured(
                new Config(
                    ImageSize: (224, 224),
                    Patch: 16,
                    Dim: dim,
                    Depth: depth,
                    Heads: heads,
                    PruningLayers: layers,
                    KeepRatios: ratios,
                    DenseHead: lvVit,
                    Filters: lvVit ? 64 : 0,
                    Divisor: lvVit ? 2 : 1,
                    QkvBias: !lvVit,
                    Classes: 1000,
                    MlpRatio: lvVit ? 3 : 4,
                    DropPath: dropPath
                ),
                config => new DynamicVit(config)
            ),
            ImageSize: 224,
            Parameters: parameters,
            GMacs: gmacs,
            Top1: top1,
            Dataset: "ImageNet-1k",
            Preprocessing: Preprocessing.ImageNet,
            Note: note
        );
    }

    /// <summary>The published models; the number is the ratio that the first stage keeps.</summary>
    public static IReadOnlyList<Variant> Variants { get; } =
    [
        Make(
            "dynamicvit_deit_256_07",
            dim: 256,
            depth: 12,
            heads: 4,
            ratio: 0.7,
            top1: 76.53,
            note: FromTrained + "; 1.375 GMACs, published as 1.3"
        ),
        Make(
            "dynamicvit_deit_s_07",
            dim: 384,
            depth: 12,
            heads: 6,
            ratio: 0.7,
            parameters: 22.77,
            top1: 79.32,
            note: FromTrained + "; 2.98 GMACs, published as 2.9"
        ),
        Make("dynamicvit_deit_b_07", dim: 768, depth: 12, heads: 12, ratio: 0.7, dropPath: 0.2, gmacs: 11.4, top1: 81.43),
        Make(
            "dynamicvit_lvvit_s_05",
            dim: 384,
            depth: 16,
            heads: 6,
            ratio: 0.5,
            lvVit: true,
            parameters: 26.88,
            top1: 81.97,
            note: FromTrained + "; 3.79 GMACs, published as 3.7"
        ),
        Make("dynamicvit_lvvit_s_07", dim: 384, depth: 16, heads: 6, ratio: 0.7, lvVit: true, parameters: 26.88, gmacs: 4.6, top1: 83.08),
        Make("dynamicvit_lvvit_m_07", dim: 512, depth: 20, heads: 8, ratio: 0.7, lvVit: true, gmacs: 8.5, top1: 83.82),
        new(
            "dynamicvit_micro_patch4_32_07",
            Paper: Paper,
            Create: Variant.Configured(
                new Config(
                    ImageSize: (32, 32),
                    Patch: 4,
                    Dim: 96,
                    Depth: 6,
                    Heads: 3,
                    PruningLayers: [1, 3, 4],
                    KeepRatios: [0.7, 0.7 * 0.7, 0.7 * 0.7 * 0.7],
                    Classes: 1000,
                    DropPath: 0
                ),
                config => new DynamicVit(config)
            ),
            ImageSize: 32,
            Preprocessing: Preprocessing.Cifar10,
            Note: "not of the paper: for images of 32 pixels, from a vit_micro_patch4_32"
        ),
    ];
}
