using Tessera.Models.Layers;
using Tessera.Nn;

namespace Tessera.Models;

/// <summary>How the networks of Bootstrapping ViTs begin.</summary>
public enum BootstrapInit
{
    /// <summary>
    /// As the published code: patches and the biases of MLPs normal with deviation 1 (a mean of 1e-6 stands where the deviation was meant).
    /// </summary>
    Reference,

    /// <summary>As it was surely meant: patches 0.02, biases 1e-6.</summary>
    Corrected,
}

/// <summary>
/// The plain ViT of Bootstrapping ViTs, to be trained beside an <see cref="AgentCnn"/>; alone it is the paper's baseline, with
/// entmax attention its sparse one. Zhang et al., "Bootstrapping ViTs: Towards Liberating Vision Transformers from
/// Pre-training", 2022, arXiv:2112.03552. Names and order of the weights are those of the authors' code.
/// </summary>
public sealed partial class BootstrapVit : Backbone<BootstrapVit.Config>
{
    /// <summary>Sizes and options.</summary>
    /// <param name="ImageSize">Height and width in pixels, multiples of the patch.</param>
    /// <param name="Patch">Side of a patch.</param>
    /// <param name="Dim">Width of the tokens.</param>
    /// <param name="Depth">Number of blocks.</param>
    /// <param name="Heads">Heads of the attention.</param>
    /// <param name="Hidden">Hidden width of the MLP.</param>
    /// <param name="Classes">Number of classes; 0 for no classifier.</param>
    /// <param name="Channels">Channels of the images.</param>
    /// <param name="PreNorm">Norms before attention and MLP and after the last block; else on the branches and before the first
    /// block.</param>
    /// <param name="FinalNorm">Whether there is that norm after the last (before the first) block.</param>
    /// <param name="Eps">Of all norms.</param>
    /// <param name="Dropout">Dropout of attention weights, hidden units and branches.</param>
    /// <param name="Entmax">Entmax instead of softmax.</param>
    /// <param name="LearnedAlpha">Whether entmax learns its alpha.</param>
    /// <param name="Init">How weights begin.</param>
    public sealed record Config(
        (int Height, int Width) ImageSize,
        int Patch,
        int Dim,
        int Depth,
        int Heads,
        int Hidden,
        int Classes = 100,
        int Channels = 3,
        bool PreNorm = true,
        bool FinalNorm = true,
        double Eps = 1e-5,
        double Dropout = 0,
        bool Entmax = false,
        bool LearnedAlpha = true,
        BootstrapInit Init = BootstrapInit.Reference
    ) : BackboneConfig
    {
        /// <inheritdoc/>
        public override BackboneConfig With(ModelOptions options) =>
            (Config)base.With(options) with
            {
                Dropout = options.Dropout ?? Dropout,
            };
    }

    private readonly Parameter clsToken; // [1, 1, D]
    private readonly PatchEmbed patchEmbed;
    private readonly Positions posEmbed;
    private readonly Encoder transformer;
    private Linear? clsHead;

    /// <summary>A model with the chosen initialisation.</summary>
    public BootstrapVit(Config config)
        : base(config)
    {
        if (config.Dim % config.Heads != 0)
            throw new ArgumentException($"the width {config.Dim} must be a multiple of the {config.Heads} heads", nameof(config));
        clsToken = Nn.Init.Normal(new Parameter([1, 1, config.Dim]), 0.02);
        patchEmbed = new PatchEmbed(config.Channels, config.Dim, config.Patch);
        InitPatches(patchEmbed.Weight, patchEmbed.Bias, config.Init);
        posEmbed = new Positions(Grid.Height * Grid.Width + 1, config.Dim);
        transformer = new Encoder(config);
        if (config.Classes > 0)
            clsHead = new Linear(config.Dim, config.Classes);
    }

    internal static void InitPatches(Parameter weight, Parameter? bias, BootstrapInit init)
    {
        Nn.Init.Normal(weight, init == BootstrapInit.Reference ? 1 : 0.02);
        if (bias is not null)
            Nn.Init.Zeros(bias);
    }

    /// <summary>Xavier-uniform weights; biases as of MLPs.</summary>
    internal static void InitHidden(Parameter weight, Parameter? bias, BootstrapInit init)
    {
        Nn.Init.XavierUniform(weight);
        if (bias is not null)
            Nn.Init.Normal(bias, init == BootstrapInit.Reference ? 1 : 1e-6);
    }

    /// <inheritdoc/>
    public override int NumFeatures => Options.Dim;

    /// <inheritdoc/>
    public override int NumPrefixTokens => 1;

    /// <inheritdoc/>
    public override IReadOnlyList<string> BlockPaths => [.. Enumerable.Range(0, Options.Depth).Select(i => $"transformer.layers.{i}")];

    /// <inheritdoc/>
    protected override ref Linear? Classifier => ref clsHead;

    /// <inheritdoc/>
    protected override Linear NewClassifier(int classes) => new(NumFeatures, classes);

