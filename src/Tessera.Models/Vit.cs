using Tessera.Models.Layers;
using Tessera.Nn;

namespace Tessera.Models;

/// <summary>
/// Vision Transformer: patches as tokens, a class token, learned positions, pre-norm blocks.
/// Dosovitskiy et al., "An Image is Worth 16x16 Words", 2020, arXiv:2010.11929; small sizes and recipes from Steiner et al.,
/// "How to train your ViT?", 2021, arXiv:2106.10270. Names and order of the weights are timm's.
/// </summary>
public partial class Vit : Backbone<Vit.Config>
{
    /// <summary>Sizes and options of a ViT.</summary>
    /// <param name="ImageSize">Height and width in pixels, multiples of the patch.</param>
    /// <param name="Patch">Side of a patch.</param>
    /// <param name="Dim">Width of the tokens.</param>
    /// <param name="Depth">Number of blocks.</param>
    /// <param name="Heads">Heads of the attention.</param>
    /// <param name="Classes">Number of classes; 0 for no classifier.</param>
    /// <param name="Channels">Channels of the images.</param>
    /// <param name="MlpRatio">Hidden width of the MLP over the width.</param>
    /// <param name="QkvBias">Whether queries, keys and values have a bias.</param>
    /// <param name="Pool"><c>token</c>: the class token; <c>avg</c>: the mean of the patch tokens, with the final norm after it.</param>
    /// <param name="ClassToken">Whether there is a class token.</param>
    /// <param name="RegisterTokens">Learned tokens after the class token (Darcet et al., 2023, arXiv:2309.16588).</param>
    /// <param name="NoEmbedClass">Positions for patches only.</param>
    /// <param name="LayerScale">Initial factor of layer scale; null for none.</param>
    /// <param name="QkNorm">Norm of queries and keys per head.</param>
    /// <param name="PreNorm">A norm before the first block; the patch embedding has no bias then.</param>
    /// <param name="FcNorm">Norm after pooling; null: with <c>avg</c> only.</param>
    /// <param name="RepresentationSize">Width of a tanh layer before the classifier; null for none.</param>
    /// <param name="DynamicImageSize">Takes images of any size: positions are resampled while running.</param>
    /// <param name="Dropout">Dropout of tokens, MLPs, projections and the head.</param>
    /// <param name="DropPath">Stochastic depth of the last block.</param>
    /// <param name="Eps">Of all norms.</param>
    /// <param name="Resampling">How positions are resampled to another grid.</param>
    /// <param name="LastHeads">Heads of the last block, where they are others: a student of token relations (Ren et al., 2023,
    /// arXiv:2301.01296).</param>
    /// <param name="EvenDropPath">The same stochastic depth in all blocks but the last, which has none, as such students are
    /// trained.</param>
    public sealed record Config(
        (int Height, int Width) ImageSize,
        int Patch,
        int Dim,
        int Depth,
        int Heads,
        int Classes = 1000,
        int Channels = 3,
        double MlpRatio = 4,
        bool QkvBias = true,
        string Pool = "token",
        bool ClassToken = true,
        int RegisterTokens = 0,
        bool NoEmbedClass = false,
        double? LayerScale = null,
        bool QkNorm = false,
        bool PreNorm = false,
        bool? FcNorm = null,
        int? RepresentationSize = null,
        bool DynamicImageSize = false,
        double Dropout = 0,
        double DropPath = 0,
        double Eps = 1e-6,
        PositionResampling Resampling = PositionResampling.BicubicAntialiased,
        int? LastHeads = null,
        bool EvenDropPath = false
    ) : RegularizedConfig;

    private readonly Parameter? clsToken; // [1, 1, D]
    private readonly Parameter? regToken; // [1, R, D]
    private Parameter posEmbed; // [1, prefix + N, D]
    private readonly PatchEmbed patchEmbed;
    private readonly LayerNorm? normPre;
    private readonly ModuleList<Block> blocks;
    private readonly LayerNorm? norm;
    private readonly LayerNorm? fcNorm;
    private readonly PreLogits? preLogits;
    private Linear? head;
    private readonly Dropout drop;

