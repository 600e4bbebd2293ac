using Tessera.Models.Layers;
using Tessera.Nn;

namespace Tessera.Models;

/// <summary>
/// ResMLP: one linear map over the tokens and an MLP over the channels, with affine maps in place of norms.
/// Touvron et al., "ResMLP: Feedforward networks for image classification with data-efficient training", 2021, arXiv:2105.03404.
/// </summary>
/// <remarks>Nothing normalises: with large layer scales it diverges.</remarks>
public sealed partial class ResMlp : TokenMlp<ResMlp.Config>
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

    /// <summary>A ResMLP.</summary>
    public ResMlp(Config config)
        : base(config, () => new Block(config), new Affine(config.Dim)) { }

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
            linearTokens = XavierInit.Linears(new Linear(config.Tokens, config.Tokens), biasStd: 0);
            norm2 = new Affine(config.Dim);
            mlpChannels = XavierInit.Linears(new Mlp(config.Dim, (int)(config.Dim * config.MlpRatio), config.Dropout));
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
            Paper: "ResMLP, 2021, arXiv:2105.03404",
            Create: Variant.Configured(
                new Config(
                    ImageSize: (224, 224),
                    Patch: patch,
                    Dim: dim,
                    Depth: depth,
                    Classes: 1000,
                    MlpRatio: 4,
                    LayerScale: layerScale,
                    DropPath: 0
                ),
                config => new ResMlp(config)
            ),
            ImageSize: 224,
            Parameters: parameters,
            GMacs: gmacs,
            Top1: top1,
            Dataset: "ImageNet-1k",
            Preprocessing: Preprocessing.ImageNet,
            Note: note
        );

    /// <summary>The published sizes.</summary>
    public static IReadOnlyList<Variant> Variants { get; } =
    [
        Make(
            "resmlp_12_224",
            patch: 16,
            dim: 384,
            depth: 12,
            layerScale: 1e-4,
            parameters: 15.35,
            gmacs: 3.0,
            top1: 76.6,
            note: "77.8 distilled"
        ),
        Make(
            "resmlp_24_224",
            patch: 16,
            dim: 384,
            depth: 24,
            layerScale: 1e-5,
            parameters: 30.02,
            gmacs: 6.0,
            top1: 79.4,
            note: "80.8 distilled"
        ),
        Make(
            "resmlp_36_224",
            patch: 16,
            dim: 384,
            depth: 36,
            layerScale: 1e-6,
            parameters: 44.69,
            gmacs: 8.9,
            top1: 79.7,
            note: "81.1 distilled"
        ),
        Make(
            "resmlp_big_24_224",
            patch: 8,
            dim: 768,
            depth: 24,
            layerScale: 1e-6,
            parameters: 129.1,
            gmacs: 100,
            top1: 81.0,
            note: "83.6 distilled; 84.4 after ImageNet-22k"
        ),
        Variant.Micro(
            "resmlp_micro_32",
            "ResMLP, 2021, arXiv:2105.03404",
            config: new Config(ImageSize: (32, 32), Patch: 4, Dim: 128, Depth: 8, Classes: 10, LayerScale: 0.1),
            create: config => new ResMlp(config)
        ),
    ];
}
