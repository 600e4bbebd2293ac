using Tessera.Models.Layers;
using Tessera.Nn;

namespace Tessera.Models;

/// <summary>
/// Pyramid Vision Transformer: four stages of ever fewer and wider tokens, whose attention reduces keys and values spatially.
/// Wang et al., "Pyramid Vision Transformer: A Versatile Backbone for Dense Prediction without Convolutions", 2021, arXiv:2102.12122.
/// </summary>
/// <remarks>
/// Names and order of the weights are those of the authors' code: of the classifier, or, with <see cref="Config.Dense"/>, of
/// their backbone for detection, which has neither class token nor final norm. Positions are resampled in every stage
/// whose grid differs from that of its table; the authors' code compares all stages with the first one's table, and fails
/// at double resolution. The class token stands in front of the last stage only.
/// </remarks>
public sealed partial class Pvt : Backbone<Pvt.Config>
{
    /// <summary>Sizes and options.</summary>
    /// <param name="ImageSize">Height and width in pixels that the position tables are made for; other sizes run too.</param>
    /// <param name="Dims">Width of each stage.</param>
    /// <param name="Depths">Blocks of each stage.</param>
    /// <param name="Heads">Heads of each stage.</param>
    /// <param name="MlpRatios">Hidden width of the MLP over the width, of each stage.</param>
    /// <param name="Reductions">Reduction of keys and values along each side, of each stage; 1 in the last.</param>
    /// <param name="Classes">Number of classes; 0 for no classifier.</param>
    /// <param name="Channels">Channels of the images.</param>
    /// <param name="QkvBias">Whether queries, keys and values have a bias.</param>
    /// <param name="Eps">Of the blocks' norms and the final one.</param>
    /// <param name="EmbedEps">Of the norms of patches and of reduced keys and values.</param>
    /// <param name="Dropout">Dropout of tokens, projections and MLPs.</param>
    /// <param name="DropPath">Stochastic depth of the last block.</param>
    /// <param name="Dense">The backbone for dense tasks.</param>
    /// <param name="StemStride">Stride of the first patches: 4 as published; 2 for images of 32 pixels.</param>
    public sealed record Config(
        (int Height, int Width) ImageSize,
        IReadOnlyList<int> Dims,
        IReadOnlyList<int> Depths,
        IReadOnlyList<int> Heads,
        IReadOnlyList<double> MlpRatios,
        IReadOnlyList<int> Reductions,
        int Classes = 1000,
        int Channels = 3,
        bool QkvBias = true,
        double Eps = 1e-6,
        double EmbedEps = 1e-5,
        double Dropout = 0,
        double DropPath = 0,
        bool Dense = false,
        int StemStride = 4
    ) : RegularizedConfig
    {
        /// <inheritdoc/>
        public override BackboneConfig With(ModelOptions options) =>
            (Config)base.With(options) with
            {
                Dense = options.Dense,
                Classes = options.Classes ?? (options.Dense ? 0 : Classes),
            };

        internal int Stages => Dims.Count;

        internal PyramidBlock.Config Block(int stage) =>
            new(Dims[stage], Heads[stage], MlpRatios[stage], Reductions[stage], false, false, QkvBias, Eps, EmbedEps, Dropout);
    }

    private readonly Parameter[] posEmbeds; // [1, N_i, D_i]; the last with a row in front for the class token
    private readonly Parameter? clsToken; // [1, 1, D]
    private readonly ConvEmbed[] patchEmbeds;
    private readonly ModuleList<PyramidBlock>[] blocks;
    private readonly LayerNorm? norm;
    private Linear? head;
    private readonly Dropout drop;

