using Tessera.Models.Layers;
using Tessera.Nn;

namespace Tessera.Models;

/// <summary>
/// Pooling-based Vision Transformer: a ViT whose map of tokens shrinks twice, as that of a convolutional network does, while its tokens get
/// wider.
/// Heo et al., "Rethinking Spatial Dimensions of Vision Transformers", 2021, arXiv:2103.16302.
/// </summary>
/// <remarks>
/// Names and order of the weights are timm's; the authors' files, whose pooling has names of its own, load as well. The distilled
/// networks have a second token that learns from a teacher, as a <see cref="Deit"/>: training puts out both logits, prediction
/// their mean.
/// </remarks>
public sealed partial class Pit : Backbone<Pit.Config>
{
    /// <summary>Sizes and options.</summary>
    /// <param name="ImageSize">Height and width in pixels, at least a patch.</param>
    /// <param name="Patch">Side of a patch.</param>
    /// <param name="Stride">Distance of two patches, which overlap where it is less than their side; nothing is added at the
    /// borders.</param>
    /// <param name="HeadDim">Width of a head, the same in all stages.</param>
    /// <param name="Depths">Blocks of each stage.</param>
    /// <param name="Heads">Heads of each stage; times <paramref name="HeadDim"/> they make its width.</param>
    /// <param name="Classes">Number of classes; 0 for no classifier.</param>
    /// <param name="Channels">Channels of the images.</param>
    /// <param name="Distilled">Whether there is a distillation token with a head of its own.</param>
    /// <param name="MlpRatio">Hidden width of the MLP over the width.</param>
    /// <param name="Eps">Of all norms.</param>
    /// <param name="Dropout">Dropout of tokens, projections and MLPs.</param>
    /// <param name="DropPath">Stochastic depth of the last block.</param>
    public sealed record Config(
        (int Height, int Width) ImageSize,
        int Patch,
        int Stride,
        int HeadDim,
        IReadOnlyList<int> Depths,
        IReadOnlyList<int> Heads,
        int Classes = 1000,
        int Channels = 3,
        bool Distilled = false,
        double MlpRatio = 4,
        double Eps = 1e-6,
        double Dropout = 0,
        double DropPath = 0
    ) : RegularizedConfig
    {
        internal int Width(int stage) => HeadDim * Heads[stage];

        /// <summary>Rows and columns of the first stage's tokens.</summary>
        internal (int Height, int Width) Grid(int height, int width)
        {
            if (Math.Min(height, width) < Patch)
                throw new ShapeException($"an image of {height} x {width} is smaller than one patch of {Patch} x {Patch}");
            return ((height - Patch) / Stride + 1, (width - Patch) / Stride + 1);
        }
    }

    private readonly Parameter clsToken; // [1, 1 or 2, D]
    private Parameter posEmbed; // [1, D, h, w]
    private readonly Embedding patchEmbed;
    private readonly ModuleList<Stage> transformers;
    private readonly LayerNorm norm;
    private Linear? head;
    private Linear? headDist;
    private readonly Dropout drop;

    /// <summary>A model with the authors' initialisation: tokens and positions truncated normal 0.02, all else as PyTorch does.</summary>
    /// <exception cref="ArgumentException">Depths and heads of different numbers of stages.</exception>
    /// <exception cref="ShapeException">The image is smaller than a patch.</exception>
    public Pit(Config config)
        : base(config)
    {
        if (config.Depths.Count != config.Heads.Count)
            throw new ArgumentException(
                $"{config.Depths.Count} depths and {config.Heads.Count} numbers of heads were given: every stage needs one of each",
                nameof(config)
            );
        var (height, width) = config.Grid(config.ImageSize.Height, config.ImageSize.Width);
        clsToken = Init.TruncatedNormal(new Parameter([1, NumPrefixTokens, config.Width(0)]), 0.02);
        posEmbed = Init.TruncatedNormal(new Parameter([1, config.Width(0), height, width]), 0.02);
        patchEmbed = new Embedding(config);
        var rates = Nn.DropPath.Rates(config.DropPath, config.Depths.Sum());
        transformers = new(config.Depths.Select((depth, i) => new Stage(config, i, rates[config.Depths.Take(i).Sum()..][..depth])));
        norm = new LayerNorm(NumFeatures, config.Eps);
        drop = new Dropout(config.Dropout);
        head = InitialClassifier();
        headDist = config.Distilled ? InitialClassifier() : null;
    }

    /// <inheritdoc/>
    protected override void ListMembers(Members members)
    {
        // timm's order: positions first.
        members.Add("pos_embed", posEmbed);
        members.Add("cls_token", clsToken);
        members.Add("patch_embed", patchEmbed);
        members.Add("transformers", transformers);
        members.Add("norm", norm);
        members.Add("head", head);
        members.Add("head_dist", headDist);
        members.Add("drop", drop);
    }

    /// <inheritdoc/>
    public override int NumFeatures => Options.Width(Options.Heads.Count - 1);

    /// <inheritdoc/>
    public override int NumPrefixTokens => Options.Distilled ? 2 : 1;

