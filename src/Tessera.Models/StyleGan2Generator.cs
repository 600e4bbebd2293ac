using System.ComponentModel.DataAnnotations;
using Tessera.Models.Layers;
using Tessera.Nn;

namespace Tessera.Models;

/// <summary>
/// StyleGAN2's generator: a learned map of 4 x 4 that modulated convolutions double until it is the image, to which maps of each resolution
/// add their colours. Karras et al., "Analyzing and Improving the Image Quality of StyleGAN", 2020, arXiv:1912.04958. Names and order of
/// the weights are those of mlpc-ucsd/ViTGAN.
/// </summary>
/// <remarks>Taps see <c>latent</c> [B, S], the style of the random vectors, and <c>raw</c>, the image in [-1, 1].</remarks>
public sealed partial class StyleGan2Generator : ImageGenerator
{
    /// <summary>Sizes and options.</summary>
    /// <param name="ImageSize">Side of the images: a power of 2 from 8 to 1024.</param>
    /// <param name="StyleDim">Width S of random vectors and styles.</param>
    /// <param name="MappingLayers">Linear maps that make a style of a random vector.</param>
    /// <param name="Small32">Narrow widths for images of up to 32 pixels: 512 channels up to 8 x 8, then half as many each time.</param>
    /// <param name="ChannelMultiplier">Factor of the channels of maps above 32 pixels.</param>
    /// <param name="StyleMix">Share of training samples of which some of the last layers see another style.</param>
    /// <param name="Channels">Channels of the images.</param>
    /// <param name="Widest">Most channels of a map.</param>
    public sealed record Config(
        int ImageSize,
        [Range(1, 100_000)] int StyleDim = 512,
        [Range(0, 100)] int MappingLayers = 8,
        bool Small32 = false,
        [Range(0.01, 100)] double ChannelMultiplier = 2,
        [Range(0, 1)] double StyleMix = 0.9,
        [Range(1, 1000)] int Channels = 3,
        [Range(1, 100_000)] int Widest = 512
    );

    private readonly Sequential style;
    private readonly LearnedMap input;
    private readonly StyleLayer conv1;
    private readonly ToRgb toRgb1;
    private readonly ModuleList<StyleLayer> layers;
    private readonly ModuleList<ToRgb> toRgbs;
    private readonly Config config;

    /// <summary>A generator with the authors' initialisation.</summary>
    /// <param name="config">Sizes and options.</param>
    /// <exception cref="ArgumentException">A size is out of its range or does not fit the others.</exception>
    public StyleGan2Generator(Config config)
    {
        this.config = OptionRanges.Checked(config);
        var widths = StyleGan2Widths.Of(config.ImageSize, config.Small32, config.ChannelMultiplier, config.Widest);
        style = StyleMapping.Create(config.StyleDim, config.MappingLayers);
        input = new(widths[0]);
        conv1 = new(widths[0], widths[0], 3, config.StyleDim);
        toRgb1 = new(widths[0], config.Channels, config.StyleDim, adds: false);
        var steps = widths.Zip(widths.Skip(1)).ToArray();
        layers = new(
            steps.SelectMany(step =>
                new[]
                {
                    new StyleLayer(step.First, step.Second, 3, config.StyleDim, doubles: true),
                    new StyleLayer(step.Second, step.Second, 3, config.StyleDim),
                }
            )
        );
        toRgbs = new(steps.Select(step => new ToRgb(step.Second, config.Channels, config.StyleDim, adds: true)));
    }

    /// <inheritdoc/>
    public override (int Height, int Width) ImageSize => (config.ImageSize, config.ImageSize);

    /// <inheritdoc/>
    public override int Channels => config.Channels;

    /// <inheritdoc/>
    public override int LatentWidth => config.StyleDim;

    /// <inheritdoc/>
    public override Tensor Styles(Tensor latents) => style.Call(latents);

    /// <inheritdoc/>
    public override Tensor ImagesOf(Tensor styles) => Torch.Scope(() => Pixels(styles));

    /// <inheritdoc/>
    protected override Tensor Images(Tensor latents) => Pixels(Record("latent", style.Call(latents)));

    private Tensor Pixels(Tensor latent) // [B, S] -> [B, C, H, W]
    {
        var styles = Mixed(latent);
        var map = conv1.Call((input.For(latent.Size(0)), styles[0]));
        var image = toRgb1.Call((map, styles[1], null));
        for (var i = 0; i < toRgbs.Count; i++)
        {
            map = layers[2 * i].Call((map, styles[2 * i + 1]));
            map = layers[2 * i + 1].Call((map, styles[2 * i + 2]));
            image = toRgbs[i].Call((map, styles[2 * i + 3], image));
        }
        var pixels = Record("raw", image) * 0.5 + 0.5;
        return Training ? pixels : pixels.Clamp(0, 1);
    }

    // A style [B, S] for each layer. In training, another one takes over from a random layer on (Karras et al., 2019, section 3.1).
    private Tensor[] Mixed(Tensor latent)
    {
        var count = 2 * toRgbs.Count + 2;
        if (!Training || config.StyleMix == 0)
            return [.. Enumerable.Repeat(latent, count)];
        var (batch, device) = (latent.Size(0), latent.Device);
        var other = style.Call(latent.RandnLike());
        var mixes = Torch.Rand([batch, 1], DType.Float32, device: device) < config.StyleMix;
        var from = Torch.Where(mixes, Torch.Randint(count, [batch, 1], device: device), Tensor.Of((long)count).To(device));
        return [.. Enumerable.Range(0, count).Select(layer => Torch.Where(from > layer, latent, other))];
    }

    /// <summary>The map that every image begins with.</summary>
    private sealed partial class LearnedMap(int channels) : Module
    {
        private readonly Parameter @const = Init.Normal(new Parameter([1, channels, 4, 4]), 1);

        internal Tensor For(long batch) => @const.Expand([batch, -1, -1, -1]);
    }
}