    /// <summary>A ViT with timm's default initialisation: weights truncated normal 0.02, biases zero.</summary>
    public Vit(Config config)
        : this(config, distillationToken: false) { }

    /// <summary>A ViT whose position table has one more row, for the distillation token of a derived model.</summary>
    private protected Vit(Config config, bool distillationToken)
        : base(config)
    {
        if (config.Pool is not ("token" or "avg"))
            throw new ArgumentException($"pool '{config.Pool}' must be token or avg", nameof(config));
        if (config.Pool == "token" && !config.ClassToken)
            throw new ArgumentException("pool token needs a class token: set ClassToken, or pool by avg", nameof(config));
        NumPrefixTokens = (config.ClassToken ? 1 : 0) + (distillationToken ? 1 : 0) + config.RegisterTokens;
        if (config.ClassToken)
            clsToken = Init.Normal(new Parameter([1, 1, config.Dim]), 1e-6);
        if (config.RegisterTokens > 0)
            regToken = Init.Normal(new Parameter([1, config.RegisterTokens, config.Dim]), 1e-6);
        posEmbed = Init.TruncatedNormal(new Parameter([1, PositionPrefix + Grid.Height * Grid.Width, config.Dim]), 0.02);
        patchEmbed = new PatchEmbed(config.Channels, config.Dim, config.Patch, bias: !config.PreNorm);
        if (config.PreNorm)
            normPre = new LayerNorm(config.Dim, config.Eps);
        var rates = Nn.DropPath.Rates(config.DropPath, config.Depth);
        if (config.EvenDropPath)
            rates = [.. Enumerable.Range(0, config.Depth).Select(i => i + 1 < config.Depth ? config.DropPath : 0)];
        blocks = new(
            Enumerable
                .Range(0, config.Depth)
                .Select(i => new Block(config, i + 1 == config.Depth ? config.LastHeads ?? config.Heads : config.Heads, rates[i]))
        );
        var afterPool = config.FcNorm ?? config.Pool == "avg";
        if (afterPool)
            fcNorm = new LayerNorm(config.Dim, config.Eps);
        else
            norm = new LayerNorm(config.Dim, config.Eps);
        if (config.RepresentationSize is { } width)
            preLogits = new PreLogits(config.Dim, width);
        head = InitialClassifier();
        drop = new Dropout(config.Dropout);
    }

    /// <inheritdoc/>
    public override int NumFeatures => Options.RepresentationSize ?? Options.Dim;

    /// <inheritdoc/>
    public override int NumPrefixTokens { get; }

    /// <summary>Not where the classifier sees the mean of the patches, in which a class token has no part.</summary>
    public override bool HasClassToken => Options.Pool == "token";

    /// <inheritdoc/>
    public override IReadOnlyList<string> BlockPaths => [.. Enumerable.Range(0, Options.Depth).Select(i => $"blocks.{i}")];

    /// <inheritdoc/>
    protected override ref Linear? Classifier => ref head;

    /// <inheritdoc/>
    public override IReadOnlyList<TransformerWeights> Transformer => [.. blocks.Select(block => block.Weights)];

    /// <inheritdoc/>
    public override bool NoWeightDecay(string name) => name is "pos_embed" or "cls_token" or "reg_token" or "dist_token";

    private (int Height, int Width) Grid => (Options.ImageSize.Height / Options.Patch, Options.ImageSize.Width / Options.Patch);
    private int PositionPrefix => Options.NoEmbedClass ? 0 : NumPrefixTokens;

    /// <summary>Tokens in front of the patches, [1, prefix, D] each.</summary>
    private protected virtual IEnumerable<Parameter> Prefix()
    {
        if (clsToken is not null)
            yield return clsToken;
        if (regToken is not null)
            yield return regToken;
    }

    /// <summary>The position table, [1, prefix + N, D].</summary>
    public Parameter Positions => posEmbed;

    /// <summary>
    /// Tokens after the final norm when only some patches are seen (He et al., 2021, arXiv:2111.06377, section 3): the others are
    /// left out before the first block.
    /// </summary>
    /// <param name="image">[B, C, H, W].</param>
    /// <param name="kept">Which patches, counted by rows, int64, [B, K]; their order is kept.</param>
    /// <returns>[B, prefix + K, D].</returns>
    public Tensor ForwardVisible(Tensor image, Tensor kept) =>
        Torch.Scope(() =>
        {
            var x = After(image, Options.Depth, kept);
            return norm is null ? x : norm.Call(x);
        });

