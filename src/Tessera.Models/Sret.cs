using Tessera.Models.Layers;
using Tessera.Nn;

namespace Tessera.Models;

/// <summary>
/// SReT: every block of weights is used several times in a row, with a small layer of its own between the passes, and
/// attention stays inside slices of the tokens, which are permuted before every repeated pass. Shen et al., "Sliced Recursive
/// Transformer", 2021, arXiv:2111.05297.
/// </summary>
/// <remarks>
/// The state dict holds a shared block under every position at which it is used, as the published weights do; each tensor is
/// one parameter all the same. Sliced models draw their permutations in evaluation too: seed the engine, give
/// <see cref="ModelInput.Draws"/>, or set <see cref="Config.Permutation"/> for results that repeat.
/// </remarks>
public sealed partial class Sret : Backbone<Sret.Config>
{
    /// <summary>Name of a permutation among <see cref="ModelInput.Draws"/>: the token that each position takes, int64 [N].</summary>
    /// <param name="stage">From 0.</param>
    /// <param name="pass">Pass of the stage, from 0.</param>
    public static string Permutation(int stage, int pass) => $"permutation{stage}.{pass}";

    /// <summary>Sizes and options; lists have an entry per stage.</summary>
    /// <param name="ImageSize">Height and width in pixels, multiples of 32.</param>
    /// <param name="BaseDims">Width of a head.</param>
    /// <param name="Depth">Passes through blocks.</param>
    /// <param name="Blocks">Different blocks; each is passed Depth / Blocks times.</param>
    /// <param name="Heads">Heads of the attention.</param>
    /// <param name="Groups">Slices of ordinary passes; null for attention over all tokens.</param>
    /// <param name="PermutedGroups">Slices of repeated passes, over permuted tokens.</param>
    /// <param name="MlpRatio">Hidden width of the blocks' MLPs over the width.</param>
    /// <param name="BetweenRatio">Hidden width of the layers between the passes over the width.</param>
    /// <param name="Classes">Number of classes; 0 for no classifier.</param>
    /// <param name="Channels">Channels of the images.</param>
    /// <param name="Dropout">Dropout of tokens, MLPs and projections.</param>
    /// <param name="DropPath">Stochastic depth, growing over the passes of all stages.</param>
    /// <param name="Permutation">A fixed permutation, position i taking token (Multiplier i + Offset) mod N; null draws anew at every
    /// pass.</param>
    public sealed record Config(
        (int Height, int Width) ImageSize,
        IReadOnlyList<int> BaseDims,
        IReadOnlyList<int> Depth,
        IReadOnlyList<int> Blocks,
        IReadOnlyList<int> Heads,
        IReadOnlyList<int>? Groups,
        IReadOnlyList<int>? PermutedGroups,
        double MlpRatio,
        double BetweenRatio = 1,
        int Classes = 1000,
        int Channels = 3,
        double Dropout = 0,
        double DropPath = 0,
        (int Multiplier, int Offset)? Permutation = null
    ) : RegularizedConfig
    {
        /// <summary>Number of stages.</summary>
        public int Stages => Depth.Count;

        /// <summary>Width of a stage.</summary>
        public int Dim(int stage) => BaseDims[stage] * Heads[stage];
    }

    private Parameter posEmbed; // [1, D, H / 8, W / 8]
    private readonly Stem patchEmbed;
    private readonly ModuleList<Stage> transformers;
    private readonly ModuleList<Reduction> pools;
    private readonly LayerNorm norm;
    private Linear? head;
    private readonly Dropout drop;

    /// <summary>A model with the authors' initialisation: positions truncated normal 0.02, all else the engine's default.</summary>
    public Sret(Config config)
        : base(config)
    {
        Check(config.ImageSize);
        posEmbed = Init.TruncatedNormal(new Parameter([1, config.Dim(0), config.ImageSize.Height / 8, config.ImageSize.Width / 8]), 0.02);
        patchEmbed = new Stem(config.Channels, config.Dim(0));
        transformers = new(Enumerable.Range(0, config.Stages).Select(stage => new Stage(config, stage)));
        pools = new(Enumerable.Range(0, config.Stages - 1).Select(stage => new Reduction(config.Dim(stage), config.Dim(stage + 1))));
        norm = new LayerNorm(NumFeatures, 1e-6);
        if (config.Classes > 0)
            head = new Linear(NumFeatures, config.Classes);
        drop = new Dropout(config.Dropout);
    }

