using Tessera.Models.Layers;
using Tessera.Nn;

namespace Tessera.Models;

/// <summary>VT-FPN over any backbone.</summary>
/// <param name="Width">Channels of all pyramid levels.</param>
/// <param name="TokenChannels">Channels of the tokens.</param>
/// <param name="TokensPerLevel">Number of tokens from each level.</param>
/// <param name="Channels">Channels of the head.</param>
/// <param name="Groups">Groups of the head's norms.</param>
/// <param name="ScaleLogits">Whether the tokenizers' scores are divided by the square root of the channels.</param>
public sealed record VtFpnOptions(
    int Width = 256,
    int TokenChannels = 1024,
    int TokensPerLevel = 8,
    int Channels = 128,
    int Groups = 32,
    bool ScaleLogits = true
) : SegmenterOptions
{
    /// <inheritdoc/>
    public override Segmenter Create(Backbone backbone, int classes) => new VtFpn(backbone, this, classes);
}

/// <summary>
/// VT-FPN for semantic segmentation: in place of the convolutions of a feature pyramid, tokens of all levels are related by one
/// transformer and written back into each level. Wu et al., 2020, arXiv:2006.03677, section 4.2; the head is that of
/// Panoptic FPN, Kirillov et al., 2019, arXiv:1901.02446. [B, 3, H, W] to logits [B, classes, H, W].
/// </summary>
/// <remarks>Tokens come from the lateral maps, and nothing is added from coarse to fine levels.</remarks>
public sealed partial class VtFpn : Segmenter
{
    private readonly ModuleList<Conv2d> lateral;
    private readonly ModuleList<VisualTokenizer> tokenizer;
    private readonly VisualTransformer transformer;
    private readonly ModuleList<VisualProjector> projector;
    private readonly SegmentationHead head;
    private readonly VtFpnOptions options;

    /// <summary>A network; convolutions and token modules start He-normal.</summary>
    /// <param name="backbone">Any model of images, a ResNet in the paper; it loses its classifier.</param>
    /// <param name="options">Sizes of pyramid and head.</param>
    /// <param name="classes">Number of classes.</param>
    public VtFpn(Backbone backbone, VtFpnOptions options, int classes)
        : base(backbone)
    {
        this.options = options;
        var sizes = new VisualTokenSizes(
            options.Width,
            options.TokensPerLevel,
            options.TokenChannels,
            TokenizerValue: true,
            ProjectorValue: true,
            ScaleLogits: options.ScaleLogits,
            PoolFirst: true
        );
        lateral = new(MapChannels.Select(channels => Initialize(new Conv2d(channels, options.Width, 1))));
        tokenizer = new(MapChannels.Select(_ => new VisualTokenizer(sizes, recurrent: false)));
        transformer = new VisualTransformer(sizes);
        projector = new(MapChannels.Select(_ => new VisualProjector(sizes)));
        head = new SegmentationHead(options, MapChannels.Count, classes);
    }

    /// <inheritdoc/>
    public override int Classes => head.Classes;

    /// <summary>One: the scores have the size of the image.</summary>
    public override double Stride => 1;

    /// <inheritdoc/>
    protected override IReadOnlyList<string> ClassifierPaths => ["head.predictor"];

    /// <inheritdoc/>
    public override void ResetClassifier(int classes) => head.ResetClassifier(classes);

    private static Conv2d Initialize(Conv2d conv)
    {
        Init.KaimingNormal(conv.Weight);
        if (conv.Bias is { } bias)
            Init.Zeros(bias);
        return conv;
    }

    /// <summary>
    /// The pyramid and the head. Records <c>tokens</c> (all levels from fine to coarse, after the transformer) and <c>p0</c> to
    /// <c>p3</c>, the levels with tokens written back.
    /// </summary>
    /// <inheritdoc/>
    protected override Tensor Decode(IReadOnlyList<Tensor> maps, (long Height, long Width) image)
    {
        Tensor[] levels = [.. maps.Select((map, i) => lateral[i].Call(map))];
        Tensor[] pixels = [.. levels.Select(level => level.ToTokens())];
        var tokens = Record("tokens", transformer.Call(Torch.Cat([.. pixels.Select((level, i) => tokenizer[i].Call((level, null)))], 1)));
        Tensor[] projected =
        [
            .. levels.Select(
                (level, i) =>
                    Record(
                        $"p{i}",
                        projector[i]
                            .Call((pixels[i], tokens.Slice(1, i * options.TokensPerLevel, (i + 1) * options.TokensPerLevel)))
                            .ToMap(level.Size(2), level.Size(3))
                    )
            ),
        ];
        return head.Call(projected).ResizeTo(image.Height, image.Width);
    }

    /// <summary>Brings every level to stride 4 by convolutions and doublings, sums, and classifies each position.</summary>
    private sealed partial class SegmentationHead : Module<Tensor[], Tensor>
    {
        private readonly ModuleList<Sequential> levels;
        private Conv2d predictor;

        public SegmentationHead(VtFpnOptions options, int count, int classes)
        {
            levels = new(Enumerable.Range(0, count).Select(level => new Sequential([.. Branch(options, level)])));
            predictor = Classifier(options.Channels, classes);
        }

        public int Classes => (int)predictor.Weight.Size(0);

        public void ResetClassifier(int classes) => predictor = PixelClassifier.Like(predictor, classes, Classifier);

        private static Conv2d Classifier(int channels, int classes) => Initialize(new Conv2d(channels, classes, 1));

        private static IEnumerable<Layer> Branch(VtFpnOptions options, int level)
        {
            for (var i = 0; i < Math.Max(1, level); i++)
            {
                yield return Initialize(new Conv2d(i == 0 ? options.Width : options.Channels, options.Channels, 3, 1, 1, bias: false));
                yield return new GroupNorm(options.Groups, options.Channels);
                yield return new Relu();
                if (level > 0)
                    yield return new Doubling();
            }
        }

        protected override Tensor Forward(Tensor[] input)
        {
            var sum = levels[0].Call(input[0]);
            // Sides that are no multiples of 32 leave the coarse levels a little larger than the finest.
            for (var i = 1; i < input.Length; i++)
                sum = sum + levels[i].Call(input[i]).ResizeTo(sum);
            return predictor.Call(sum);
        }
    }
}
