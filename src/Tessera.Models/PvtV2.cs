using Tessera.Models.Layers;
using Tessera.Nn;

namespace Tessera.Models;

/// <summary>
/// PVT v2: a pyramid with overlapping patches and a depthwise convolution in the MLP instead of position tables, and no class token.
/// Wang et al., "PVT v2: Improved Baselines with Pyramid Vision Transformer", 2021, arXiv:2106.13797.
/// </summary>
/// <remarks>
/// Names and order of the weights are those of the authors' code. Each stage ends in a norm, and the normalised map feeds the
/// next one; so the dense backbone is the same model without classifier.
/// </remarks>
public partial class PvtV2 : Backbone<PvtV2.Config>
{
    /// <summary>Sizes and options.</summary>
    /// <param name="ImageSize">Height and width in pixels; any size runs.</param>
    /// <param name="Dims">Width of each stage.</param>
    /// <param name="Depths">Blocks of each stage.</param>
    /// <param name="Heads">Heads of each stage.</param>
    /// <param name="MlpRatios">Hidden width of the MLP over the width, of each stage.</param>
    /// <param name="Reductions">Reduction of keys and values along each side, of each stage.</param>
    /// <param name="Linear">Keys and values of 7 x 7 by pooling in every stage ("Li"), and a ReLU before the MLP's convolution.</param>
    /// <param name="Classes">Number of classes; 0 for no classifier.</param>
    /// <param name="Channels">Channels of the images.</param>
    /// <param name="QkvBias">Whether queries, keys and values have a bias.</param>
    /// <param name="Eps">Of the norms of blocks and stages.</param>
    /// <param name="EmbedEps">Of the norms of patches and of reduced keys and values.</param>
    /// <param name="Dropout">Dropout of projections and MLPs.</param>
    /// <param name="DropPath">Stochastic depth of the last block.</param>
    /// <param name="StemStride">Stride of the first patches: 4 as published; 2 for images of 32 pixels.</param>
    public sealed record Config(
        (int Height, int Width) ImageSize,
        IReadOnlyList<int> Dims,
        IReadOnlyList<int> Depths,
        IReadOnlyList<int> Heads,
        IReadOnlyList<double> MlpRatios,
        IReadOnlyList<int> Reductions,
        bool Linear = false,
        int Classes = 1000,
        int Channels = 3,
        bool QkvBias = true,
        double Eps = 1e-6,
        double EmbedEps = 1e-5,
        double Dropout = 0,
        double DropPath = 0,
        int StemStride = 4
    ) : RegularizedConfig
    {
        /// <inheritdoc/>
        // The dense form is the same model without classifier.
        public override BackboneConfig With(ModelOptions options) =>
            base.With(options) with
            {
                Classes = options.Classes ?? (options.Dense ? 0 : Classes),
            };

        internal int Stages => Dims.Count;

        internal PyramidBlock.Config Block(int stage) =>
            new(Dims[stage], Heads[stage], MlpRatios[stage], Reductions[stage], true, Linear, QkvBias, Eps, EmbedEps, Dropout);
    }

    private protected readonly ConvEmbed[] patchEmbeds;
    private protected readonly ModuleList<PyramidBlock>[] blocks;
    private protected readonly LayerNorm[] norms;
    private protected Linear? head;

    /// <summary>A model with the authors' initialisation.</summary>
    public PvtV2(Config config)
        : base(config)
    {
        patchEmbeds =
        [
            .. config.Dims.Select(
                (dim, i) =>
                    new ConvEmbed(
                        i == 0 ? config.Channels : config.Dims[i - 1],
                        dim,
                        i == 0 ? 7 : 3,
                        i == 0 ? config.StemStride : 2,
                        i == 0 ? 3 : 1,
                        config.EmbedEps
                    )
            ),
        ];
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
        norms = [.. config.Dims.Select(dim => new LayerNorm(dim, config.Eps))];
        head = InitialClassifier();
        foreach (var module in patchEmbeds.Concat<Module>(blocks))
            TransformerInit.Convolutions(module);
    }

    /// <inheritdoc/>
    protected override void ListMembers(Members members)
    {
        for (var i = 0; i < Options.Stages; i++)
        {
            members.Add($"patch_embed{i + 1}", patchEmbeds[i]);
            members.Add($"block{i + 1}", blocks[i]);
            members.Add($"norm{i + 1}", norms[i]);
        }
        members.Add("head", head);
    }

    /// <inheritdoc/>
    public override int NumFeatures => Options.Dims[^1];

    /// <inheritdoc/>
    public override IReadOnlyList<string> BlockPaths =>
        [.. Options.Depths.SelectMany((depth, i) => Enumerable.Range(0, depth).Select(j => $"block{i + 1}.{j}"))];

    /// <inheritdoc/>
    public override IReadOnlyList<string> EmbeddingPaths => [.. Options.Dims.Select((_, i) => $"embed{i + 1}")];

