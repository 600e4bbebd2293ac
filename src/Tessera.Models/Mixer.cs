using Tessera.Models.Layers;
using Tessera.Nn;

namespace Tessera.Models;

/// <summary>
/// MLP-Mixer: one MLP over the tokens, one over the channels, in turn. Tolstikhin et al., "MLP-Mixer: An all-MLP Architecture
/// for Vision", 2021, arXiv:2105.01601. The gated variants (gMixer) are timm's.
/// </summary>
public sealed partial class Mixer : TokenMlp<Mixer.Config>
{
    /// <summary>Sizes and options.</summary>
    /// <param name="ImageSize">Height and width in pixels, multiples of the patch.</param>
    /// <param name="Patch">Side of a patch.</param>
    /// <param name="Dim">Width of the tokens.</param>
    /// <param name="Depth">Number of blocks.</param>
    /// <param name="Classes">Number of classes; 0 for no classifier.</param>
    /// <param name="Channels">Channels of the images.</param>
    /// <param name="TokenRatio">Hidden width of the MLP over tokens, over the width (not over the number of tokens).</param>
    /// <param name="ChannelRatio">Hidden width of the MLP over channels, over the width.</param>
    /// <param name="Gated">gMixer: one half of the hidden values gates the other by SiLU.</param>
    /// <param name="Dropout">Dropout of the MLPs.</param>
    /// <param name="DropPath">Stochastic depth, the same in all blocks.</param>
    public sealed record Config(
        (int Height, int Width) ImageSize,
        int Patch,
        int Dim,
        int Depth,
        int Classes = 1000,
        int Channels = 3,
        double TokenRatio = 0.5,
        double ChannelRatio = 4,
        bool Gated = false,
        double Dropout = 0,
        double DropPath = 0
    ) : TokenMlpConfig(ImageSize, Patch, Dim, Depth, Classes, Channels, Dropout, DropPath);

    private const double Eps = 1e-6;

    /// <summary>A Mixer with timm's initialisation.</summary>
    public Mixer(Config config)
        : base(config, () => new Block(config), new LayerNorm(config.Dim, Eps)) { }

    /// <summary>Mixing over tokens, then over channels (equation 1).</summary>
    private sealed partial class Block : TokenMlpBlock
    {
        private readonly LayerNorm norm1;
        private readonly TwoLayers mlpTokens;
        private readonly LayerNorm norm2;
        private readonly TwoLayers mlpChannels;
        private readonly DropPath dropPath;

        public Block(Config config)
        {
            norm1 = new LayerNorm(config.Dim, Eps);
            mlpTokens = new TwoLayers(config.Tokens, (int)(config.TokenRatio * config.Dim), config.Gated, config.Dropout);
            norm2 = new LayerNorm(config.Dim, Eps);
            mlpChannels = new TwoLayers(config.Dim, (int)(config.ChannelRatio * config.Dim), config.Gated, config.Dropout);
            dropPath = new DropPath(config.DropPath);
        }

        protected override Tensor Forward(Tensor input) // [B, N, D]
        {
            var x = input + dropPath.Call(mlpTokens.Call(norm1.Call(input).Transpose(1, 2)).Transpose(1, 2));
            return x + dropPath.Call(mlpChannels.Call(norm2.Call(x)));
        }

        public override void Resize((int Height, int Width) from, (int Height, int Width) to) => mlpTokens.Resize(from, to);

        public override Tensor Mixing(int token) => mlpTokens.Mixing(token);

        public override (string[] Columns, string[] Rows) TokenWeights =>
            (["mlp_tokens.fc1.weight"], ["mlp_tokens.fc2.weight", "mlp_tokens.fc2.bias"]);
    }

    /// <summary>Two linear maps; in between GELU, or the product of one half with SiLU of the other.</summary>
    private sealed partial class TwoLayers(int dim, int hidden, bool gated, double dropout) : Layer
    {
        private Linear fc1 = XavierInit.Linears(new Linear(dim, hidden));
        private Linear fc2 = XavierInit.Linears(new Linear(gated ? hidden / 2 : hidden, dim));
        private readonly Dropout drop = new(dropout);

