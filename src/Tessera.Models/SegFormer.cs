using Tessera.Models.Layers;
using Tessera.Nn;

namespace Tessera.Models;

/// <summary>SegFormer's decoder over any backbone.</summary>
/// <param name="Width">Width of the decoder: 256 for B0 and B1, 768 for the others.</param>
/// <param name="Dropout">Dropout of whole channels before the classifier.</param>
public sealed record SegFormerOptions(int Width = 256, double Dropout = 0.1) : SegmenterOptions
{
    /// <inheritdoc/>
    public override Segmenter Create(Backbone backbone, int classes) => new SegFormer(backbone, this, classes);
}

/// <summary>
/// SegFormer: a pyramid encoder and a decoder of linear maps alone. Xie et al., "SegFormer: Simple and Efficient Design for Semantic
/// Segmentation with Transformers", 2021, arXiv:2105.15203. Names of the weights are those of the authors' code.
/// </summary>
public sealed partial class SegFormer : Segmenter
{
    private readonly SegFormerHead decodeHead;

    /// <summary>An encoder with four maps and a decoder that takes them.</summary>
    /// <param name="backbone">The encoder; it loses its classifier.</param>
    /// <param name="decodeHead">The decoder.</param>
    public SegFormer(Backbone backbone, SegFormerHead decodeHead)
        : base(backbone) => this.decodeHead = decodeHead;

    /// <summary>A segmenter with a fresh decoder.</summary>
    /// <param name="backbone">Any model of images; it loses its classifier.</param>
    /// <param name="options">Sizes of the decoder.</param>
    /// <param name="classes">Number of classes.</param>
    public SegFormer(Backbone backbone, SegFormerOptions options, int classes)
        : base(backbone) => decodeHead = new SegFormerHead(new(MapChannels, options.Width, classes, UnusedWidth: null, options.Dropout));

    /// <summary>The decoder.</summary>
    public SegFormerHead DecodeHead => decodeHead;

    /// <inheritdoc/>
    public override int Classes => decodeHead.Classes;

    /// <inheritdoc/>
    protected override IReadOnlyList<string> ClassifierPaths =>
        decodeHead.HasUnused ? ["decode_head.conv_seg", "decode_head.linear_pred"] : ["decode_head.linear_pred"];

    /// <inheritdoc/>
    protected override Tensor Decode(IReadOnlyList<Tensor> maps, (long Height, long Width) image) => decodeHead.Call(maps);

    /// <inheritdoc/>
    public override void ResetClassifier(int classes) => decodeHead.ResetClassifier(classes);

    /// <inheritdoc/>
    protected override IReadOnlyList<string> AdaptStateDict(OrderedDictionary<string, Tensor> state) =>
        [
            .. Separate(state),
            .. base.AdaptStateDict(state),
            .. LeaveOut(state, StateDict(), "decode_head.conv_seg.", "decode_head.conv_seg is left out: nothing ever used it"),
        ];

    // The authors of TransKD hold encoder and decoder in one, and keep all that was trained along with a student.
    private static IReadOnlyList<string> Separate(OrderedDictionary<string, Tensor> state)
    {
        const string student = "student.",
            decoder = "linear_";
        var prefix =
            state.ContainsKey($"{student}linear_fuse.conv.weight") ? student
            : state.ContainsKey("linear_fuse.conv.weight") ? ""
            : null;
        if (prefix is null)
            return [];
        KeyValuePair<string, Tensor>[] given = [.. state];
        state.Clear();
        foreach (var (name, tensor) in given.Where(entry => entry.Key.StartsWith(prefix, StringComparison.Ordinal)))
        {
            var own = name[prefix.Length..];
            state[(own.StartsWith(decoder, StringComparison.Ordinal) ? "decode_head." : "backbone.") + own] = tensor;
        }
        return prefix.Length > 0 ? ["the weights are those of a distillation: its student alone is taken"] : [];
    }
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

    private Conv2d? convSeg;
    private readonly Projection[] linears; // from fine to coarse
    private readonly ConvModule linearFuse;
    private Conv2d linearPred;
    private readonly Dropout2d dropout;

    /// <summary>A decoder with the authors' initialisation.</summary>
    public SegFormerHead(Config config)
    {
        dropout = new Dropout2d(config.Dropout);
        if (config.UnusedWidth is { } unused)
            convSeg = PixelClassifier.Create(unused, config.Classes);
        linears = [.. config.Channels.Select(channels => new Projection(channels, config.Width))];
        linearFuse = new ConvModule(linears.Length * config.Width, config.Width, 1, eps: config.Eps);
        linearPred = Classifier(config.Width, config.Classes);
    }

    private static Conv2d Classifier(int channels, int classes) => new(channels, classes, 1);

    /// <summary>Number of classes.</summary>
    public int Classes => (int)linearPred.Weight.Size(0);

    /// <summary>Whether it has the classifier that published files hold and nothing uses.</summary>
    internal bool HasUnused => convSeg is not null;

    /// <summary>A fresh classifier for another number of classes.</summary>
    internal void ResetClassifier(int classes)
    {
        if (convSeg is not null)
            convSeg = PixelClassifier.Like(convSeg, classes, PixelClassifier.Create);
        linearPred = PixelClassifier.Like(linearPred, classes, Classifier);
    }

    /// <inheritdoc/>
    protected override void ListMembers(Members members)
    {
        members.Add("conv_seg", convSeg);
        for (var i = linears.Length - 1; i >= 0; i--)
            members.Add($"linear_c{i + 1}", linears[i]);
        members.Add("linear_fuse", linearFuse);
        members.Add("linear_pred", linearPred);
        members.Add("dropout", dropout);
    }

    /// <summary>
    /// Maps [B, C_i, H_i, W_i] from fine to coarse to scores [B, classes, H_1, W_1]. Records <c>fused</c>, the map before the classifier.
    /// </summary>
    /// <exception cref="ShapeException">There are not as many maps as the decoder was made for.</exception>
    protected override Tensor Forward(IReadOnlyList<Tensor> input)
    {
        if (input.Count != linears.Length)
            throw new ShapeException($"the decoder takes {linears.Length} maps, not {input.Count}");
        var maps = new List<Tensor>();
        for (var i = linears.Length - 1; i >= 0; i--)
            maps.Add(linears[i].Call(input[i]).ResizeTo(input[0]));
        var fused = Record("fused", linearFuse.Call(Torch.Cat([.. maps], 1)));
        return linearPred.Call(dropout.Call(fused));
    }

    /// <summary>A linear map of each position.</summary>
    private sealed partial class Projection(int channels, int width) : Layer
    {
        private readonly Linear proj = new(channels, width);

        protected override Tensor Forward(Tensor input) => proj.Call(input.ToTokens()).ToMap(input.Size(2), input.Size(3));
    }
}