    /// <inheritdoc/>
    protected override string ClassifierPath => "cls_head";

    /// <inheritdoc/>
    public override IReadOnlyList<TransformerWeights> Transformer => [.. transformer.Layers.Select(block => block.Weights)];

    /// <inheritdoc/>
    public override bool NoWeightDecay(string name) => name is "cls_token" or "pos_embed.pos_embed";

    private (int Height, int Width) Grid => (Options.ImageSize.Height / Options.Patch, Options.ImageSize.Width / Options.Patch);

    /// <inheritdoc/>
    protected override Tensor Features(Tensor input) // [B, C, H, W] -> [B, 1 + N, D]
    {
        ExpectOwnSize(input);
        var patches = patchEmbed.Call(input);
        var tokens = Torch.Cat([clsToken.Expand([input.Size(0), -1, -1]), patches], 1) + posEmbed.Table.Transpose(0, 1);
        return Record("normed", transformer.Call(tokens));
    }

    /// <inheritdoc/>
    protected override Tensor Pool(Tensor features) => features.Select(1, 0);

    /// <inheritdoc/>
    protected override IReadOnlyList<FeatureMap> FeatureMaps(Tensor input) =>
        [new(Features(input).Slice(1, 1).ToMap(input.Size(2) / Options.Patch, input.Size(3) / Options.Patch), Options.Patch)];

    /// <inheritdoc/>
    public override void Resize(int height, int width)
    {
        if (height % Options.Patch != 0 || width % Options.Patch != 0)
            throw new ShapeException($"an image of {height} x {width} does not divide into patches of {Options.Patch} x {Options.Patch}");
        var before = Grid;
        Options = Options with { ImageSize = (height, width) };
        posEmbed.Resize(before, Grid);
    }

    /// <inheritdoc/>
    public override void AdaptStateDict(IDictionary<string, Tensor> state)
    {
        const string Name = "pos_embed.pos_embed";
        if (!state.TryGetValue(Name, out var table) || table.Dim != 3 || table.Size(0) == posEmbed.Table.Size(0))
            return;
        state[Name] = Positions.Resample(table, PositionTable.GridOf(table.Size(0) - 1, Grid), Grid);
    }

    /// <summary>The table of positions, the class token's first.</summary>
    private sealed partial class Positions(int count, int dim) : Module
    {
        private Parameter posEmbed = Nn.Init.Normal(new Parameter([count, 1, dim]), 0.02); // [1 + N, 1, D]

        public Parameter Table => posEmbed;

        public static Tensor Resample(Tensor table, (int, int) from, (int, int) to) =>
            Torch.Scope(() =>
                PositionTable.Resample(table.Transpose(0, 1), from, to, 1, PositionResampling.Bicubic).Transpose(0, 1).Contiguous()
            );

        public void Resize((int, int) from, (int, int) to)
        {
            using var scope = new Scope();
            using var outside = Torch.NoGrad();
            posEmbed = new Parameter(Resample(posEmbed, from, to).Clone());
        }
    }

    /// <summary>The blocks with their norm.</summary>
    private sealed partial class Encoder : Layer
    {
        private readonly LayerNorm? norm;
        private readonly ModuleList<Block> layers;
        private readonly bool preNorm;

        public Encoder(Config config)
        {
            if (config.FinalNorm)
                norm = new LayerNorm(config.Dim, config.Eps);
            layers = new(Enumerable.Range(0, config.Depth).Select(_ => new Block(config)));
            preNorm = config.PreNorm;
        }

        public IReadOnlyList<Block> Layers => layers;

        protected override Tensor Forward(Tensor x)
        {
            if (!preNorm && norm is not null)
                x = norm.Call(x);
            foreach (var block in layers)
                x = block.Call(x);
            return preNorm && norm is not null ? norm.Call(x) : x;
        }
    }

    /// <summary>x + drop(f(norm(x))), or x + drop(norm(f(x))), for f attention, then MLP.</summary>
    private sealed partial class Block : Layer
    {
        private readonly BootstrapAttention attention;
        private readonly BootstrapMlp mlp;
        private readonly LayerNorm norm1;
        private readonly LayerNorm norm2;
        private readonly Dropout drop;
        private readonly Config config;

        public Block(Config config)
        {
            this.config = config;
            attention = new BootstrapAttention(config);
            mlp = new BootstrapMlp(config);
            norm1 = new LayerNorm(config.Dim, config.Eps);
            norm2 = new LayerNorm(config.Dim, config.Eps);
            drop = new Dropout(config.Dropout);
        }

        public TransformerWeights Weights => new(attention, attention.Qkv, attention.Out, mlp.Linear1, mlp.Linear2, config.Heads);

        protected override Tensor Forward(Tensor x)
        {
            x = x + drop.Call(config.PreNorm ? attention.Call(norm1.Call(x)) : norm1.Call(attention.Call(x)));
            return x + drop.Call(config.PreNorm ? mlp.Call(norm2.Call(x)) : norm2.Call(mlp.Call(x)));
        }
    }

