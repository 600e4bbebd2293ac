using Tessera.Models.Layers;
using Tessera.Nn;

namespace Tessera.Models;

/// <summary>
/// VT-FPN for semantic segmentation: in place of the convolutions of a feature pyramid, tokens of all levels are related by one
/// transformer and written back into each level. Wu et al., 2020, arXiv:2006.03677, section 4.2; the head is that of
/// Panoptic FPN, Kirillov et al., 2019, arXiv:1901.02446. [B, 3, H, W] to logits [B, classes, H, W].
/// </summary>
/// <remarks>Tokens come from the lateral maps, and nothing is added from coarse to fine levels.</remarks>
public sealed partial class VtFpn : Layer
{
    /// <summary>Sizes and options.</summary>
    /// <param name="Backbone">The ResNet; its classifier is left out.</param>
    /// <param name="Classes">Number of classes.</param>
    /// <param name="Width">Channels of all pyramid levels.</param>
    /// <param name="TokenChannels">Channels of the tokens.</param>
    /// <param name="TokensPerLevel">Number of tokens from each level.</param>
    /// <param name="HeadWidth">Channels of the head.</param>
    /// <param name="Groups">Groups of the head's norms.</param>
    /// <param name="ScaleLogits">Whether the tokenizers' scores are divided by the square root of the channels.</param>
    public sealed record Config(
        ResNet.Config Backbone,
        int Classes,
        int Width = 256,
        int TokenChannels = 1024,
        int TokensPerLevel = 8,
        int HeadWidth = 128,
        int Groups = 32,
        bool ScaleLogits = true
    );

    private const int Levels = 4;

    private readonly ResNet backbone;
    private readonly ModuleList<Conv2d> lateral;
    private readonly ModuleList<VisualTokenizer> tokenizer;
    private readonly VisualTransformer transformer;
    private readonly ModuleList<VisualProjector> projector;
    private readonly SegmentationHead head;
    private readonly Config config;

    /// <summary>A network; convolutions and token modules start He-normal.</summary>
    public VtFpn(Config config)
    {
        this.config = config;
        var sizes = new VisualTokenSizes(
            config.Width,
            config.TokensPerLevel,
            config.TokenChannels,
            TokenizerValue: true,
            ProjectorValue: true,
            ScaleLogits: config.ScaleLogits,
            PoolFirst: true
        );
        backbone = new ResNet(config.Backbone with { Classes = 0 });
        lateral = new(
            Enumerable.Range(0, Levels).Select(i => Initialize(new Conv2d(64 * config.Backbone.Expansion << i, config.Width, 1)))
        );
        tokenizer = new(Enumerable.Range(0, Levels).Select(_ => new VisualTokenizer(sizes, recurrent: false)));
        transformer = new VisualTransformer(sizes);
        projector = new(Enumerable.Range(0, Levels).Select(_ => new VisualProjector(sizes)));
        head = new SegmentationHead(config);
    }

    /// <summary>Its sizes and options.</summary>
    public Config Options => config;

    /// <summary>The ResNet underneath, for its weights.</summary>
    public ResNet Backbone => backbone;

    private static Conv2d Initialize(Conv2d conv)
    {
        Init.KaimingNormal(conv.Weight);
        if (conv.Bias is { } bias)
            Init.Zeros(bias);
        return conv;
    }

    /// <summary>
    /// Records <c>tokens</c> (all levels from fine to coarse, after the transformer) and <c>p0</c> to <c>p3</c>, the levels with tokens
    /// written back.
    /// </summary>
    protected override Tensor Forward(Tensor input)
    {
        // [B, C, H / 4 2^i, W / 4 2^i]
        Tensor[] maps = [.. backbone.ForwardFeatureMaps(input).Select((level, i) => lateral[i].Call(level.Map))];
        Tensor[] pixels = [.. maps.Select(map => map.ToTokens())];
        var tokens = Record("tokens", transformer.Call(Torch.Cat([.. pixels.Select((level, i) => tokenizer[i].Call((level, null)))], 1)));
        Tensor[] projected =
        [
            .. maps.Select(
                (map, i) =>
                    Record(
                        $"p{i}",
                        projector[i]
                            .Call((pixels[i], tokens.Slice(1, i * config.TokensPerLevel, (i + 1) * config.TokensPerLevel)))
                            .ToMap(map.Size(2), map.Size(3))
                    )
            ),
        ];
        return head.Call(projected).UpsampleBilinear2d((input.Size(2), input.Size(3)), false);
    }

    /// <summary>Brings every level to stride 4 by convolutions and doublings, sums, and classifies each position.</summary>
    private sealed partial class SegmentationHead : Module<Tensor[], Tensor>
    {
        private readonly ModuleList<Sequential> levels;
        private readonly Conv2d predictor;

        public SegmentationHead(Config config)
        {
            levels = new(Enumerable.Range(0, Levels).Select(level => new Sequential([.. Branch(config, level)])));
            predictor = Initialize(new Conv2d(config.HeadWidth, config.Classes, 1));
        }

        private static IEnumerable<Layer> Branch(Config config, int level)
        {
            for (var i = 0; i < Math.Max(1, level); i++)
            {
                yield return Initialize(new Conv2d(i == 0 ? config.Width : config.HeadWidth, config.HeadWidth, 3, 1, 1, bias: false));
                yield return new GroupNorm(config.Groups, config.HeadWidth);
                yield return new Relu();
                if (level > 0)
                    yield return new Doubling();
            }
        }

        protected override Tensor Forward(Tensor[] input)
        {
            var sum = levels[0].Call(input[0]);
            for (var i = 1; i < input.Length; i++)
            {
                var level = levels[i].Call(input[i]);
                // Sides that are no multiples of 32 leave the coarse levels a little larger than the finest.
                sum =
                    sum
                    + (
                        level.Size(2) == sum.Size(2) && level.Size(3) == sum.Size(3)
                            ? level
                            : level.UpsampleBilinear2d((sum.Size(2), sum.Size(3)), false)
                    );
            }
            return predictor.Call(sum);
        }
    }

    /// <summary>Twice the resolution, bilinearly.</summary>
    private sealed class Doubling : Layer
    {
        protected override Tensor Forward(Tensor input) => input.UpsampleBilinear2d((2 * input.Size(2), 2 * input.Size(3)), false);
    }
}
