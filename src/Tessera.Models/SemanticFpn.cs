using Tessera.Models.Layers;
using Tessera.Nn;

namespace Tessera.Models;

/// <summary>Semantic FPN over any backbone.</summary>
/// <param name="Width">Channels of the feature pyramid.</param>
/// <param name="Channels">Channels of the head.</param>
/// <param name="Dropout">Dropout of whole channels before the classifier.</param>
public sealed record SemanticFpnOptions(int Width = 256, int Channels = 128, double Dropout = 0.1) : SegmenterOptions
{
    /// <inheritdoc/>
    public override Segmenter Create(Backbone backbone, int classes) => new SemanticFpn(backbone, this, classes);
}

/// <summary>
/// Semantic FPN: a feature pyramid whose levels are brought to the finest resolution by convolutions and doublings, summed and
/// classified. Kirillov et al., "Panoptic Feature Pyramid Networks", 2019, arXiv:1901.02446. Names of the weights are those of
/// mmsegmentation.
/// </summary>
public sealed partial class SemanticFpn : Segmenter
{
    private readonly Fpn neck;
    private readonly FpnHead decodeHead;

    /// <summary>A segmenter with a fresh head.</summary>
    /// <param name="backbone">Any model of images; it loses its classifier.</param>
    /// <param name="options">Sizes of the head.</param>
    /// <param name="classes">Number of classes.</param>
    public SemanticFpn(Backbone backbone, SemanticFpnOptions options, int classes)
        : base(backbone)
    {
        neck = new Fpn(new(MapChannels, options.Width, MapChannels.Count));
        decodeHead = new FpnHead(new([.. MapChannels.Select(_ => options.Width)], options.Channels, classes, MapStrides, options.Dropout));
    }

    /// <inheritdoc/>
    public override int Classes => decodeHead.Classes;

    /// <inheritdoc/>
    protected override IReadOnlyList<string> ClassifierPaths => ["decode_head.conv_seg"];

    /// <inheritdoc/>
    protected override Tensor Decode(IReadOnlyList<Tensor> maps, (long Height, long Width) image) => decodeHead.Call(neck.Call(maps));

    /// <inheritdoc/>
    public override void ResetClassifier(int classes) => decodeHead.ResetClassifier(classes);
}

/// <summary>Brings every level of a pyramid to the finest one's resolution, sums them and classifies each position (figure 3).</summary>
public sealed partial class FpnHead : Module<IReadOnlyList<Tensor>, Tensor>
{
    /// <summary>Sizes and options.</summary>
    /// <param name="Inputs">Channels of each level, from fine to coarse.</param>
    /// <param name="Channels">Channels of the head.</param>
    /// <param name="Classes">Number of classes.</param>
    /// <param name="Strides">Pixels of the image per position of each level: how often a level is doubled follows from them.</param>
    /// <param name="Dropout">Dropout of whole channels before the classifier.</param>
    public sealed record Config(IReadOnlyList<int> Inputs, int Channels, int Classes, IReadOnlyList<double> Strides, double Dropout = 0.1);

    private Conv2d convSeg;
    private readonly ModuleList<Sequential> scaleHeads;
    private readonly Dropout2d dropout;

    /// <summary>A head with mmsegmentation's initialisation.</summary>
    /// <exception cref="ArgumentException">There is not one stride for each level.</exception>
    public FpnHead(Config config)
    {
        if (config.Strides.Count != config.Inputs.Count)
            throw new ArgumentException(
                $"{config.Inputs.Count} levels and {config.Strides.Count} strides were given: every level needs one",
                nameof(config)
            );
        convSeg = PixelClassifier.Create(config.Channels, config.Classes);
        scaleHeads = new(config.Inputs.Select((_, level) => new Sequential(Branch(config, level))));
        dropout = new Dropout2d(config.Dropout);
    }

    private static IEnumerable<Layer> Branch(Config config, int level)
    {
        var doublings = (int)(Math.Log2(config.Strides[level]) - Math.Log2(config.Strides[0]));
        for (var i = 0; i < Math.Max(1, doublings); i++)
        {
            yield return new ConvModule(i == 0 ? config.Inputs[level] : config.Channels, config.Channels, 3);
            if (config.Strides[level] != config.Strides[0])
                yield return new Doubling();
        }
    }

    /// <summary>Number of classes.</summary>
    public int Classes => (int)convSeg.Weight.Size(0);

    /// <summary>A fresh classifier for another number of classes.</summary>
    internal void ResetClassifier(int classes) => convSeg = PixelClassifier.Like(convSeg, classes, PixelClassifier.Create);

    /// <summary>Levels [B, C, H_i, W_i] from fine to coarse to scores [B, classes, H_0, W_0].</summary>
    /// <exception cref="ShapeException">There are not as many levels as the head was made for.</exception>
    protected override Tensor Forward(IReadOnlyList<Tensor> input)
    {
        if (input.Count != scaleHeads.Count)
            throw new ShapeException($"the head takes {scaleHeads.Count} levels, not {input.Count}");
        var sum = scaleHeads[0].Call(input[0]);
        for (var i = 1; i < input.Count; i++)
            sum = sum + scaleHeads[i].Call(input[i]).ResizeTo(sum);
        return convSeg.Call(dropout.Call(sum));
    }
}