    /// <inheritdoc/>
    public override IReadOnlyList<string> BlockPaths =>
        [.. Options.Depths.SelectMany((depth, i) => Enumerable.Range(0, depth).Select(j => $"transformers.{i}.blocks.{j}"))];

    /// <inheritdoc/>
    protected override ref Linear? Classifier => ref head;

    /// <inheritdoc/>
    protected override Linear NewClassifier(int classes) => new(NumFeatures, classes);

    /// <inheritdoc/>
    public override IReadOnlyList<string> ClassifierNames =>
        Options.Distilled ? [.. base.ClassifierNames, "head_dist.weight", "head_dist.bias"] : base.ClassifierNames;

    /// <inheritdoc/>
    public override void ResetClassifier(int classes)
    {
        base.ResetClassifier(classes);
        headDist = Options.Distilled ? FreshClassifier() : null;
    }

    /// <inheritdoc/>
    public override bool NoWeightDecay(string name) => name is "pos_embed" or "cls_token";

    /// <summary>Tokens after the last block of each stage, [B, prefix + N, D], with the size of their map.</summary>
    private IEnumerable<(Tensor Tokens, int Height, int Width)> Stages(Tensor image)
    {
        ExpectOwnSize(image);
        var map = drop.Call(Record("embedded", patchEmbed.Call(image) + posEmbed)); // [B, D, h, w]
        var prefix = clsToken.Expand([image.Size(0), -1, -1]);
        foreach (var stage in transformers)
        {
            var (height, width) = ((int)map.Size(2), (int)map.Size(3));
            var x = stage.Call(Torch.Cat([prefix, map.ToTokens()], 1));
            yield return (x, height, width);
            if (stage.Pool is not { } pool)
                yield break;
            (map, prefix) = pool.Shrink(x.Slice(1, NumPrefixTokens).ToMap(height, width), x.Slice(1, 0, NumPrefixTokens));
        }
    }

    /// <inheritdoc/>
    protected override Tensor Features(Tensor input) => Record("normed", norm.Call(Stages(input).Last().Tokens)); // [B, prefix + N, D]

    /// <summary>The class token, [B, D]; with a distillation token both, [B, 2, D].</summary>
    protected override Tensor Pool(Tensor features) => Options.Distilled ? features.Slice(1, 0, 2) : features.Select(1, 0);

    /// <inheritdoc/>
    protected override Tensor Classify(Tensor pooled) =>
        Options.Distilled ? TwoHeads.Of(pooled, head, headDist).Mean : base.Classify(pooled);

    /// <summary>In training the logits of both heads of a distilled network; in evaluation their mean.</summary>
    protected override Outputs ForwardOutputs(ModelInput input) =>
        Training && Options.Distilled ? TwoHeads.Of(Pool(Features(input.Inputs)), head, headDist).ForTraining : base.ForwardOutputs(input);

    /// <summary>
    /// The stages, the last one normalised. As nothing is added at the borders, maps are up to a patch less a stride smaller than their
    /// strides say.
    /// </summary>
    protected override IReadOnlyList<FeatureMap> FeatureMaps(Tensor input) =>
        [
            .. Stages(input)
                .Select(
                    (stage, i) =>
                    {
                        var tokens = i + 1 == transformers.Count ? norm.Call(stage.Tokens) : stage.Tokens;
                        return new FeatureMap(tokens.Slice(1, NumPrefixTokens).ToMap(stage.Height, stage.Width), Options.Stride << i);
                    }
                ),
        ];

    /// <summary>
    /// Takes images of another size: the positions are resampled bicubically without antialiasing, as DeiT's fine-tuning does.
    /// </summary>
    /// <exception cref="ShapeException">The image is smaller than a patch.</exception>
    public override void Resize(int height, int width)
    {
        var grid = Options.Grid(height, width);
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        posEmbed = new Parameter(Resample(posEmbed, grid).Clone(), posEmbed.RequiresGrad);
        Options = Options with { ImageSize = (height, width) };
    }

    private static Tensor Resample(Tensor positions, (int Height, int Width) grid) =>
        (positions.Size(2), positions.Size(3)) == (grid.Height, grid.Width)
            ? positions
            : positions.UpsampleBicubic2d((grid.Height, grid.Width), false);

    /// <summary>
    /// Positions of another grid are resampled. The pooling after stage i is called <c>pools.i</c> by the authors and belongs to stage i +
    /// 1 in later timm.
    /// </summary>
    public override void AdaptStateDict(IDictionary<string, Tensor> state)
    {
        var later = !state.Keys.Any(name => name.StartsWith("transformers.0.pool.", StringComparison.Ordinal));
        for (var i = 0; i + 1 < transformers.Count; i++)
            foreach (var other in later ? [$"pools.{i}.", $"transformers.{i + 1}.pool."] : new[] { $"pools.{i}." })
            foreach (var (name, value) in state.Where(entry => entry.Key.StartsWith(other, StringComparison.Ordinal)).ToArray())
            {
                state.Remove(name);
                state[$"transformers.{i}.pool.{name[other.Length..]}"] = value;
            }
        if (state.TryGetValue("pos_embed", out var table) && table.Dim == 4)
            state["pos_embed"] = Resample(table, Options.Grid(Options.ImageSize.Height, Options.ImageSize.Width));
    }