    /// <inheritdoc/>
    public override int NumFeatures => Options.Dim(Options.Stages - 1);

    /// <summary>A path per pass: that of the layer after the block, which belongs to this pass alone.</summary>
    public override IReadOnlyList<string> BlockPaths =>
        [
            .. Options
                .Depth.Index()
                .SelectMany(stage => Enumerable.Range(0, stage.Item).Select(pass => $"transformers.{stage.Index}.blocks.{2 * pass + 1}")),
        ];

    /// <inheritdoc/>
    protected override ref Linear? Classifier => ref head;

    /// <inheritdoc/>
    protected override Linear NewClassifier(int classes) => new(NumFeatures, classes);

    /// <inheritdoc/>
    public override bool NoWeightDecay(string name) => name == "pos_embed";

    private void Check((int Height, int Width) size)
    {
        var multiple = 8 << (Options.Stages - 1);
        if (size.Height % multiple != 0 || size.Width % multiple != 0)
            throw new ShapeException($"an image of {size.Height} x {size.Width} does not fit: both sides must be multiples of {multiple}");
        for (var stage = 0; stage < Options.Stages; stage++)
        {
            var tokens = (size.Height / (8 << stage)) * (size.Width / (8 << stage));
            foreach (var groups in new[] { Options.Groups?[stage] ?? 1, Options.PermutedGroups?[stage] ?? 1 })
                if (tokens % groups != 0)
                    throw new ShapeException(
                        $"the {tokens} tokens of stage {stage} do not divide into {groups} slices: "
                            + "choose another image size or other groups"
                    );
        }
    }

    private IEnumerable<Tensor> Stages(Tensor image, IReadOnlyDictionary<string, Tensor> draws) // [B, C, H, W] -> maps of strides 8, 16, 32
    {
        ExpectOwnSize(image);
        var x = drop.Call(patchEmbed.Call(image) + posEmbed);
        for (var stage = 0; stage < Options.Stages; stage++)
        {
            if (stage > 0)
                x = pools[stage - 1].Call(x);
            x = transformers[stage].Call((x, draws));
            yield return x;
        }
    }

    /// <summary>The last map, [B, D, H / 32, W / 32]; the norm comes after pooling.</summary>
    protected override Tensor Features(Tensor input) => Stages(input, new Dictionary<string, Tensor>()).Last();

    /// <inheritdoc/>
    protected override Tensor Pool(Tensor features) => norm.Call(features.Mean([2, 3]));

    /// <inheritdoc/>
    protected override Outputs ForwardOutputs(ModelInput input) => new(Classify(Pool(Stages(input.Inputs, input.Draws).Last())));

    /// <inheritdoc/>
    protected override IReadOnlyList<FeatureMap> FeatureMaps(Tensor input) =>
        [.. Stages(input, new Dictionary<string, Tensor>()).Select((map, stage) => new FeatureMap(map, 8 << stage))];

    /// <inheritdoc/>
    public override void Resize(int height, int width)
    {
        Check((height, width));
        Options = Options with { ImageSize = (height, width) };
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        posEmbed = new Parameter(Resample(posEmbed).Clone());
    }

    private Tensor Resample(Tensor table) => table.UpsampleBicubic2d([Options.ImageSize.Height / 8, Options.ImageSize.Width / 8], false);

    /// <summary>Resamples positions, and fills in the positions of shared blocks where a file holds each tensor once.</summary>
    public override void AdaptStateDict(IDictionary<string, Tensor> state)
    {
        if (state.TryGetValue("pos_embed", out var table) && table.Dim == 4 && table.Shape != posEmbed.Shape)
            state["pos_embed"] = Torch.Scope(() => Resample(table));
        var firstNames = new Dictionary<Tensor, string>(ReferenceEqualityComparer.Instance);
        foreach (var (name, tensor) in StateDict())
        {
            if (firstNames.TryAdd(tensor, name) || state.ContainsKey(name))
                continue;
            if (state.TryGetValue(firstNames[tensor], out var shared))
                state[name] = shared;
        }
    }