        protected override Tensor Forward(Tensor input)
        {
            var h = fc1.Call(input);
            if (gated)
            {
                var halves = h.Chunk(2, -1);
                h = halves[0] * halves[1].Silu();
            }
            else
                h = h.Gelu();
            return drop.Call(fc2.Call(drop.Call(h)));
        }

        // Of a gated layer the half that is gated.
        public Tensor Mixing(int token)
        {
            Tensor output = fc2.Weight;
            return output.Abs()[token].Matmul(fc1.Weight.Abs().Slice(0, 0, output.Size(1)));
        }

        public void Resize((int Height, int Width) from, (int Height, int Width) to)
        {
            fc1 = TokenMatrix.Resample(fc1, from, to, inputs: true, outputs: false);
            fc2 = TokenMatrix.Resample(fc2, from, to, inputs: false, outputs: true);
        }
    }

    private static Variant Make(
        string name,
        int patch,
        int dim,
        int depth,
        double parameters,
        double gmacs,
        double? top1 = null,
        string? note = null,
        bool gated = false
    ) =>
        new(
            name,
            Paper: gated ? "timm's gated MLP-Mixer" : "MLP-Mixer, 2021, arXiv:2105.01601",
            Create: Variant.Configured(
                new Config(
                    ImageSize: (224, 224),
                    Patch: patch,
                    Dim: dim,
                    Depth: depth,
                    Classes: 1000,
                    TokenRatio: gated ? 1 : 0.5,
                    ChannelRatio: 4,
                    Gated: gated,
                    DropPath: 0
                ),
                config => new Mixer(config)
            ),
            ImageSize: 224,
            Parameters: parameters,
            GMacs: gmacs,
            Top1: top1,
            Dataset: "ImageNet-1k",
            Preprocessing: gated ? Preprocessing.ImageNet : Preprocessing.Half with { CropRatio = 0.875 },
            Note: note
        );

    /// <summary>The published sizes.</summary>
    public static IReadOnlyList<Variant> Variants { get; } =
    [
        Make("mixer_s32_224", patch: 32, dim: 512, depth: 8, parameters: 19.10, gmacs: 1.0),
        Make("mixer_s16_224", patch: 16, dim: 512, depth: 8, parameters: 18.53, gmacs: 3.8),
        Make("mixer_b32_224", patch: 32, dim: 768, depth: 12, parameters: 60.29, gmacs: 3.2),
        Make("mixer_b16_224", patch: 16, dim: 768, depth: 12, parameters: 59.88, gmacs: 12.6, top1: 76.4, note: "76.6 after ImageNet-21k"),
        Make("mixer_l32_224", patch: 32, dim: 1024, depth: 24, parameters: 206.94, gmacs: 11.3),
        Make("mixer_l16_224", patch: 16, dim: 1024, depth: 24, parameters: 208.20, gmacs: 44.6, top1: 71.8),
        Make("gmixer_12_224", patch: 16, dim: 384, depth: 12, parameters: 12.70, gmacs: 2.7, gated: true),
        Make("gmixer_24_224", patch: 16, dim: 384, depth: 24, parameters: 24.72, gmacs: 5.3, top1: 78.0, gated: true),
        Variant.Micro(
            "mixer_micro_32",
            "MLP-Mixer, 2021, arXiv:2105.01601",
            config: new Config(ImageSize: (32, 32), Patch: 4, Dim: 128, Depth: 8, Classes: 10),
            create: config => new Mixer(config)
        ),
        Variant.Micro(
            "gmixer_micro_32",
            "timm's gated MLP-Mixer",
            config: new Config(ImageSize: (32, 32), Patch: 4, Dim: 128, Depth: 8, Classes: 10, TokenRatio: 1, ChannelRatio: 4, Gated: true),
            create: config => new Mixer(config)
        ),
    ];
}
