using Tessera.Models.Layers;
using Tessera.Nn;

namespace Tessera.Models;

/// <summary>How an agent turns an image into its first map.</summary>
public enum AgentStem
{
    /// <summary>Patches, as the ViT: the same grid.</summary>
    VitLike,

    /// <summary>Two convolutions with a pooling between: a finer grid.</summary>
    ResnetLike,
}

/// <summary>The convolution of an agent that has weights of its own.</summary>
public enum AgentConvolution
{
    /// <summary>3 x 3.</summary>
    Plain,

    /// <summary>A kernel position per head, see <see cref="GridConvolution"/>.</summary>
    ManyHead,
}

/// <summary>
/// The agent of Bootstrapping ViTs: a ViT in which each attention is a convolution with one kernel position per head, each MLP a
/// pair of 1 x 1 convolutions, each norm a batch norm. It stands alone, or works with the very weights of a ViT.
/// Zhang et al., 2022, arXiv:2112.03552, section 3. Names and order of the weights are those of the authors' code.
/// </summary>
public sealed partial class AgentCnn : Backbone<AgentCnn.Config>
{
    /// <summary>Sizes and options.</summary>
    /// <param name="ImageSize">Height and width in pixels.</param>
    /// <param name="Dim">Channels of all blocks.</param>
    /// <param name="Depth">Number of blocks.</param>
    /// <param name="Hidden">Hidden width of the 1 x 1 convolutions.</param>
    /// <param name="Convolution">Of an agent with weights of its own.</param>
    /// <param name="Heads">Kernel positions of <see cref="AgentConvolution.ManyHead"/>.</param>
    /// <param name="Stem">How the first map is made.</param>
    /// <param name="Patch">Side of a patch of the ViT-like stem.</param>
    /// <param name="StemWidth">Channels inside of the other stem.</param>
    /// <param name="StemStride">Stride of that stem: 8 as published; 4 (the first convolution steps by 1) or 2 (no pooling either) for
    /// small images.</param>
    /// <param name="DownSample">Blocks after which the map is halved.</param>
    /// <param name="PreNorm">Norms before convolutions; else on the branches.</param>
    /// <param name="Dropout">Dropout of branches.</param>
    /// <param name="HiddenDropout">Dropout of hidden units.</param>
    /// <param name="Classes">Number of classes; 0 for no classifier.</param>
    /// <param name="Channels">Channels of the images.</param>
    /// <param name="Init">How weights begin.</param>
    public sealed record Config(
        (int Height, int Width) ImageSize,
        int Dim,
        int Depth,
        int Hidden,
        AgentConvolution Convolution = AgentConvolution.Plain,
        int Heads = 9,
        AgentStem Stem = AgentStem.ResnetLike,
        int Patch = 16,
        int StemWidth = 64,
        int StemStride = 8,
        IReadOnlyList<int>? DownSample = null,
        bool PreNorm = true,
        double Dropout = 0,
        double HiddenDropout = 0,
        int Classes = 100,
        int Channels = 3,
        BootstrapInit Init = BootstrapInit.Reference
    ) : BackboneConfig
    {
        /// <inheritdoc/>
        public override BackboneConfig With(ModelOptions options) =>
            (Config)base.With(options) with
            {
                HiddenDropout = options.Dropout ?? HiddenDropout,
            };

        /// <summary>Blocks after which the map is halved.</summary>
        public IReadOnlyList<int> DownSample { get; init; } = DownSample ?? [];

        internal int FirstStride => Stem == AgentStem.VitLike ? Patch : StemStride;
    }

    private readonly Layer inputProj;
    private readonly ModuleList<Block> layers;
    private readonly BatchNorm bn;
    private Linear? linear;
    private readonly Gelu gelu = new();

    /// <summary>An agent with weights of its own.</summary>
    public AgentCnn(Config config)
        : this(config, null) { }

    /// <summary>An agent whose convolutions are made of the blocks of a ViT: the tensors are the ViT's own.</summary>
    /// <param name="config">Sizes; those of the blocks have to be the ViT's.</param>
    /// <param name="shared">Blocks of the ViT; null for weights of its own.</param>
    /// <exception cref="ArgumentException">The blocks are others than the configuration says, or their heads make no kernel.</exception>
    public AgentCnn(Config config, IReadOnlyList<TransformerWeights>? shared)
        : base(config)
    {
        if (config.StemStride is not (2 or 4 or 8))
            throw new ArgumentException($"the stride of the stem must be 8, 4 or 2, not {config.StemStride}", nameof(config));
        if (config.DownSample.Any(i => i < 0 || i >= config.Depth))
            throw new ArgumentException(
                $"DownSample names blocks {string.Join(", ", config.DownSample)}: they must be below {config.Depth}, counted from 0",
                nameof(config)
            );
        if (shared is not null && (shared.Count != config.Depth || shared.Any(s => s.Out.Weight.Size(0) != config.Dim)))
            throw new ArgumentException(
                $"an agent of {config.Depth} blocks of width {config.Dim} needs as many plain transformer blocks of that width "
                    + $"to share with: the ViT has {shared.Count}",
                nameof(shared)
            );
        inputProj = config.Stem == AgentStem.VitLike ? Patches(config) : new ResnetStem(config);
        layers = new(Enumerable.Range(0, config.Depth).Select(i => new Block(config, shared?[i])));
        bn = new BatchNorm(config.Dim);
        if (config.Classes > 0)
            linear = new Linear(config.Dim, config.Classes);
    }