    private sealed partial class Embedding(Config config) : Layer
    {
        private readonly Conv2d conv = new(config.Channels, config.Width(0), config.Patch, config.Stride);

        protected override Tensor Forward(Tensor input) => conv.Call(input); // [B, C, H, W] -> [B, D, h, w]
    }

    /// <summary>The blocks of a stage, and the pooling that follows all but the last.</summary>
    private sealed partial class Stage : Layer
    {
        private readonly ModuleList<TransformerBlock> blocks;
        private readonly Pooling? pool;

        public Stage(Config config, int index, double[] dropPath)
        {
            blocks = new(
                dropPath.Select(rate => new TransformerBlock(
                    config.Width(index),
                    new SelfAttention(config.Width(index), config.Heads[index], dropout: config.Dropout),
                    config.MlpRatio,
                    config.Eps,
                    config.Dropout,
                    rate
                ))
            );
            if (index + 1 < config.Heads.Count)
                pool = new Pooling(config.Width(index), config.Width(index + 1));
        }

        public Pooling? Pool => pool;

        protected override Tensor Forward(Tensor input) => blocks.Aggregate(input, (x, block) => block.Call(x));
    }

    /// <summary>
    /// Section 3.2: the map through a depthwise 3 x 3 convolution of stride 2 that gives each channel several outputs, the
    /// other tokens through a linear map.
    /// </summary>
    private sealed partial class Pooling(int inputs, int outputs) : Module
    {
        private readonly Conv2d conv = new(inputs, outputs, 3, 2, 1, groups: inputs);
        private readonly Linear fc = new(inputs, outputs);

        public (Tensor Map, Tensor Prefix) Shrink(Tensor map, Tensor prefix) => (conv.Call(map), fc.Call(prefix));
    }

    private const string Paper = "Rethinking Spatial Dimensions of Vision Transformers, 2021, arXiv:2103.16302";

    private static Variant Make(
        string name,
        int patch,
        int headDim,
        int[] depths,
        int[] heads,
        double parameters,
        double? gmacs,
        double top1,
        string? note = null
    ) =>
        new(
            name,
            Paper: Paper,
            Create: Variant.Configured(
                new Config(
                    ImageSize: (224, 224),
                    Patch: patch,
                    Stride: patch / 2,
                    HeadDim: headDim,
                    Depths: depths,
                    Heads: heads,
                    Classes: 1000,
                    Distilled: name.Contains("distilled", StringComparison.Ordinal),
                    DropPath: 0.1
                ),
                config => new Pit(config)
            ),
            ImageSize: 224,
            Parameters: parameters,
            GMacs: gmacs,
            Top1: top1,
            Dataset: "ImageNet-1k",
            Preprocessing: Preprocessing.ImageNet with
            {
                CropRatio = 0.9,
            },
            Note: note
        );

    /// <summary>The published sizes.</summary>
    public static IReadOnlyList<Variant> Variants { get; } =
    [
        Make("pit_ti_224", patch: 16, headDim: 32, depths: [2, 6, 4], heads: [2, 4, 8], parameters: 4.85, gmacs: 0.70, top1: 73.0),
        Make("pit_xs_224", patch: 16, headDim: 48, depths: [2, 6, 4], heads: [2, 4, 8], parameters: 10.6, gmacs: 1.4, top1: 78.1),
        Make("pit_s_224", patch: 16, headDim: 48, depths: [2, 6, 4], heads: [3, 6, 12], parameters: 23.5, gmacs: 2.9, top1: 80.9),
        Make("pit_b_224", patch: 14, headDim: 64, depths: [3, 6, 4], heads: [4, 8, 16], parameters: 73.8, gmacs: 12.5, top1: 82.0),
        Make(
            "pit_ti_distilled_224",
            patch: 16,
            headDim: 32,
            depths: [2, 6, 4],
            heads: [2, 4, 8],
            parameters: 5.10,
            gmacs: 0.71,
            top1: 74.6
        ),
        Make("pit_xs_distilled_224", patch: 16, headDim: 48, depths: [2, 6, 4], heads: [2, 4, 8], parameters: 11.0, gmacs: 1.4, top1: 79.1),
        Make("pit_s_distilled_224", patch: 16, headDim: 48, depths: [2, 6, 4], heads: [3, 6, 12], parameters: 24.0, gmacs: 2.9, top1: 81.9),
        Make(
            "pit_b_distilled_224",
            patch: 14,
            headDim: 64,
            depths: [3, 6, 4],
            heads: [4, 8, 16],
            parameters: 74.8,
            gmacs: 12.5,
            top1: 84.0
        ),
        Variant.Micro(
            "pit_micro_32",
            Paper,
            config: new Config(ImageSize: (32, 32), Patch: 4, Stride: 2, HeadDim: 24, Depths: [1, 3, 2], Heads: [2, 4, 8], Classes: 10),
            create: config => new Pit(config)
        ),
    ];
}