    /// <summary>A model with the authors' initialisation.</summary>
    public Pvt(Config config)
        : base(config)
    {
        if (config.Reductions[^1] != 1 && !config.Dense)
            throw new ArgumentException("the class token cannot be reduced: the reduction of the last stage must be 1", nameof(config));
        patchEmbeds =
        [
            .. config.Dims.Select(
                (dim, i) =>
                    new ConvEmbed(
                        i == 0 ? config.Channels : config.Dims[i - 1],
                        dim,
                        i == 0 ? config.StemStride : 2,
                        i == 0 ? config.StemStride : 2,
                        0,
                        config.EmbedEps
                    )
            ),
        ];
        posEmbeds =
        [
            .. Grids(config.ImageSize)
                .Select((grid, i) => Init.TruncatedNormal(new Parameter([1, Prefix(i) + grid.Height * grid.Width, config.Dims[i]]), 0.02)),
        ];
        if (!config.Dense)
            clsToken = Init.TruncatedNormal(new Parameter([1, 1, NumFeatures]), 0.02);
        var rates = Nn.DropPath.Rates(config.DropPath, config.Depths.Sum());
        blocks =
        [
            .. config.Depths.Select(
                (depth, i) =>
                    new ModuleList<PyramidBlock>(
                        Enumerable.Range(0, depth).Select(j => new PyramidBlock(config.Block(i), rates[config.Depths.Take(i).Sum() + j]))
                    )
            ),
        ];
        if (!config.Dense)
            norm = new LayerNorm(NumFeatures, config.Eps);
        head = InitialClassifier();
        drop = new Dropout(config.Dropout);
    }

    /// <inheritdoc/>
    protected override void ListMembers(Members members)
    {
        foreach (var (i, table) in posEmbeds.Index())
            members.Add($"pos_embed{i + 1}", table);
        members.Add("cls_token", clsToken);
        for (var i = 0; i < Options.Stages; i++)
        {
            members.Add($"patch_embed{i + 1}", patchEmbeds[i]);
            members.Add($"block{i + 1}", blocks[i]);
        }
        members.Add("norm", norm);
        members.Add("head", head);
        members.Add("drop", drop);
    }

    /// <inheritdoc/>
    public override int NumFeatures => Options.Dims[^1];

    /// <inheritdoc/>
    public override int NumPrefixTokens => Options.Dense ? 0 : 1;

    /// <inheritdoc/>
    public override int NumPrefixTokensAt(string blockPath) =>
        blockPath.StartsWith($"block{Options.Stages}.", StringComparison.Ordinal) ? NumPrefixTokens : 0;

    /// <inheritdoc/>
    public override IReadOnlyList<string> BlockPaths =>
        [.. Options.Depths.SelectMany((depth, i) => Enumerable.Range(0, depth).Select(j => $"block{i + 1}.{j}"))];

    /// <inheritdoc/>
    public override IReadOnlyList<string> EmbeddingPaths => [.. Options.Dims.Select((_, i) => $"patch_embed{i + 1}")];

    /// <inheritdoc/>
    protected override ref Linear? Classifier => ref head;

    /// <summary>The class token alone: the authors let the position tables decay.</summary>
    public override bool NoWeightDecay(string name) => name == "cls_token";

    // The last table keeps its row for the class token in a dense model too.
    private int Prefix(int stage) => stage + 1 == Options.Stages ? 1 : 0;

    private (int Height, int Width)[] Grids((int Height, int Width) image)
    {
        var grids = new (int Height, int Width)[Options.Stages];
        for (var i = 0; i < grids.Length; i++)
            image = grids[i] = patchEmbeds[i].Grid(image.Height, image.Width);
        return grids;
    }

    /// <summary>
    /// Tokens after the last block of each stage with the size of their map; those of the last with the class token in front.
    /// </summary>
    private IEnumerable<(Tensor Tokens, int Height, int Width)> Stages(Tensor image)
    {
        var (from, to) = (Grids(Options.ImageSize), Grids(((int)image.Size(2), (int)image.Size(3))));
        var map = image;
        for (var i = 0; i < Options.Stages; i++)
        {
            var (height, width) = to[i];
            var x = patchEmbeds[i].Call(map);
            var positions = PositionTable.Resample(posEmbeds[i], from[i], to[i], Prefix(i), PositionResampling.Bilinear);
            if (Prefix(i) == 1)
            {
                if (clsToken is null)
                    positions = positions.Slice(1, 1);
                else
                    x = Torch.Cat([clsToken.Expand([x.Size(0), -1, -1]), x], 1);
            }
            x = drop.Call(x + positions);
            foreach (var block in blocks[i])
                x = block.Call((x, height, width));
            yield return (Record($"stage{i + 1}", x), height, width);
            if (i + 1 < Options.Stages)
                map = x.ToMap(height, width);
        }
    }

    /// <inheritdoc/>
    protected override Tensor Features(Tensor input)
    {
        var x = Stages(input).Last().Tokens;
        return norm is null ? x : norm.Call(x);
    }

    /// <summary>The class token; the mean of a dense model's tokens.</summary>
    protected override Tensor Pool(Tensor features) => Options.Dense ? features.Mean(1) : features.Select(1, 0);