    /// <summary>Queries, keys and values of one block; what comes after them is not computed.</summary>
    /// <param name="image">[B, C, H, W].</param>
    /// <param name="block">Which block, from 0.</param>
    /// <param name="heads">Cuts them into another number of heads; the block's own when left out.</param>
    /// <param name="kept">Which patches are seen, as for <see cref="ForwardVisible"/>; all when left out.</param>
    /// <returns>[3, B, h, prefix + N, d].</returns>
    public Tensor QueriesKeysValues(Tensor image, int block, int? heads = null, Tensor? kept = null) =>
        Torch.Scope(() => blocks[block].Project(After(image, block, kept), heads));

    /// <summary>Tokens after some blocks; what comes after them is not computed.</summary>
    /// <param name="image">[B, C, H, W].</param>
    /// <param name="count">How many blocks; the final norm is not applied.</param>
    /// <param name="kept">Which patches are seen, as for <see cref="ForwardVisible"/>; all when left out.</param>
    /// <returns>[B, prefix + N, D].</returns>
    public Tensor TokensAfter(Tensor image, int count, Tensor? kept = null) => Torch.Scope(() => After(image, count, kept));

    private Tensor After(Tensor image, int count, Tensor? kept)
    {
        var x = Embed(image);
        if (kept is not null)
        {
            var seen = x.Slice(1, NumPrefixTokens).Gather(1, kept.Unsqueeze(-1).Expand([-1, -1, Options.Dim]));
            x = Torch.Cat([x.Slice(1, 0, NumPrefixTokens), seen], 1);
        }
        return blocks.Take(count).Aggregate(x, (tokens, block) => block.Call(tokens));
    }

    private Tensor Embed(Tensor image) // [B, C, H, W] -> [B, prefix + N, D]
    {
        var (height, width) = ((int)image.Size(2), (int)image.Size(3));
        if (!Options.DynamicImageSize)
            ExpectOwnSize(image);
        var x = Record("patch_tokens", patchEmbed.Call(image));
        Tensor positions = posEmbed;
        if (Options.DynamicImageSize)
            positions = PositionTable.Resample(
                posEmbed,
                Grid,
                (height / Options.Patch, width / Options.Patch),
                PositionPrefix,
                Options.Resampling
            );
        if (Options.NoEmbedClass)
            x = x + positions;
        if (NumPrefixTokens > 0)
            x = Torch.Cat([.. Prefix().Select(token => token.Expand([image.Size(0), -1, -1])), x], 1);
        if (!Options.NoEmbedClass)
            x = x + positions;
        x = drop.Call(x);
        return Record("embedded", normPre is null ? x : normPre.Call(x));
    }

    /// <inheritdoc/>
    protected override Tensor Features(Tensor input) // [B, C, H, W] -> [B, prefix + N, D]
    {
        var x = Embed(input);
        foreach (var block in blocks)
            x = block.Call(x);
        return Record("normed", norm is null ? x : norm.Call(x));
    }

    /// <inheritdoc/>
    protected override Tensor Pool(Tensor features)
    {
        var pooled = Options.Pool == "token" ? features.Select(1, 0) : features.Slice(1, NumPrefixTokens).Mean(1);
        if (fcNorm is not null)
            pooled = fcNorm.Call(pooled);
        return preLogits is null ? pooled : preLogits.Call(pooled);
    }

    /// <inheritdoc/>
    protected override Tensor Classify(Tensor pooled) => head is null ? pooled : head.Call(drop.Call(pooled));

    /// <inheritdoc/>
    protected override IReadOnlyList<FeatureMap> FeatureMaps(Tensor input)
    {
        var (batch, height, width) = (input.Size(0), input.Size(2) / Options.Patch, input.Size(3) / Options.Patch);
        var tokens = Features(input).Slice(1, NumPrefixTokens);
        return [new(tokens.Transpose(1, 2).Reshape(batch, Options.Dim, height, width), Options.Patch)];
    }

