using Tessera.Models.Layers;
using Tessera.Nn;

namespace Tessera.Models;

/// <summary>
/// VT-ResNet: the last stage of a ResNet replaced by modules that pool the map into a few semantic tokens, relate them and
/// write them back. Wu et al., "Visual Transformers: Token-based Image Representation and Processing for Computer Vision",
/// 2020, arXiv:2006.03677.
/// </summary>
/// <remarks>
/// No code was published. Names are torchvision's up to the third stage, so that weights of a ResNet load, and ours after it.
/// There are no norms, heads, positions or dropout inside of the modules, as in the paper's equations; inner widths, which the
/// paper leaves open, are chosen so that all four networks are smaller and cheaper than their ResNets. The map keeps its
/// resolution, and any size of image works.
/// </remarks>
public sealed partial class VtResNet : Backbone<VtResNet.Config>
{
    /// <summary>Sizes and options.</summary>
    /// <param name="ImageSize">Height and width in pixels; any size runs.</param>
    /// <param name="Layers">Blocks of the first three stages, then the number of visual-token modules.</param>
    /// <param name="Bottleneck">Blocks of three convolutions instead of two.</param>
    /// <param name="Classes">Number of classes; 0 for no classifier.</param>
    /// <param name="Channels">Channels of the images.</param>
    /// <param name="Tokens">Number of tokens.</param>
    /// <param name="TokenChannels">Channels of the tokens.</param>
    /// <param name="TransformerWidth">Width of the transformers' queries and keys; null: half of the tokens' channels.</param>
    /// <param name="ProjectorWidth">Width of the projectors' queries and keys; null: half of the map's channels.</param>
    /// <param name="TokenizerValue">Whether pixels are mapped before pooling; null: where the widths differ.</param>
    /// <param name="TransformerValue">Whether tokens are mapped before mixing.</param>
    /// <param name="ProjectorValue">Whether tokens are mapped before they are written back; null: where the widths differ.</param>
    /// <param name="ScaleLogits">Whether the tokenizers' scores are divided by the square root of the channels.</param>
    /// <param name="Dropout">Dropout before the classifier.</param>
    /// <param name="DropPath">Stochastic depth of the last residual block; the modules have none.</param>
    public sealed record Config(
        (int Height, int Width) ImageSize,
        IReadOnlyList<int> Layers,
        bool Bottleneck,
        int Classes = 1000,
        int Channels = 3,
        int Tokens = 16,
        int TokenChannels = 1024,
        int? TransformerWidth = null,
        int? ProjectorWidth = null,
        bool? TokenizerValue = null,
        bool TransformerValue = false,
        bool? ProjectorValue = null,
        bool ScaleLogits = true,
        double Dropout = 0,
        double DropPath = 0
    ) : RegularizedConfig
    {
        internal ResNet.Config ResNet => new(ImageSize, Layers, Bottleneck, Classes, Channels, DropPath: DropPath);
        internal VisualTokenSizes Sizes =>
            new(
                256 * ResNet.Expansion,
                Tokens,
                TokenChannels,
                TransformerWidth,
                ProjectorWidth,
                TokenizerValue,
                TransformerValue,
                ProjectorValue,
                ScaleLogits
            );
    }

    private readonly Conv2d conv1;
    private readonly BatchNorm bn1;
    private readonly ModuleList<ResNet.Block> layer1;
    private readonly ModuleList<ResNet.Block> layer2;
    private readonly ModuleList<ResNet.Block> layer3;
    private readonly ModuleList<VisualTokenModule> vt;
    private Linear? fc;
    private readonly Dropout drop;

    /// <summary>A network; convolutions and modules start He-normal, the classifier as PyTorch's.</summary>
    public VtResNet(Config config)
        : base(config)
    {
        if (config.Layers.Count != 4 || config.Layers[3] < 1)
            throw new ArgumentException("Layers must name three stages of blocks and at least one visual-token module", nameof(config));
        var rates = Nn.DropPath.Rates(config.DropPath, config.Layers.Take(3).Sum());
        conv1 = ResNet.Initialize(new Conv2d(config.Channels, 64, 7, 2, 3, bias: false));
        bn1 = new BatchNorm(64);
        layer1 = ResNet.Stage(config.ResNet, 0, rates);
        layer2 = ResNet.Stage(config.ResNet, 1, rates);
        layer3 = ResNet.Stage(config.ResNet, 2, rates);
        vt = VisualTokenModule.Row(config.Sizes, config.Layers[3]);
        if (config.Classes > 0)
            fc = new Linear(config.TokenChannels, config.Classes);
        drop = new Dropout(config.Dropout);
    }

    /// <inheritdoc/>
    public override int NumFeatures => Options.TokenChannels;

    /// <summary>The residual blocks, which give maps, then the transformers, which give tokens [B, L, C_T].</summary>
    public override IReadOnlyList<string> BlockPaths =>
        [
            .. Options.Layers.Take(3).SelectMany((count, i) => Enumerable.Range(0, count).Select(j => $"layer{i + 1}.{j}")),
            .. Enumerable.Range(0, Options.Layers[3]).Select(i => $"vt.{i}.transformer"),
        ];

