using Tessera.Models.Layers;
using Tessera.Nn;

namespace Tessera.Models;

/// <summary>UPerNet over any backbone.</summary>
/// <param name="Channels">Channels of the head: 512 as published; plain transformers take their own width.</param>
/// <param name="PoolScales">Sides of the grids that the coarsest map is pooled to; null for 1, 2, 3 and 6.</param>
/// <param name="Dropout">Dropout of whole channels before the classifiers.</param>
/// <param name="AuxiliaryChannels">Channels of the auxiliary head on the third map; 0 for no such head.</param>
public sealed record UPerNetOptions(
    int Channels = 512,
    IReadOnlyList<int>? PoolScales = null,
    double Dropout = 0.1,
    int AuxiliaryChannels = 256
) : SegmenterOptions
{
    /// <inheritdoc/>
    public override Segmenter Create(Backbone backbone, int classes) => new UPerNet(backbone, this, classes);
}

/// <summary>
/// UPerNet: pyramid pooling of the coarsest map, a feature pyramid of all four, their fusion at the finest resolution, and in training an
/// auxiliary head on the third map. Xiao et al., "Unified Perceptual Parsing for Scene Understanding", 2018, arXiv:1807.10221. Names of
/// the weights are those of mmsegmentation.
/// </summary>
public sealed partial class UPerNet : Segmenter
{
    private const int AuxiliaryLevel = 2;

    private readonly UPerHead decodeHead;
    private readonly FcnHead? auxiliaryHead;

    /// <summary>A segmenter with fresh heads.</summary>
    /// <param name="backbone">Any model of images; it loses its classifier.</param>
    /// <param name="options">Sizes of the heads.</param>
    /// <param name="classes">Number of classes.</param>
    public UPerNet(Backbone backbone, UPerNetOptions options, int classes)
        : base(backbone)
    {
        decodeHead = new UPerHead(new(MapChannels, options.Channels, classes, options.PoolScales, options.Dropout));
        if (options.AuxiliaryChannels > 0)
            auxiliaryHead = new FcnHead(new(MapChannels[AuxiliaryLevel], options.AuxiliaryChannels, classes, Dropout: options.Dropout));
    }

    /// <inheritdoc/>
    public override int Classes => decodeHead.Classes;

    /// <inheritdoc/>
    protected override IReadOnlyList<string> ClassifierPaths =>
        auxiliaryHead is null ? ["decode_head.conv_seg"] : ["decode_head.conv_seg", "auxiliary_head.conv_seg"];

    /// <inheritdoc/>
    protected override Tensor Decode(IReadOnlyList<Tensor> maps, (long Height, long Width) image) => decodeHead.Call(maps);

    /// <inheritdoc/>
    protected override Tensor? DecodeAuxiliary(IReadOnlyList<Tensor> maps) => auxiliaryHead?.Call(maps[AuxiliaryLevel]);

    /// <inheritdoc/>
    public override void ResetClassifier(int classes)
    {
        decodeHead.ResetClassifier(classes);
        auxiliaryHead?.ResetClassifier(classes);
    }
}

/// <summary>The head of UPerNet: pyramid pooling, feature pyramid, fusion (figure 4).</summary>
/// <remarks>Unlike that of detectors, its pyramid has norms and ReLUs before its sums, which resize bilinearly.</remarks>
public sealed partial class UPerHead : Module<IReadOnlyList<Tensor>, Tensor>
{
    /// <summary>Sizes and options.</summary>
    /// <param name="Inputs">Channels of the maps, from fine to coarse.</param>
    /// <param name="Channels">Channels of the head.</param>
    /// <param name="Classes">Number of classes.</param>
    /// <param name="PoolScales">Sides of the grids that the coarsest map is pooled to; null for 1, 2, 3 and 6.</param>
    /// <param name="Dropout">Dropout of whole channels before the classifier.</param>
    public sealed record Config(
        IReadOnlyList<int> Inputs,
        int Channels,
        int Classes,
        IReadOnlyList<int>? PoolScales = null,
        double Dropout = 0.1
    );

    private Conv2d convSeg;
    private readonly ModuleList<Sequential> pspModules; // pooling, then convolution
    private readonly ConvModule bottleneck;
    private readonly ModuleList<ConvModule> lateralConvs;
    private readonly ModuleList<ConvModule> fpnConvs;
    private readonly ConvModule fpnBottleneck;
    private readonly Dropout2d dropout;

    /// <summary>A head with mmsegmentation's initialisation.</summary>
    public UPerHead(Config config)
    {
        var scales = config.PoolScales ?? [1, 2, 3, 6];
        var (inputs, channels) = (config.Inputs, config.Channels);
        convSeg = PixelClassifier.Create(channels, config.Classes);
        pspModules = new(scales.Select(scale => new Sequential([new AdaptiveAvgPool2d(scale), new ConvModule(inputs[^1], channels, 1)])));
        bottleneck = new ConvModule(inputs[^1] + scales.Count * channels, channels, 3);
        lateralConvs = new(inputs.SkipLast(1).Select(input => new ConvModule(input, channels, 1)));
        fpnConvs = new(inputs.SkipLast(1).Select(_ => new ConvModule(channels, channels, 3)));
        fpnBottleneck = new ConvModule(inputs.Count * channels, channels, 3);
        dropout = new Dropout2d(config.Dropout);
    }

    /// <summary>Number of classes.</summary>
    public int Classes => (int)convSeg.Weight.Size(0);

    /// <summary>A fresh classifier for another number of classes.</summary>
    internal void ResetClassifier(int classes) => convSeg = PixelClassifier.Like(convSeg, classes, PixelClassifier.Create);

    /// <summary>
    /// Maps [B, C_i, H_i, W_i] from fine to coarse to scores [B, classes, H_0, W_0]. Records <c>ppm.0</c>, ..., the pooled maps at the
    /// coarsest map's size, and <c>psp</c>, what they become.
    /// </summary>
    /// <exception cref="ShapeException">There are not as many maps as the head was made for.</exception>
    protected override Tensor Forward(IReadOnlyList<Tensor> input)
    {
        if (input.Count != lateralConvs.Count + 1)
            throw new ShapeException($"the head takes {lateralConvs.Count + 1} maps, not {input.Count}");
        var last = input[^1];
        Tensor[] pooled = [.. pspModules.Select((module, i) => Record($"ppm.{i}", module.Call(last).ResizeTo(last)))];
        Tensor[] levels =
        [
            .. lateralConvs.Select((conv, i) => conv.Call(input[i])),
            Record("psp", bottleneck.Call(Torch.Cat([last, .. pooled], 1))),
        ];
        for (var i = levels.Length - 1; i > 0; i--)
            levels[i - 1] = levels[i - 1] + levels[i].ResizeTo(levels[i - 1]);
        Tensor[] smooth = [.. levels.Select((level, i) => i < fpnConvs.Count ? fpnConvs[i].Call(level) : level)];
        var fused = fpnBottleneck.Call(Torch.Cat([.. smooth.Select(level => level.ResizeTo(smooth[0]))], 1));
        return convSeg.Call(dropout.Call(fused));
    }
}