    /// <inheritdoc/>
    public override void Resize(int height, int width)
    {
        PatchEmbed.CheckSize(height, width, Options.Patch);
        var before = Grid;
        Options = Options with { ImageSize = (height, width) };
        posEmbed = PositionTable.ResampleParameter(posEmbed, before, Grid, PositionPrefix, Options.Resampling);
    }

    /// <summary>
    /// Besides the positions: names of tiny-transformers; the encoder of a masked autoencoder, whose norm does not fit a norm after
    /// pooling.
    /// </summary>
    public override void AdaptStateDict(IDictionary<string, Tensor> state)
    {
        TinyTransformersNames.Convert(state);
        foreach (
            var name in state.Keys.Where(name => name == "mask_token" || name.StartsWith("decoder_", StringComparison.Ordinal)).ToArray()
        )
            state.Remove(name);
        if (norm is null && fcNorm is not null && state.Remove("norm.weight"))
        {
            state.Remove("norm.bias");
            state.TryAdd("fc_norm.weight", fcNorm.Weight!);
            state.TryAdd("fc_norm.bias", fcNorm.Bias!);
        }
        if (!state.TryGetValue("pos_embed", out var table) || table.Dim != 3 || table.Size(1) == posEmbed.Size(1))
            return;
        state["pos_embed"] = PositionTable.Resample(
            table,
            PositionTable.GridOf(table.Size(1) - PositionPrefix, Grid),
            Grid,
            PositionPrefix,
            Options.Resampling
        );
    }

    /// <summary>x + LS(attention(norm(x))), then x + LS(MLP(norm(x))) (equations 2 and 3).</summary>
    public sealed partial class Block : Layer
    {
        private readonly LayerNorm norm1;
        private readonly SelfAttention attn;
        private readonly LayerScale? ls1;
        private readonly LayerNorm norm2;
        private readonly Mlp mlp;
        private readonly LayerScale? ls2;
        private readonly DropPath dropPath;
        private readonly int heads;

        /// <summary>A block with timm's initialisation.</summary>
        /// <param name="config">Sizes.</param>
        /// <param name="heads">Heads of the attention.</param>
        /// <param name="dropPath">Stochastic depth.</param>
        public Block(Config config, int heads, double dropPath)
        {
            this.heads = heads;
            norm1 = new LayerNorm(config.Dim, config.Eps);
            attn = new SelfAttention(
                config.Dim,
                heads,
                config.QkvBias,
                dropout: config.Dropout,
                qkNormEps: config.QkNorm ? config.Eps : null
            );
            if (config.LayerScale is { } first)
                ls1 = new LayerScale(config.Dim, first);
            norm2 = new LayerNorm(config.Dim, config.Eps);
            mlp = new Mlp(config.Dim, (int)(config.Dim * config.MlpRatio), config.Dropout);
            if (config.LayerScale is { } second)
                ls2 = new LayerScale(config.Dim, second);
            this.dropPath = new DropPath(dropPath);
            TransformerInit.Linears(this);
        }

        /// <summary>Its maps.</summary>
        public TransformerWeights Weights => new(attn, attn.Maps.Qkv, attn.Maps.Out, mlp.Maps.First, mlp.Maps.Second, heads);

        /// <summary>Queries, keys and values of the attention alone, [3, B, h, N, d].</summary>
        public Tensor Project(Tensor x, int? heads) => attn.Project(norm1.Call(x), heads);

        /// <inheritdoc/>
        protected override Tensor Forward(Tensor x)
        {
            x = x + dropPath.Call(Scale(ls1, attn.Call(norm1.Call(x))));
            return x + dropPath.Call(Scale(ls2, mlp.Call(norm2.Call(x))));
        }

        private static Tensor Scale(LayerScale? scale, Tensor x) => scale is null ? x : scale.Call(x);
    }

    /// <summary>The tanh layer of the original pre-training heads.</summary>
    private sealed partial class PreLogits(int dim, int width) : Layer
    {
        private readonly Linear fc = TransformerInit.Linears(new Linear(dim, width));

        protected override Tensor Forward(Tensor input) => fc.Call(input).Tanh();
    }