    /// <summary>Three convolutions of stride 2.</summary>
    private sealed partial class Stem(int channels, int dim) : Layer
    {
        private readonly Conv2d conv1 = new(channels, dim / 2, 3, 2, 1);
        private readonly BatchNorm bn1 = new(dim / 2);
        private readonly Conv2d conv2 = new(dim / 2, dim, 3, 2, 1);
        private readonly BatchNorm bn2 = new(dim);
        private readonly Conv2d conv3 = new(dim, dim, 3, 2, 1);
        private readonly BatchNorm bn3 = new(dim);

        protected override Tensor Forward(Tensor input) // [B, C, H, W] -> [B, D, H / 8, W / 8]
        {
            var x = bn1.Call(conv1.Call(input)).Relu();
            x = bn2.Call(conv2.Call(x)).Relu();
            return bn3.Call(conv3.Call(x)).Relu();
        }
    }

    /// <summary>Halves the map between stages; every channel yields its own share of the next stage's.</summary>
    private sealed partial class Reduction(int dim, int outputs) : Layer
    {
        private readonly Conv2d conv = new(dim, outputs, 3, 2, 1, groups: dim);

        protected override Tensor Forward(Tensor input) => conv.Call(input);
    }

    /// <summary>A learned factor of one residual arm.</summary>
    private sealed partial class Coefficient : Layer
    {
        private readonly Parameter bias = Init.Ones(new Parameter(1));

        protected override Tensor Forward(Tensor input) => input * bias;
    }

    /// <summary>The passes of one stage: block, layer between, block, layer between, ... over one list of shared modules.</summary>
    private sealed partial class Stage : Module<(Tensor Map, IReadOnlyDictionary<string, Tensor> Draws), Tensor>
    {
        private readonly ModuleList<Module> blocks;

        [NotRegistered]
        private readonly List<(Block Block, Between Between)> passes = [];
        private readonly int stage;
        private readonly int permutedGroups;
        private readonly (int Multiplier, int Offset)? permutation;

        public Stage(Config config, int stage)
        {
            if (config.Depth[stage] % config.Blocks[stage] != 0)
                throw new ArgumentException(
                    $"the {config.Depth[stage]} passes of stage {stage} must be a multiple of its {config.Blocks[stage]} blocks",
                    nameof(config)
                );
            this.stage = stage;
            permutation = config.Permutation;
            permutedGroups = config.PermutedGroups?[stage] ?? 1;
            var before = config.Depth.Take(stage).Sum();
            for (var b = 0; b < config.Blocks[stage]; b++)
            {
                // A stage's block b has the rate of its run's entry b, however often it is passed.
                var block = new Block(config, stage, config.DropPath * (before + b) / config.Depth.Sum());
                for (var loop = 0; loop < config.Depth[stage] / config.Blocks[stage]; loop++)
                    passes.Add((block, new Between(config.Dim(stage), config.BetweenRatio, config.Dropout)));
            }
            blocks = new(passes.SelectMany(pass => new Module[] { pass.Block, pass.Between }));
        }

        protected override Tensor Forward((Tensor Map, IReadOnlyDictionary<string, Tensor> Draws) input)
        {
            var (batch, dim, height, width) = input.Map.Shape;
            var x = input.Map.Flatten(2).Transpose(1, 2); // [B, N, D]
            foreach (var (i, (block, between)) in passes.Index())
            {
                // Passes count through the stage: every second one is a repeated one, whichever block it belongs to.
                var repeated = i % 2 == 1;
                var order =
                    repeated && permutedGroups > 1
                        ? input.Draws.GetValueOrDefault(Permutation(stage, i)) ?? Draw(height * width, x.Device)
                        : null;
                x = between.Call(block.Call((x, repeated, order)));
            }
            return x.Transpose(1, 2).Reshape(batch, dim, height, width);
        }

        private Tensor Draw(long tokens, Device device) =>
            permutation is { } p
                ? (Torch.Arange(tokens, device: device) * p.Multiplier + p.Offset).Remainder(tokens)
                : Torch.Randperm(tokens, DType.Int64, device: device);
    }