    /// <inheritdoc/>
    protected override ref Linear? Classifier => ref fc;

    /// <inheritdoc/>
    protected override Linear NewClassifier(int classes) => new(NumFeatures, classes);

    /// <inheritdoc/>
    protected override string ClassifierPath => "fc";

    private List<Tensor> Maps(Tensor image)
    {
        var x = bn1.Call(conv1.Call(image)).Relu().MaxPool2d(3, 2, 1);
        var maps = new List<Tensor>();
        foreach (var (i, stage) in new[] { layer1, layer2, layer3 }.Index())
            maps.Add(Record($"layer{i + 1}", x = stage.Aggregate(x, (y, block) => block.Call(y))));
        return maps;
    }

    private (Tensor Pixels, Tensor Tokens) Modules(Tensor map)
    {
        (Tensor Pixels, Tensor? Tokens) state = (map.ToTokens(), null);
        foreach (var module in vt)
            state = module.Call(state);
        return (state.Pixels, state.Tokens!);
    }

    /// <summary>The tokens of the last module, [B, L, C_T].</summary>
    protected override Tensor Features(Tensor input) => Modules(Maps(input)[^1]).Tokens;

    /// <inheritdoc/>
    protected override Tensor Pool(Tensor features) => features.Mean(1);

    /// <inheritdoc/>
    protected override Tensor Classify(Tensor pooled) => fc is null ? pooled : fc.Call(drop.Call(pooled));

    /// <summary>The maps of the first two stages, and that of the third with the tokens written back into it: strides 4, 8, 16.</summary>
    protected override IReadOnlyList<FeatureMap> FeatureMaps(Tensor input)
    {
        var maps = Maps(input);
        var projected = Modules(maps[^1]).Pixels.ToMap(maps[^1].Size(2), maps[^1].Size(3));
        return [new(maps[0], 4), new(maps[1], 8), new(projected, 16)];
    }

    /// <summary>Where the tokens of the last module come from.</summary>
    protected override IEnumerable<Insight> Insights(Tensor image)
    {
        const int most = 8;
        var map = Maps(image)[^1];
        var weights = RecordDuring(image, $"vt.{vt.Count - 1}.tokenizer.attention").Single().Value[0, 0]; // [L, pixels]
        for (var token = 0; token < Math.Min(most, Options.Tokens); token++)
            yield return Insight.Map(
                $"visual token {token + 1}",
                "The pixels that a visual token of the last module pools, a softmax over the map.",
                weights[token].Reshape(map.Size(2), map.Size(3))
            );
    }

    private static Variant Make(string name, int[] layers, bool bottleneck, double parameters, double gmacs, double top1, string note) =>
        new(
            name,
            Paper: "Visual Transformers, 2020, arXiv:2006.03677",
            Create: Variant.Configured(
                new Config(ImageSize: (224, 224), Layers: layers, Bottleneck: bottleneck, Classes: 1000, DropPath: 0),
                config => new VtResNet(config)
            ),
            ImageSize: 224,
            Parameters: parameters,
            GMacs: gmacs,
            MacsWithAttention: false,
            Top1: top1,
            Dataset: "ImageNet-1k",
            Preprocessing: Preprocessing.ImageNet with
            {
                Interpolation = "bilinear",
            },
            Note: note
        );

    /// <summary>
    /// The four networks with our inner widths; parameters and operations are counted, accuracies the paper's with the basic recipe.
    /// </summary>
    public static IReadOnlyList<Variant> Variants { get; } =
    [
        Make(
            "vt_resnet18",
            layers: [2, 2, 2, 2],
            bottleneck: false,
            parameters: 11.316,
            gmacs: 1.625,
            top1: 72.1,
            note: "76.8 with the advanced recipe; the paper's own widths give 11.7 M"
        ),
        Make(
            "vt_resnet34",
            layers: [3, 4, 6, 3],
            bottleneck: false,
            parameters: 20.799,
            gmacs: 3.362,
            top1: 75.0,
            note: "79.9 with the advanced recipe; the paper's own widths give 19.2 M"
        ),
        Make(
            "vt_resnet50",
            layers: [3, 4, 6, 3],
            bottleneck: true,
            parameters: 23.216,
            gmacs: 3.689,
            top1: 77.2,
            note: "80.6 with the advanced recipe; the paper's own widths give 21.4 M"
        ),
        Make(
            "vt_resnet101",
            layers: [3, 4, 23, 3],
            bottleneck: true,
            parameters: 42.208,
            gmacs: 7.401,
            top1: 78.6,
            note: "82.3 with the advanced recipe; the paper's own widths give 41.5 M"
        ),
        Variant.Micro(
            "vt_resnet_micro_64",
            "Visual Transformers, 2020, arXiv:2006.03677",
            config: new Config(ImageSize: (64, 64), Layers: [1, 1, 1, 2], Bottleneck: false, Classes: 10, Tokens: 8, TokenChannels: 256),
            create: config => new VtResNet(config)
        ),
    ];
}