    private const string Paper = "An Image is Worth 16x16 Words, 2020, arXiv:2010.11929";
    private const string MaePaper = "Masked Autoencoders Are Scalable Vision Learners, 2021, arXiv:2111.06377";
    private const string TinyMimPaper = "TinyMIM: An Empirical Study of Distilling MIM Pre-trained Models, 2023, arXiv:2301.01296";
    private const string Augreg = "augreg, 21k then 1k";
    private const string Small = "not of the paper: for images of 32 pixels";
    private const string MeanOfPatches = "fine-tuned; features are the mean of the patches";
    private const string PretrainingHeads = "heads as in pre-training";

    private static readonly Config micro = new(ImageSize: (32, 32), Patch: 4, Dim: 96, Depth: 6, Heads: 3);
    private static readonly Config mini = micro with { Dim = 192 };
    private static readonly Config tiny = new(ImageSize: (224, 224), Patch: 16, Dim: 192, Depth: 12, Heads: 3);
    private static readonly Config tinyMim = tiny with { Heads = 6 };
    private static readonly Config small = tiny with { Dim = 384, Heads = 6 };
    private static readonly Config basic = tiny with { Dim = 768, Heads = 12 };
    private static readonly Config large = tiny with { Dim = 1024, Depth = 24, Heads = 16 };
    private static readonly Config huge = tiny with { Dim = 1280, Depth = 32, Heads = 16 };

    private static Variant Make(
        string name,
        Config size,
        double parameters,
        double gmacs,
        int patch = 16,
        int image = 224,
        double? top1 = null,
        string? note = null,
        double? from1k = null,
        double? original = null
    ) =>
        new(
            name,
            Paper: Paper,
            Create: Variant.Configured(size with { ImageSize = (image, image), Patch = patch }, config => new Vit(config)),
            ImageSize: image,
            Parameters: parameters,
            GMacs: gmacs,
            Top1: top1,
            Dataset: "ImageNet-1k",
            Preprocessing: Preprocessing.Half with
            {
                CropRatio = image > 224 ? 1 : 0.9,
            },
            Note: from1k is null && original is null
                ? note
                : note + Beside(from1k, "from 1k alone") + Beside(original, "by the original recipe")
        );

    // The accuracy of other weights of the same model.
    private static string Beside(double? top1, string training) =>
        top1 is null ? "" : FormattableString.Invariant($"; {top1:F2} {training}");

    private static Variant Finetuned(
        string name,
        Config size,
        string paper,
        double parameters,
        double top1,
        string note,
        int patch = 16,
        int? lastHeads = null
    ) =>
        new(
            name,
            Paper: paper,
            Create: Variant.Configured(
                size with
                {
                    Patch = patch,
                    Pool = "avg",
                    DropPath = 0.1,
                    Resampling = PositionResampling.Bicubic,
                    LastHeads = lastHeads,
                },
                config => new Vit(config)
            ),
            ImageSize: 224,
            Parameters: parameters,
            Top1: top1,
            Dataset: "ImageNet-1k",
            Preprocessing: Preprocessing.ImageNet,
            Note: note
        );

    private static Variant Pretrained(string name, Config size, int lastHeads, double parameters) =>
        new(
            name,
            Paper: TinyMimPaper,
            Create: Variant.Configured(
                size with
                {
                    DropPath = 0.1,
                    Resampling = PositionResampling.Bicubic,
                    LastHeads = lastHeads,
                    EvenDropPath = true,
                },
                config => new Vit(config)
            ),
            ImageSize: 224,
            Parameters: parameters,
            Dataset: "ImageNet-1k",
            Preprocessing: Preprocessing.ImageNet,
            Note: "for pre-training: the last block has the teacher's heads, stochastic depth is even"
        );

