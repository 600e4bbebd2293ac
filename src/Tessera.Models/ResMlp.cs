using Tessera.Models.Layers;
using Tessera.Nn;

namespace Tessera.Models;

/// <summary>
/// ResMLP: one linear map over the tokens and an MLP over the channels, with affine maps in place of norms.
/// Touvron et al., "ResMLP: Feedforward networks for image classification with data-efficient training", 2021, arXiv:2105.03404.
/// </summary>
/// <remarks>Nothing normalises: with large layer scales it diverges.</remarks>
public sealed partial class ResMlp : TokenMlp
{
    /// <summary>Sizes and options.</summary>
    /// <param name="ImageSize">Height and width in pixels, multiples of the patch.</param>
    /// <param name="Patch">Side of a patch.</param>
    /// <param name="Dim">Width of the tokens.</param>
    /// <param name="Depth">Number of blocks.</param>
    /// <param name="Classes">Number of classes; 0 for no classifier.</param>
    /// <param name="Channels">Channels of the images.</param>
    /// <param name="MlpRatio">Hidden width of the MLP over the width.</param>
    /// <param name="LayerScale">Initial factor of the residuals.</param>
    /// <param name="Dropout">Dropout of the MLPs.</param>
    /// <param name="DropPath">Stochastic depth, the same in all blocks.</param>
    public sealed record Config(
        (int Height, int Width) ImageSize,
        int Patch,
        int Dim,
        int Depth,
        int Classes = 1000,
        int Channels = 3,
        double MlpRatio = 4,
        double LayerScale = 1e-4,
        double Dropout = 0,
        double DropPath = 0
    ) : TokenMlpConfig(ImageSize, Patch, Dim, Depth, Classes, Channels, Dropout, DropPath);

    private readonly Config config;

    /// <summary>A ResMLP.</summary>
    public ResMlp(Config config)
        : base(config, () => new Block(config), new Affine(config.Dim)) => this.config = config;

    /// <summary>Its sizes and options.</summary>
    public Config Options => config with { ImageSize = ImageSize, Classes = Classes };

    /// <summary>Also takes the names of the authors' own checkpoints.</summary>
    /// <inheritdoc/>
    public override void AdaptStateDict(IDictionary<string, Tensor> state)
    {
        if (state.ContainsKey("patch_embed.proj.weight"))
            foreach (var (name, value) in state.ToArray())
            {
                state.Remove(name);
                var renamed = name.Replace("patch_embed.", "stem.", StringComparison.Ordinal)
                    .Replace("attn.", "linear_tokens.", StringComparison.Ordinal)
                    .Replace("mlp.", "mlp_channels.", StringComparison.Ordinal)
                    .Replace("gamma_", "ls", StringComparison.Ordinal);
                state[renamed] =
                    renamed.EndsWith(".alpha", StringComparison.Ordinal) || renamed.EndsWith(".beta", StringComparison.Ordinal)
                        ? value.Reshape(1, 1, -1)
                        : value;
            }
        base.AdaptStateDict(state);
    }

    /// <summary>alpha x + beta per channel (equation 1).</summary>
    private sealed partial class Affine(int dim) : Layer
    {
        private readonly Parameter alpha = Init.Ones(new Parameter([1, 1, dim]));
        private readonly Parameter beta = Init.Zeros(new Parameter([1, 1, dim]));

        protected override Tensor Forward(Tensor input) => beta.Addcmul(alpha, input);
    }

    /// <summary>Equations 2 and 3, with layer scale.</summary>
    private sealed partial class Block : TokenMlpBlock
    {
        private readonly Parameter ls1; // [D]
        private readonly Parameter ls2; // [D]
        private readonly Affine norm1;
        private Linear linearTokens;
        private readonly Affine norm2;
        private readonly Mlp mlpChannels;
        private readonly DropPath dropPath;

        public Block(Config config)
        {
            ls1 = Init.Constant(new Parameter(config.Dim), config.LayerScale);
            ls2 = Init.Constant(new Parameter(config.Dim), config.LayerScale);
            norm1 = new Affine(config.Dim);
            linearTokens = Initialised(new Linear(config.Tokens, config.Tokens), biasStd: 0);
            norm2 = new Affine(config.Dim);
            mlpChannels = Initialised(new Mlp(config.Dim, (int)(config.Dim * config.MlpRatio), config.Dropout));
            dropPath = new DropPath(config.DropPath);
        }

        protected override Tensor Forward(Tensor input) // [B, N, D]
        {
            var x = input + dropPath.Call(ls1 * linearTokens.Call(norm1.Call(input).Transpose(1, 2)).Transpose(1, 2));
            return x + dropPath.Call(ls2 * mlpChannels.Call(norm2.Call(x)));
        }

        public override void Resize((int Height, int Width) from, (int Height, int Width) to) =>
            linearTokens = TokenMatrix.Resample(linearTokens, from, to, inputs: true, outputs: true);

        public override Tensor Mixing(int token) => linearTokens.Weight.Abs()[token];

        public override (string[] Columns, string[] Rows) TokenWeights =>
            (["linear_tokens.weight"], ["linear_tokens.weight", "linear_tokens.bias"]);
    }

    private static Variant Make(
        string name,
        int patch,
        int dim,
        int depth,
        double layerScale,
        double parameters,
        double gmacs,
        double top1,
        string note
    ) =>
        new(
            name,
            "ResMLP, 2021, arXiv:2105.03404",
            options => new ResMlp(
                new Config(
                    options.ImageSize ?? (224, 224),
                    patch,
                    dim,
                    depth,
                    options.Classes ?? 1000,
                    options.Channels ?? 3,
                    4,
                    layerScale,
                    options.Dropout ?? 0,
                    options.DropPath ?? 0
                )
            ),
            224,
            parameters,
            gmacs,
            Top1: top1,
            Dataset: "ImageNet-1k",
            Preprocessing: Preprocessing.ImageNet,
            Note: note
        );

    /// <summary>The published sizes.</summary>
    public static IReadOnlyList<Variant> Variants { get; } =
    [
        Make("resmlp_12_224", 16, 384, 12, 1e-4, 15.35, 3.0, 76.6, "77.8 distilled"),
        Make("resmlp_24_224", 16, 384, 24, 1e-5, 30.02, 6.0, 79.4, "80.8 distilled"),
        Make("resmlp_36_224", 16, 384, 36, 1e-6, 44.69, 8.9, 79.7, "81.1 distilled"),
        Make("resmlp_big_24_224", 8, 768, 24, 1e-6, 129.1, 100, 81.0, "83.6 distilled; 84.4 after ImageNet-22k"),
        Variant.Micro("resmlp_micro_32", "ResMLP, 2021, arXiv:2105.03404", 32, a => new ResMlp(
            new Config(a.ImageSize, 4, 128, 8, a.Classes, a.Channels, LayerScale: 0.1, Dropout: a.Dropout, DropPath: a.DropPath)
        )),
    ];
}