    /// <summary>A pre-norm block with learned factors on both arms of both residuals (equation 5).</summary>
    private sealed partial class Block(Config config, int stage, double rate) : Module<(Tensor X, bool Repeated, Tensor? Order), Tensor>
    {
        private readonly LayerNorm norm1 = new(config.Dim(stage), 1e-6);
        private readonly SlicedAttention attn = new(config, stage);
        private readonly LayerNorm norm2 = new(config.Dim(stage), 1e-6);
        private readonly Mlp mlp = new(config.Dim(stage), (int)(config.Dim(stage) * config.MlpRatio), config.Dropout);
        private readonly Coefficient coefficient1 = new();
        private readonly Coefficient coefficient2 = new();
        private readonly Coefficient coefficient3 = new();
        private readonly Coefficient coefficient4 = new();
        private readonly DropPath dropPath = new(rate);

        protected override Tensor Forward((Tensor X, bool Repeated, Tensor? Order) input)
        {
            var x =
                coefficient1.Call(input.X)
                + coefficient2.Call(dropPath.Call(attn.Call((norm1.Call(input.X), input.Repeated, input.Order))));
            return coefficient3.Call(x) + coefficient4.Call(dropPath.Call(mlp.Call(norm2.Call(x))));
        }
    }

    /// <summary>The non-linear projection between the passes, which keeps them from being alike (section 3.3).</summary>
    private sealed partial class Between(int dim, double ratio, double dropout) : Layer
    {
        private readonly LayerNorm norm1 = new(dim, 1e-6);
        private readonly Mlp mlp = new(dim, (int)(dim * ratio), dropout);
        private readonly Coefficient coefficient1 = new();
        private readonly Coefficient coefficient2 = new();

        protected override Tensor Forward(Tensor input) => coefficient1.Call(input) + coefficient2.Call(mlp.Call(norm1.Call(input)));
    }

    /// <summary>Attention inside runs of consecutive tokens; repeated passes see the tokens in another order (section 3.4).</summary>
    private sealed partial class SlicedAttention(Config config, int stage) : Module<(Tensor X, bool Repeated, Tensor? Order), Tensor>
    {
        private readonly Linear qkv = new(config.Dim(stage), 3 * config.Dim(stage));
        private readonly Linear proj = new(config.Dim(stage), config.Dim(stage));
        private readonly Dropout projDrop = new(config.Dropout);
        private readonly int heads = config.Heads[stage];
        private readonly int groups = config.Groups?[stage] ?? 1;
        private readonly int permutedGroups = config.PermutedGroups?[stage] ?? 1;

        protected override Tensor Forward((Tensor X, bool Repeated, Tensor? Order) input)
        {
            var (batch, tokens, dim) = input.X.Shape;
            var slices = input.Repeated ? permutedGroups : groups;
            var (run, width) = (tokens / slices, dim / heads);
            var x = input.Order is { } order ? input.X.IndexSelect(1, order) : input.X;
            // 3 of [B g, h, N / g, d]
            var packed = qkv.Call(x).Reshape(batch * slices, run, 3, heads, width).Permute(2, 0, 3, 1, 4).Unbind();
            var (query, key, value) = (packed[0], packed[1], packed[2]);
            Tensor mixed;
            if (Wanted("attention"))
            {
                var weights = Attention.Weights(query, key);
                Record("attention", Whole(weights.Reshape(batch, slices, heads, run, run), input.Order));
                mixed = weights.Matmul(value);
            }
            else
                mixed = Attention.Apply(query, key, value);
            mixed = mixed.Transpose(1, 2).Reshape(batch, tokens, dim);
            if (input.Order is { } permuted)
                mixed = mixed.IndexSelect(1, permuted.Argsort());
            return projDrop.Call(proj.Call(mixed));
        }

        // The slices' weights as blocks of one matrix over all tokens in their own order, [B, h, N, N].
        private static Tensor Whole(Tensor weights, Tensor? order)
        {
            var (batch, slices, heads, run, _) = weights.Shape;
            var diagonal = Torch.Eye(slices, weights.DType, device: weights.Device).Reshape(1, slices, 1, 1, slices, 1);
            var whole = (weights.Unsqueeze(4) * diagonal).Permute(0, 2, 1, 3, 4, 5).Reshape(batch, heads, slices * run, slices * run);
            return order?.Argsort() is { } back ? whole.IndexSelect(2, back).IndexSelect(3, back) : whole;
        }
    }