    /// <summary>The published sizes.</summary>
    public static IReadOnlyList<Variant> Variants { get; } =
    [
        Make("vit_tiny_patch16_224", tiny, parameters: 5.72, gmacs: 1.26, top1: 75.45, note: Augreg),
        Make("vit_tiny_patch16_384", tiny, image: 384, parameters: 5.79, gmacs: 4.70, top1: 78.45, note: Augreg),
        Make("vit_small_patch32_224", small, patch: 32, parameters: 22.88, gmacs: 1.15, top1: 76.00, note: Augreg),
        Make("vit_small_patch32_384", small, patch: 32, image: 384, parameters: 22.92, gmacs: 3.45, top1: 80.48, note: Augreg),
        Make("vit_small_patch16_224", small, parameters: 22.05, gmacs: 4.61, top1: 81.41, note: Augreg, from1k: 78.84),
        Make("vit_small_patch16_384", small, image: 384, parameters: 22.20, gmacs: 15.52, top1: 83.80, note: Augreg, from1k: 81.13),
        Make("vit_base_patch32_224", basic, patch: 32, parameters: 88.22, gmacs: 4.41, top1: 80.74, note: Augreg, from1k: 74.91),
        Make(
            "vit_base_patch32_384",
            basic,
            patch: 32,
            image: 384,
            parameters: 88.30,
            gmacs: 13.06,
            top1: 83.35,
            note: Augreg,
            from1k: 78.75
        ),
        Make("vit_base_patch16_224", basic, parameters: 86.57, gmacs: 17.58, top1: 84.53, note: Augreg, from1k: 79.14, original: 81.79),
        Make(
            "vit_base_patch16_384",
            basic,
            image: 384,
            parameters: 86.86,
            gmacs: 55.54,
            top1: 86.01,
            note: Augreg,
            from1k: 81.10,
            original: 84.21
        ),
        Make("vit_base_patch8_224", basic, patch: 8, parameters: 86.58, gmacs: 78.22, note: Augreg),
        Make("vit_small_patch8_224", small, patch: 8, parameters: 22.0, gmacs: 22.4, note: "weights of self-supervised training only"),
        Make("vit_large_patch32_384", large, patch: 32, image: 384, parameters: 306.63, gmacs: 45.31, top1: 81.51, note: "original recipe"),
        Make("vit_large_patch16_224", large, parameters: 304.33, gmacs: 61.60, top1: 85.85, note: Augreg),
        Make("vit_large_patch16_384", large, image: 384, parameters: 304.72, gmacs: 191.2, top1: 87.09, note: Augreg),
        Make("vit_large_patch14_224", large, patch: 14, parameters: 304.20, gmacs: 81.1),
        Make("vit_micro_patch4_32", micro, patch: 4, image: 32, parameters: 0.779, gmacs: 0.048, note: Small),
        Make("vit_mini_patch4_32", mini, patch: 4, image: 32, parameters: 2.885, gmacs: 0.183, note: Small),
        Make(
            "vit_huge_patch14_224",
            huge,
            patch: 14,
            parameters: 632.05,
            gmacs: 167.4,
            note: "88.55 after JFT-300M at 518 pixels in the paper"
        ),
        Finetuned("mae_vit_base_patch16", basic, paper: MaePaper, parameters: 86.57, top1: 83.66, note: MeanOfPatches),
        Finetuned("mae_vit_large_patch16", large, paper: MaePaper, parameters: 304.33, top1: 85.95, note: MeanOfPatches),
        Finetuned("mae_vit_huge_patch14", huge, paper: MaePaper, patch: 14, parameters: 632.05, top1: 86.93, note: MeanOfPatches),
        Pretrained("tinymim_vit_tiny_pretrain", tinyMim, lastHeads: 12, parameters: 5.72),
        Pretrained("tinymim_vit_small_pretrain", small, lastHeads: 12, parameters: 22.05),
        Pretrained("tinymim_vit_base_pretrain", basic, lastHeads: 16, parameters: 86.57),
        Finetuned(
            "tinymim_vit_tiny_patch16",
            tinyMim,
            paper: TinyMimPaper,
            lastHeads: 12,
            parameters: 5.72,
            top1: 75.8,
            note: PretrainingHeads
        ),
        Finetuned(
            "tinymim_vit_small_patch16",
            small,
            paper: TinyMimPaper,
            lastHeads: 12,
            parameters: 22.05,
            top1: 83.0,
            note: PretrainingHeads
        ),
        Finetuned(
            "tinymim_vit_base_patch16",
            basic,
            paper: TinyMimPaper,
            lastHeads: 16,
            parameters: 86.57,
            top1: 85.0,
            note: PretrainingHeads
        ),
    ];
}