    private static Conv2d Patches(Config config)
    {
        var conv = new Conv2d(config.Channels, config.Dim, config.Patch, config.Patch);
        BootstrapVit.InitPatches(conv.Weight, conv.Bias, config.Init);
        return conv;
    }

    /// <inheritdoc/>
    public override int NumFeatures => Options.Dim;

    /// <inheritdoc/>
    public override IReadOnlyList<string> BlockPaths => [.. Enumerable.Range(0, Options.Depth).Select(i => $"layers.{i}")];

    /// <inheritdoc/>
    protected override ref Linear? Classifier => ref linear;

    /// <inheritdoc/>
    protected override Linear NewClassifier(int classes) => new(NumFeatures, classes);

    /// <inheritdoc/>
    protected override string ClassifierPath => "linear";

    /// <summary>The norm after the last block.</summary>
    public BatchNorm FinalNorm => bn;

    // The maps of each resolution, the last of them as it enters the final norm.
    private IEnumerable<(Tensor Map, int Stride)> Maps(Tensor image)
    {
        var x = inputProj.Call(image);
        var stride = Options.FirstStride;
        foreach (var (i, block) in layers.Index())
        {
            x = block.Call(x);
            if (!Options.DownSample.Contains(i))
                continue;
            yield return (x, stride);
            x = x.AvgPool2d(2, 2);
            stride *= 2;
        }
        yield return (x, stride);
    }

    /// <inheritdoc/>
    // [B, C, H, W] -> [B, D, h, w]
    protected override Tensor Features(Tensor input) => Record("normed", gelu.Call(bn.Call(Maps(input).Last().Map)));

    /// <inheritdoc/>
    protected override Tensor Pool(Tensor features) => features.Mean((2, 3));

    /// <summary>The last map of each resolution.</summary>
    protected override IReadOnlyList<FeatureMap> FeatureMaps(Tensor input) =>
        [.. Maps(input).Select(map => new FeatureMap(map.Map, map.Stride))];

    /// <inheritdoc/>
    public override void Resize(int height, int width)
    {
        var step = Options.FirstStride;
        if (height % step != 0 || width % step != 0)
            throw new ShapeException(
                $"an image of {height} x {width} does not fit: both sides must be multiples of {step}, the stride of the first map"
            );
        Options = Options with { ImageSize = (height, width) };
    }

    /// <summary>x + drop(f(norm(x))), or x + drop(norm(f(x))), for f the convolution, then the 1 x 1 convolutions.</summary>
    private sealed partial class Block : Layer
    {
        private readonly Layer cnnBlock;
        private readonly Layer mlpBlock;
        private readonly BatchNorm norm1;
        private readonly BatchNorm norm2;
        private readonly Dropout drop;
        private readonly bool preNorm;

        public Block(Config config, TransformerWeights? shared)
        {
            cnnBlock =
                shared is not null ? new SharedConvolution(shared)
                : config.Convolution == AgentConvolution.Plain ? new PlainConvolution(config)
                : new ManyHeadConvolution(config);
            mlpBlock = shared is not null ? new SharedMlp(shared, config) : new Mlp(config);
            norm1 = new BatchNorm(config.Dim);
            norm2 = new BatchNorm(config.Dim);
            drop = new Dropout(config.Dropout);
            preNorm = config.PreNorm;
        }

        protected override Tensor Forward(Tensor x)
        {
            x = x + drop.Call(preNorm ? cnnBlock.Call(norm1.Call(x)) : norm1.Call(cnnBlock.Call(x)));
            return x + drop.Call(preNorm ? mlpBlock.Call(norm2.Call(x)) : norm2.Call(mlpBlock.Call(x)));
        }
    }

    private sealed partial class PlainConvolution : Layer
    {
        private readonly Conv2d conv;

        public PlainConvolution(Config config)
        {
            conv = new Conv2d(config.Dim, config.Dim, 3, padding: 1);
            Nn.Init.XavierUniform(conv.Weight);
            Nn.Init.Zeros(conv.Bias!);
        }

        protected override Tensor Forward(Tensor input) => conv.Call(input);
    }

    private sealed partial class ManyHeadConvolution : Layer
    {
        private readonly Parameter weight; // [C, C, h]
        private readonly Parameter bias; // [C]

        public ManyHeadConvolution(Config config)
        {
            GridConvolution.Side(config.Heads);
            weight = Nn.Init.XavierUniform(new Parameter([config.Dim, config.Dim, config.Heads]));
            bias = Nn.Init.Zeros(new Parameter(config.Dim));
        }

        protected override Tensor Forward(Tensor input) => GridConvolution.Apply(input, weight, bias);
    }

    private sealed partial class SharedConvolution : Layer
    {
        private readonly Module mhsa;

