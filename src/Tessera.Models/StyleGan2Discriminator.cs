using System.ComponentModel.DataAnnotations;
using Tessera.Models.Layers;

namespace Tessera.Models;

/// <summary>
/// StyleGAN2's discriminator: residual blocks of convolutions, and a channel that says how much the images of a batch differ. Karras et
/// al., "Analyzing and Improving the Image Quality of StyleGAN", 2020, arXiv:1912.04958. Names and order of the weights are those of
/// mlpc-ucsd/ViTGAN.
/// </summary>
/// <remarks>Taps see <c>penultimate</c>, what the two linear maps of the score get.</remarks>
public sealed partial class StyleGan2Discriminator : Discriminator
{
    /// <summary>Sizes and options.</summary>
    /// <param name="ImageSize">Side of the images: a power of 2 from 8 to 1024.</param>
    /// <param name="Small32">Narrow widths for images of up to 32 pixels: 512 channels up to 8 x 8, then half as many each time.</param>
    /// <param name="ChannelMultiplier">Factor of the channels of maps above 32 pixels.</param>
    /// <param name="Group">Images whose deviation is taken together.</param>
    /// <param name="Projections">
    /// Whether there are the two heads of contrastive training, which no score depends on. Published weights have them.
    /// </param>
    /// <param name="Channels">Channels of the images.</param>
    /// <param name="Widest">Most channels of a map.</param>
    public sealed record Config(
        int ImageSize,
        bool Small32 = false,
        [Range(0.01, 100)] double ChannelMultiplier = 2,
        [Range(1, 1024)] int Group = 4,
        bool Projections = true,
        [Range(1, 1000)] int Channels = 3,
        [Range(1, 100_000)] int Widest = 512
    );

    private const int HeadWidth = 512;
    private const int ProjectionWidth = 128;

    private readonly ScoreHead linear;
    private readonly Sequential? projection;
    private readonly Sequential? projection2;
    private readonly ModuleList<Layer> layers;
    private readonly Sequential lastConv;
    private readonly Config config;

    /// <summary>A discriminator with the authors' initialisation.</summary>
    /// <param name="config">Sizes and options.</param>
    /// <exception cref="ArgumentException">A size is out of its range or does not fit the others.</exception>
    public StyleGan2Discriminator(Config config)
    {
        this.config = OptionRanges.Checked(config);
        int[] widths = [.. StyleGan2Widths.Of(config.ImageSize, config.Small32, config.ChannelMultiplier, config.Widest).Reverse()];
        var narrow = widths[^1];
        var features = narrow * 4 * 4;
        linear = new(features);
        if (config.Projections)
            (projection, projection2) = (Projection(features), Projection(features));
        layers = new([
            Convolution(config.Channels, widths[0], 1),
            .. widths.Zip(widths.Skip(1), (inputs, outputs) => new Block(inputs, outputs)),
        ]);
        lastConv = Convolution(narrow + 1, narrow, 3);
    }

    /// <summary>The size of the groups: a batch is divided into them, unless it is smaller.</summary>
    public override int BatchMultiple => config.Group;

    /// <inheritdoc/>
    protected override Tensor Forward(Tensor input) // [B, C, H, W] -> [B, 1]
    {
        ExpectImages(input, config.Channels, config.ImageSize);
        var map = 2 * input - 1;
        foreach (var layer in layers)
            map = layer.Call(map);
        map = lastConv.Call(Torch.Cat([map, Deviation(map)], 1));
        return linear.Call(Record("penultimate", map.Flatten(1)));
    }

    // How much the images of a group differ, a number per group, as a channel [B, 1, H, W] (Karras et al., 2018, section 3). The groups are
    // interleaved: with two of them, every second image is of the same.
    private Tensor Deviation(Tensor map)
    {
        var (batch, channels, height, width) = map.Shape;
        var group = Math.Min(batch, config.Group);
        if (batch % group != 0)
            throw new ShapeException($"a batch of {batch} images must be a multiple of {group}: their deviation is that of groups");
        var deviation = (map.Reshape(group, batch / group, channels, height, width).Var(0, unbiased: false) + 1e-8).Sqrt();
        return deviation.Mean([1, 2, 3]).Repeat(group).Reshape(batch, 1, 1, 1).Expand([batch, 1, height, width]);
    }

    private static Sequential Convolution(int inputs, int outputs, int kernel) =>
        new(new EqualConv2d(inputs, outputs, kernel, padding: kernel / 2), new BiasedLeakyRelu(outputs));

    private static Sequential Projection(int features) =>
        new([("0", new EqualLinear(features, HeadWidth, activated: true)), ("2", new EqualLinear(HeadWidth, ProjectionWidth))]);

    private sealed partial class ScoreHead(int features) : Layer
    {
        private readonly EqualLinear l1 = new(features, HeadWidth, activated: true);
        private readonly EqualLinear l2 = new(HeadWidth, 1);

        protected override Tensor Forward(Tensor input) => l2.Call(l1.Call(input));
    }

    /// <summary>Two convolutions beside one of 1x1, which halve the resolution.</summary>
    private sealed partial class Block(int inputs, int outputs) : Layer
    {
        private readonly Sequential conv1 = Convolution(inputs, inputs, 3);
        private readonly Sequential conv2 = new(
            LowPass.At(padding: 2),
            new EqualConv2d(inputs, outputs, 3, stride: 2),
            new BiasedLeakyRelu(outputs)
        );
        private readonly Sequential skip = new(LowPass.At(padding: 1), new EqualConv2d(inputs, outputs, 1, stride: 2));

        protected override Tensor Forward(Tensor input) => (conv2.Call(conv1.Call(input)) + skip.Call(input)) / Math.Sqrt(2);
    }
}