    private const string Paper = "Sliced Recursive Transformer, 2021, arXiv:2111.05297";

    private static readonly Config sretT = new(
        ImageSize: (224, 224),
        BaseDims: [32, 32, 32],
        Depth: [4, 10, 6],
        Blocks: [2, 5, 3],
        Heads: [2, 4, 8],
        Groups: [8, 4, 1],
        PermutedGroups: [2, 1, 1],
        MlpRatio: 3.6,
        DropPath: 0.1
    );
    private static readonly Config sretLt = sretT with { MlpRatio = 4 };
    private static readonly Config sretS = sretT with
    {
        BaseDims = [42, 42, 42],
        Heads = [3, 6, 12],
        MlpRatio = 3,
        BetweenRatio = 2,
        DropPath = 0.2,
    };
    private static readonly Config sret100 = sretT with { BaseDims = [40, 40, 40], Depth = [20, 50, 30] };

    private static Config Unsliced(Config size) => size with { Groups = null, PermutedGroups = null, DropPath = 0 };

    private static Variant Make(
        string name,
        Config size,
        int image = 224,
        double? parameters = null,
        double? gmacs = null,
        double? top1 = null,
        string? note = null
    ) =>
        new(
            name,
            Paper: Paper,
            Create: Variant.Configured(size with { ImageSize = (image, image) }, config => new Sret(config)),
            ImageSize: image,
            Parameters: parameters,
            GMacs: gmacs,
            Top1: top1,
            Dataset: "ImageNet-1k",
            Preprocessing: Preprocessing.ImageNet with
            {
                CropRatio = image > 224 ? 1 : 0.875,
            },
            Note: note
        );

    /// <summary>The published models, <c>_unsliced</c> with attention over all tokens, and one of a hundred passes.</summary>
    public static IReadOnlyList<Variant> Variants { get; } =
    [
        Make("sret_t", sretT, parameters: 4.8, gmacs: 1.1, top1: 76.0, note: "77.6 distilled"),
        Make("sret_lt", sretLt, parameters: 5.0, gmacs: 1.2, top1: 76.7, note: "77.7 distilled"),
        Make(
            "sret_lt_16_14_1",
            sretLt with
            {
                Groups = [16, 14, 1],
                PermutedGroups = [1, 1, 1],
            },
            parameters: 5.0,
            gmacs: 1.2,
            top1: 76.6,
            note: "other slices"
        ),
        Make("sret_s", sretS, parameters: 20.9, gmacs: 4.2, top1: 81.9),
        Make("sret_t_unsliced", Unsliced(sretT), parameters: 4.8, gmacs: 1.4, top1: 76.1, note: "77.7 distilled"),
        Make("sret_t_unsliced_384", Unsliced(sretT), image: 384, parameters: 4.9, gmacs: 6.4, top1: 79.7, note: "distilled"),
        Make("sret_lt_unsliced", Unsliced(sretLt), parameters: 5.0, gmacs: 1.4, top1: 76.8, note: "77.9 distilled"),
        Make("sret_s_unsliced", Unsliced(sretS), parameters: 20.9, gmacs: 4.7, top1: 82.0),
        Make("sret_s_unsliced_384", Unsliced(sretS), image: 384, parameters: 21.0, gmacs: 18.5, top1: 83.8, note: "distilled"),
        Make("sret_s_unsliced_512", Unsliced(sretS), image: 512, parameters: 21.3, gmacs: 42.8, top1: 84.3, note: "distilled"),
        Make(
            "sret_100",
            sret100,
            note: "a hundred passes at 14 million parameters; the paper does not give the settings of its very deep models"
        ),
        Variant.Micro(
            "sret_micro_64",
            Paper,
            config: new Config(
                ImageSize: (64, 64),
                BaseDims: [20, 20, 20],
                Depth: [2, 4, 2],
                Blocks: [1, 2, 1],
                Heads: [2, 4, 8],
                Groups: [8, 4, 1],
                PermutedGroups: [2, 1, 1],
                MlpRatio: 3,
                BetweenRatio: 1,
                Classes: 10
            ),
            create: config => new Sret(config)
        ),
    ];
}