    private sealed partial class BootstrapAttention : Layer
    {
        private readonly Entmax? softmax;
        private readonly Linear linearQkv;
        private readonly Linear linearOut;
        private readonly Config config;

        public BootstrapAttention(Config config)
        {
            this.config = config;
            if (config.Entmax)
                softmax = new Entmax(learned: config.LearnedAlpha);
            linearQkv = new Linear(config.Dim, 3 * config.Dim);
            linearOut = new Linear(config.Dim, config.Dim);
            foreach (var linear in (Linear[])[linearQkv, linearOut])
            {
                Nn.Init.XavierUniform(linear.Weight);
                Nn.Init.Zeros(linear.Bias!);
            }
        }

        public Linear Qkv => linearQkv;
        public Linear Out => linearOut;

        protected override Tensor Forward(Tensor input) // [B, N, D]
        {
            var (batch, tokens, dim) = input.Shape;
            // 3 of [B, h, N, d]
            var packed = linearQkv.Call(input).Reshape(batch, tokens, 3, config.Heads, dim / config.Heads).Permute(2, 0, 3, 1, 4).Unbind();
            var (query, key, value) = (packed[0], packed[1], packed[2]);
            Tensor mixed;
            if (softmax is null)
                mixed = Attention.Apply(this, query, key, value, dropout: config.Dropout);
            else
            {
                var weights = Record("attention", softmax.Call((query / Math.Sqrt(dim / config.Heads)).Matmul(key.MT)));
                mixed = Torch.Dropout(weights, config.Dropout, Training).Matmul(value);
            }
            return linearOut.Call(mixed.Transpose(1, 2).Reshape(batch, tokens, dim));
        }
    }

    private sealed partial class BootstrapMlp : Layer
    {
        private readonly Linear linear1;
        private readonly Linear linear2;
        private readonly Dropout drop;

        public BootstrapMlp(Config config)
        {
            linear1 = new Linear(config.Dim, config.Hidden);
            linear2 = new Linear(config.Hidden, config.Dim);
            drop = new Dropout(config.Dropout);
            foreach (var linear in (Linear[])[linear1, linear2])
                InitHidden(linear.Weight, linear.Bias, config.Init);
        }

        public Linear Linear1 => linear1;
        public Linear Linear2 => linear2;

        protected override Tensor Forward(Tensor input) => linear2.Call(drop.Call(linear1.Call(input).Gelu()));
    }

    internal const string Paper = "Bootstrapping ViTs: Towards Liberating Vision Transformers from Pre-training, 2022, arXiv:2112.03552";

    private static Variant Make(string name, Config config, double? parameters, double? gmacs, double? top1, string note) =>
        new(
            name,
            Paper: Paper,
            Create: Variant.Configured(config, config => new BootstrapVit(config)),
            ImageSize: config.ImageSize.Height,
            Parameters: parameters,
            GMacs: gmacs,
            Top1: top1,
            Dataset: "CIFAR-100",
            Preprocessing: Preprocessing.Cifar100,
            Note: note
        );

    private static readonly Config small = new(ImageSize: (224, 224), Patch: 16, Dim: 288, Depth: 6, Heads: 9, Hidden: 1152, Dropout: 0.1);
    private static readonly Config wide = new(ImageSize: (224, 224), Patch: 16, Dim: 384, Depth: 12, Heads: 6, Hidden: 1536, Eps: 1e-6);

    /// <summary>The published sizes, and one for images of 32 pixels.</summary>
    public static IReadOnlyList<Variant> Variants { get; } =
    [
        Make(
            "bootstrap_vit_small_patch16_224",
            config: small,
            parameters: 6.30,
            gmacs: 1.35,
            top1: 61.25,
            note: "trained alone; 76.19 beside an agent, 75.50 with shared weights"
        ),
        Make(
            "bootstrap_vit_base_patch16_224",
            config: wide,
            parameters: 21.70,
            gmacs: 4.60,
            top1: 53.07,
            note: "384 wide; trained alone; 77.83 beside an agent, 75.71 with shared weights"
        ),
        Make(
            "bootstrap_vit_small_entmax_patch16_224",
            config: small with
            {
                Entmax = true,
            },
            parameters: 6.30,
            gmacs: null,
            top1: 62.29,
            note: "sparse attention, trained alone"
        ),
        Make(
            "bootstrap_vit_base_entmax_patch16_224",
            config: wide with
            {
                Entmax = true,
            },
            parameters: 21.70,
            gmacs: null,
            top1: 57.22,
            note: "sparse attention, trained alone"
        ),
        Make(
            "bootstrap_vit_micro_patch4_32",
            config: new(ImageSize: (32, 32), Patch: 4, Dim: 108, Depth: 6, Heads: 9, Hidden: 432, Init: BootstrapInit.Corrected),
            parameters: 0.872,
            gmacs: null,
            top1: null,
            note: "not of the paper: for images of 32 pixels"
        ),
    ];
}