    /// <summary>The four stages, strides 4 to 32; the last one of a classifier is normalised.</summary>
    protected override IReadOnlyList<FeatureMap> FeatureMaps(Tensor input) =>
        [
            .. Stages(input)
                .Select(
                    (stage, i) =>
                    {
                        var tokens = stage.Tokens;
                        if (i + 1 == Options.Stages && norm is not null)
                            tokens = norm.Call(tokens).Slice(1, NumPrefixTokens);
                        return new FeatureMap(tokens.ToMap(stage.Height, stage.Width), Options.StemStride << i);
                    }
                ),
        ];

    /// <summary>
    /// Makes the position tables anew for another size: resampled bilinearly. Images of any size run without it, and their tables are
    /// resampled each time.
    /// </summary>
    /// <exception cref="ShapeException">The image is smaller than one token of the last stage.</exception>
    public override void Resize(int height, int width)
    {
        var (from, to) = (Grids(Options.ImageSize), Grids((height, width)));
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        for (var i = 0; i < Options.Stages; i++)
            posEmbeds[i] = new Parameter(
                PositionTable.Resample(posEmbeds[i], from[i], to[i], Prefix(i), PositionResampling.Bilinear).Clone()
            );
        Options = Options with { ImageSize = (height, width) };
    }

    /// <summary>Position tables of another size are resampled bilinearly. A dense model takes files of classifiers.</summary>
    public override void AdaptStateDict(IDictionary<string, Tensor> state)
    {
        if (Options.Dense)
            DenseWeights.FromClassifier(this, state);
        var grids = Grids(Options.ImageSize);
        for (var i = 0; i < Options.Stages; i++)
        {
            var name = $"pos_embed{i + 1}";
            if (!state.TryGetValue(name, out var table) || table.Dim != 3 || table.Size(1) == posEmbeds[i].Size(1))
                continue;
            state[name] = PositionTable.Resample(
                table,
                PositionTable.GridOf(table.Size(1) - Prefix(i), grids[i]),
                grids[i],
                Prefix(i),
                PositionResampling.Bilinear
            );
        }
    }

    private static Variant Make(string name, int[] depths, double dropPath, double parameters, double gmacs, double top1) =>
        new(
            name,
            Paper: "Pyramid Vision Transformer, 2021, arXiv:2102.12122",
            Create: Variant.Configured(
                new Config(
                    ImageSize: (224, 224),
                    Dims: [64, 128, 320, 512],
                    Depths: depths,
                    Heads: [1, 2, 5, 8],
                    MlpRatios: [8, 8, 4, 4],
                    Reductions: [8, 4, 2, 1],
                    Classes: 1000,
                    DropPath: dropPath
                ),
                config => new Pvt(config)
            ),
            ImageSize: 224,
            Parameters: parameters,
            GMacs: gmacs,
            Top1: top1,
            Dataset: "ImageNet-1k",
            Preprocessing: Preprocessing.ImageNet with
            {
                CropRatio = 0.9,
            }
        );

    /// <summary>The published sizes.</summary>
    public static IReadOnlyList<Variant> Variants { get; } =
    [
        Make("pvt_tiny", depths: [2, 2, 2, 2], dropPath: 0.1, parameters: 13.229, gmacs: 1.9, top1: 75.1),
        Make("pvt_small", depths: [3, 4, 6, 3], dropPath: 0.1, parameters: 24.486, gmacs: 3.8, top1: 79.8),
        Make("pvt_medium", depths: [3, 4, 18, 3], dropPath: 0.3, parameters: 44.208, gmacs: 6.7, top1: 81.2),
        Make("pvt_large", depths: [3, 8, 27, 3], dropPath: 0.3, parameters: 61.369, gmacs: 9.8, top1: 81.7),
        Variant.Micro(
            "pvt_micro_32",
            "Pyramid Vision Transformer, 2021, arXiv:2102.12122",
            config: new Config(
                ImageSize: (32, 32),
                Dims: [32, 64, 128, 192],
                Depths: [1, 1, 3, 1],
                Heads: [1, 2, 4, 6],
                MlpRatios: [4, 4, 4, 4],
                Reductions: [4, 2, 1, 1],
                Classes: 10,
                StemStride: 2
            ),
            create: config => new Pvt(config)
        ),
    ];
}