        [NotRegistered]
        private readonly TransformerWeights weights;

        public SharedConvolution(TransformerWeights weights)
        {
            GridConvolution.Side(weights.Heads);
            (mhsa, this.weights) = (weights.Attention, weights);
        }

        protected override Tensor Forward(Tensor input) =>
            GridConvolution.Apply(input, GridConvolution.Kernel(weights.Qkv.Weight, weights.Out.Weight, weights.Heads), weights.Out.Bias);
    }

    private sealed partial class Mlp : Layer
    {
        private readonly Conv2d conv1;
        private readonly Conv2d conv2;
        private readonly Gelu gelu = new();
        private readonly Dropout drop;

        public Mlp(Config config)
        {
            conv1 = new Conv2d(config.Dim, config.Hidden, 1);
            conv2 = new Conv2d(config.Hidden, config.Dim, 1);
            drop = new Dropout(config.HiddenDropout);
            foreach (var conv in (Conv2d[])[conv1, conv2])
                BootstrapVit.InitHidden(conv.Weight, conv.Bias, config.Init);
        }

        protected override Tensor Forward(Tensor input) => conv2.Call(drop.Call(gelu.Call(conv1.Call(input))));
    }

    private sealed partial class SharedMlp(TransformerWeights weights, Config config) : Layer
    {
        private readonly Linear linear1 = weights.Hidden;
        private readonly Linear linear2 = weights.Output;
        private readonly Gelu gelu = new();
        private readonly Dropout drop = new(config.HiddenDropout);

        protected override Tensor Forward(Tensor input) => Pointwise(linear2, drop.Call(gelu.Call(Pointwise(linear1, input))));

        private static Tensor Pointwise(Linear map, Tensor x) => Torch.Conv2d(x, map.Weight.Unsqueeze(-1).Unsqueeze(-1), map.Bias);
    }

    /// <summary>7 x 7 convolution, norm, GELU, pooling, 3 x 3 convolution.</summary>
    private sealed partial class ResnetStem : Layer
    {
        private readonly Conv2d conv1;
        private readonly BatchNorm norm;
        private readonly Conv2d conv2;
        private readonly Gelu gelu = new();
        private readonly bool pools;

        public ResnetStem(Config config)
        {
            pools = config.StemStride > 2;
            conv1 = new Conv2d(config.Channels, config.StemWidth, 7, config.StemStride == 8 ? 2 : 1, 3, bias: false);
            norm = new BatchNorm(config.StemWidth);
            conv2 = new Conv2d(config.StemWidth, config.Dim, 3, 2, 1);
            Nn.Init.XavierUniform(conv1.Weight);
            BootstrapVit.InitHidden(conv2.Weight, conv2.Bias, config.Init);
        }

        protected override Tensor Forward(Tensor input)
        {
            var x = gelu.Call(norm.Call(conv1.Call(input)));
            return conv2.Call(pools ? x.MaxPool2d(3, 2, 1) : x);
        }
    }

    private static Variant Make(string name, Config config, double parameters, double? gmacs, double? top1, string note) =>
        new(
            name,
            Paper: BootstrapVit.Paper,
            Create: Variant.Configured(config, config => new AgentCnn(config)),
            ImageSize: 224,
            Parameters: parameters,
            GMacs: gmacs,
            Top1: top1,
            Dataset: "CIFAR-100",
            Preprocessing: Preprocessing.Cifar100,
            Note: note
        );

    private static readonly Config small = new(ImageSize: (224, 224), Dim: 288, Depth: 6, Hidden: 1152, HiddenDropout: 0.1);
    private static readonly Config wide = new(
        ImageSize: (224, 224),
        Dim: 384,
        Depth: 12,
        Hidden: 1536,
        Convolution: AgentConvolution.ManyHead,
        Heads: 6,
        PreNorm: false,
        HiddenDropout: 0.1
    );

    /// <summary>The published sizes.</summary>
    public static IReadOnlyList<Variant> Variants { get; } =
    [
        Make(
            "agent_small_vit_224",
            config: small with
            {
                Stem = AgentStem.VitLike,
            },
            parameters: 8.73,
            gmacs: 1.70,
            top1: null,
            note: "stem as the ViT's"
        ),
        Make(
            "agent_small_resnet_224",
            config: small with
            {
                DownSample = [0, 1],
            },
            parameters: 8.68,
            gmacs: 1.91,
            top1: 74.62,
            note: "trained alone"
        ),
        Make(
            "agent_base_vit_224",
            config: wide with
            {
                Stem = AgentStem.VitLike,
            },
            parameters: 25.15,
            gmacs: null,
            top1: null,
            note: "stem as the ViT's; kernels of 6 positions (4.91 GMACs) are computed as 3 x 3"
        ),
        Make(
            "agent_base_resnet_224",
            config: wide with
            {
                DownSample = [2, 8],
            },
            parameters: 25.09,
            gmacs: null,
            top1: 74.78,
            note: "trained alone; kernels of 6 positions (7.88 GMACs) are computed as 3 x 3"
        ),
    ];
}
