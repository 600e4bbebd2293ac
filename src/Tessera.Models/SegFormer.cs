using Tessera.Models.Layers;
using Tessera.Nn;

namespace Tessera.Models;

/// <summary>
/// SegFormer: a pyramid encoder and a decoder of linear maps alone. Xie et al., "SegFormer: Simple and Efficient Design for Semantic
/// Segmentation with Transformers", 2021, arXiv:2105.15203.
/// </summary>
public sealed partial class SegFormer : Layer
{
    private readonly Backbone backbone;
    private readonly SegFormerHead decodeHead;

    /// <summary>An encoder with four maps and a decoder that takes them.</summary>
    public SegFormer(Backbone backbone, SegFormerHead decodeHead) => (this.backbone, this.decodeHead) = (backbone, decodeHead);

    /// <summary>The encoder.</summary>
    public Backbone Backbone => backbone;

    /// <summary>The decoder.</summary>
    public SegFormerHead DecodeHead => decodeHead;

    /// <summary>
    /// Scores of the classes, [B, 3, H, W] to [B, classes, H / 4, W / 4]: for a loss or a prediction they are resized bilinearly to the
    /// labels.
    /// </summary>
    protected override Tensor Forward(Tensor input) => decodeHead.Call([.. backbone.ForwardFeatureMaps(input).Select(map => map.Map)]);
}

/// <summary>
/// The all-MLP decoder (section 3.2): each map to one width, all resized to the finest, joined from the coarsest on, mixed and
/// classified position by position.
/// </summary>
public sealed partial class SegFormerHead : Module<IReadOnlyList<Tensor>, Tensor>
{
    /// <summary>Sizes and options.</summary>
    /// <param name="Channels">Channels of the maps, from fine to coarse.</param>
    /// <param name="Width">Width of the decoder: 256 for B0 and B1, 768 for the others.</param>
    /// <param name="Classes">Number of classes.</param>
    /// <param name="UnusedWidth">Published files hold a classifier <c>conv_seg</c> of so many channels that nothing uses; null leaves it
    /// out.</param>
    /// <param name="Dropout">Dropout of whole channels before the classifier.</param>
    /// <param name="Eps">Of the batch norm.</param>
    public sealed record Config(
        IReadOnlyList<int> Channels,
        int Width,
        int Classes,
        int? UnusedWidth = 128,
        double Dropout = 0.1,
        double Eps = 1e-5
    );

    private readonly Conv2d? convSeg;
    private readonly Projection[] linears; // from fine to coarse
    private readonly Fuse linearFuse;
    private readonly Conv2d linearPred;
    private readonly double dropout;

    /// <summary>A decoder with the authors' initialisation.</summary>
    public SegFormerHead(Config config)
    {
        dropout = config.Dropout;
        if (config.UnusedWidth is { } unused)
            convSeg = Classifier(unused, config.Classes);
        linears = [.. config.Channels.Select(channels => new Projection(channels, config.Width))];
        linearFuse = new Fuse(linears.Length * config.Width, config.Width, config.Eps);
        linearPred = new Conv2d(config.Width, config.Classes, 1);
    }

    private static Conv2d Classifier(int channels, int classes)
    {
        var conv = new Conv2d(channels, classes, 1);
        Init.Normal(conv.Weight, 0.01);
        Init.Zeros(conv.Bias!);
        return conv;
    }

    /// <inheritdoc/>
    protected override void ListMembers(Members members)
    {
        members.Add("conv_seg", convSeg);
        for (var i = linears.Length - 1; i >= 0; i--)
            members.Add($"linear_c{i + 1}", linears[i]);
        members.Add("linear_fuse", linearFuse);
        members.Add("linear_pred", linearPred);
    }

    /// <summary>
    /// Maps [B, C_i, H_i, W_i] from fine to coarse to scores [B, classes, H_1, W_1]. Records <c>fused</c>, the map before the classifier.
    /// </summary>
    /// <exception cref="ShapeException">There are not as many maps as the decoder was made for.</exception>
    protected override Tensor Forward(IReadOnlyList<Tensor> input)
    {
        if (input.Count != linears.Length)
            throw new ShapeException($"the decoder takes {linears.Length} maps, not {input.Count}");
        var (height, width) = (input[0].Size(2), input[0].Size(3));
        var maps = new List<Tensor>();
        for (var i = linears.Length - 1; i >= 0; i--)
        {
            var map = linears[i].Call(input[i]);
            maps.Add(i == 0 ? map : map.UpsampleBilinear2d((height, width), false));
        }
        var fused = Record("fused", linearFuse.Call(Torch.Cat([.. maps], 1)));
        return linearPred.Call(dropout > 0 && Training ? Torch.FeatureDropout(fused, dropout, true) : fused);
    }

    /// <summary>A linear map of each position.</summary>
    private sealed partial class Projection(int channels, int width) : Layer
    {
        private readonly Linear proj = new(channels, width);

        protected override Tensor Forward(Tensor input) => proj.Call(input.ToTokens()).ToMap(input.Size(2), input.Size(3));
    }

    /// <summary>1 x 1 convolution without bias, batch norm, ReLU.</summary>
    private sealed partial class Fuse : Layer
    {
        private readonly Conv2d conv;
        private readonly BatchNorm bn;

        public Fuse(int inputs, int outputs, double eps)
        {
            conv = new Conv2d(inputs, outputs, 1, bias: false);
            Init.KaimingNormal(conv.Weight, fanOut: true);
            bn = new BatchNorm(outputs, eps);
        }

        protected override Tensor Forward(Tensor input) => bn.Call(conv.Call(input)).Relu();
    }
}