    /// <inheritdoc/>
    protected override ref Linear? Classifier => ref head;

    /// <summary>Tokens of each stage after its norm, with the size of their map.</summary>
    private IEnumerable<(Tensor Tokens, int Height, int Width)> Stages(Tensor image)
    {
        var map = image;
        for (var i = 0; i < Options.Stages; i++)
        {
            var (height, width) = patchEmbeds[i].Grid((int)map.Size(2), (int)map.Size(3));
            var x = Record($"embed{i + 1}", patchEmbeds[i].Call(map));
            foreach (var block in blocks[i])
                x = block.Call((x, height, width));
            x = norms[i].Call(Record($"stage{i + 1}", x));
            yield return (x, height, width);
            if (i + 1 < Options.Stages)
                map = x.ToMap(height, width);
        }
    }

    /// <inheritdoc/>
    protected override Tensor Features(Tensor input) => Stages(input).Last().Tokens;

    /// <inheritdoc/>
    protected override Tensor Pool(Tensor features) => features.Mean(1);

    /// <summary>The four normalised maps, strides 4 to 32.</summary>
    protected override IReadOnlyList<FeatureMap> FeatureMaps(Tensor input) =>
        [.. Stages(input).Select((stage, i) => new FeatureMap(stage.Tokens.ToMap(stage.Height, stage.Width), Options.StemStride << i))];

    /// <summary>A dense model leaves out the classifier that files of ImageNet hold.</summary>
    public override void AdaptStateDict(IDictionary<string, Tensor> state)
    {
        if (head is not null)
            return;
        foreach (var name in ClassifierNames)
            state.Remove(name);
    }

    private static Variant Make(
        string name,
        int[] dims,
        int[] depths,
        double[] ratios,
        bool linear,
        double dropPath,
        double parameters,
        double gmacs,
        double top1
    ) =>
        new(
            name,
            Paper: "PVT v2: Improved Baselines with Pyramid Vision Transformer, 2021, arXiv:2106.13797",
            Create: Variant.Configured(
                new Config(
                    ImageSize: (224, 224),
                    Dims: dims,
                    Depths: depths,
                    Heads: [1, 2, 5, 8],
                    MlpRatios: ratios,
                    Reductions: [8, 4, 2, 1],
                    Linear: linear,
                    Classes: 1000,
                    DropPath: dropPath
                ),
                config => new PvtV2(config)
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
        Make(
            "pvt_v2_b0",
            dims: [32, 64, 160, 256],
            depths: [2, 2, 2, 2],
            ratios: [8, 8, 4, 4],
            linear: false,
            dropPath: 0.1,
            parameters: 3.667,
            gmacs: 0.6,
            top1: 70.5
        ),
        Make(
            "pvt_v2_b1",
            dims: [64, 128, 320, 512],
            depths: [2, 2, 2, 2],
            ratios: [8, 8, 4, 4],
            linear: false,
            dropPath: 0.1,
            parameters: 14.009,
            gmacs: 2.1,
            top1: 78.7
        ),
        Make(
            "pvt_v2_b2",
            dims: [64, 128, 320, 512],
            depths: [3, 4, 6, 3],
            ratios: [8, 8, 4, 4],
            linear: false,
            dropPath: 0.1,
            parameters: 25.363,
            gmacs: 4.0,
            top1: 82.0
        ),
        Make(
            "pvt_v2_b2_li",
            dims: [64, 128, 320, 512],
            depths: [3, 4, 6, 3],
            ratios: [8, 8, 4, 4],
            linear: true,
            dropPath: 0.1,
            parameters: 22.554,
            gmacs: 3.9,
            top1: 82.1
        ),
        Make(
            "pvt_v2_b3",
            dims: [64, 128, 320, 512],
            depths: [3, 4, 18, 3],
            ratios: [8, 8, 4, 4],
            linear: false,
            dropPath: 0.3,
            parameters: 45.239,
            gmacs: 6.9,
            top1: 83.1
        ),
        Make(
            "pvt_v2_b4",
            dims: [64, 128, 320, 512],
            depths: [3, 8, 27, 3],
            ratios: [8, 8, 4, 4],
            linear: false,
            dropPath: 0.3,
            parameters: 62.556,
            gmacs: 10.1,
            top1: 83.6
        ),
        Make(
            "pvt_v2_b5",
            dims: [64, 128, 320, 512],
            depths: [3, 6, 40, 3],
            ratios: [4, 4, 4, 4],
            linear: false,
            dropPath: 0.3,
            parameters: 81.956,
            gmacs: 11.8,
            top1: 83.8
        ),
        Variant.Micro(
            "pvt_v2_micro_32",
            "PVT v2: Improved Baselines with Pyramid Vision Transformer, 2021, arXiv:2106.13797",
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
            create: config => new PvtV2(config)
        ),
    ];
}
