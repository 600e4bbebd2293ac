using Tessera.Models.Layers;
using Tessera.Nn;

namespace Tessera.Models;

/// <summary>
/// gMLP: an MLP whose hidden values are gated by a linear map over the tokens. Liu et al., "Pay Attention to MLPs", 2021,
/// arXiv:2105.08050.
/// </summary>
public sealed partial class GMlp : TokenMlp<GMlp.Config>
{
    /// <summary>Sizes and options.</summary>
    /// <param name="ImageSize">Height and width in pixels, multiples of the patch.</param>
    /// <param name="Patch">Side of a patch.</param>
    /// <param name="Dim">Width of the tokens.</param>
    /// <param name="Depth">Number of blocks.</param>
    /// <param name="Classes">Number of classes; 0 for no classifier.</param>
    /// <param name="Channels">Channels of the images.</param>
    /// <param name="MlpRatio">Hidden width, both halves together, over the width.</param>
    /// <param name="Dropout">Dropout of the MLPs.</param>
    /// <param name="DropPath">Stochastic depth, the same in all blocks.</param>
    public sealed record Config(
        (int Height, int Width) ImageSize,
        int Patch,
        int Dim,
        int Depth,
        int Classes = 1000,
        int Channels = 3,
        double MlpRatio = 6,
        double Dropout = 0,
        double DropPath = 0
    ) : TokenMlpConfig(ImageSize, Patch, Dim, Depth, Classes, Channels, Dropout, DropPath);

    // The norm of a block and the final one; the norm inside of the gate has 1e-5.
    private const double Eps = 1e-6;

    /// <summary>A gMLP, whose gates start as the identity.</summary>
    public GMlp(Config config)
        : base(config, () => new Block(config), new LayerNorm(config.Dim, Eps)) { }

    private sealed partial class Block : TokenMlpBlock
    {
        private readonly LayerNorm norm;
        private readonly GatedMlp mlpChannels;
        private readonly DropPath dropPath;

        public Block(Config config)
        {
            norm = new LayerNorm(config.Dim, Eps);
            mlpChannels = new GatedMlp(config);
            dropPath = new DropPath(config.DropPath);
        }

        protected override Tensor Forward(Tensor input) => input + dropPath.Call(mlpChannels.Call(norm.Call(input)));

        public override void Resize((int Height, int Width) from, (int Height, int Width) to) => mlpChannels.Resize(from, to);

        public override Tensor Mixing(int token) => mlpChannels.Mixing(token);

        public override (string[] Columns, string[] Rows) TokenWeights =>
            (["mlp_channels.gate.proj.weight"], ["mlp_channels.gate.proj.weight", "mlp_channels.gate.proj.bias"]);
    }

    /// <summary>Linear, GELU, gate, linear (equation 1).</summary>
    private sealed partial class GatedMlp : Layer
    {
        private readonly Linear fc1;
        private readonly SpatialGate gate;
        private readonly Linear fc2;
        private readonly Dropout drop;

        public GatedMlp(Config config)
        {
            var hidden = (int)(config.Dim * config.MlpRatio);
            fc1 = XavierInit.Linears(new Linear(config.Dim, hidden));
            gate = new SpatialGate(hidden / 2, config.Tokens);
            fc2 = XavierInit.Linears(new Linear(hidden / 2, config.Dim));
            drop = new Dropout(config.Dropout);
        }

        protected override Tensor Forward(Tensor input) => drop.Call(fc2.Call(gate.Call(drop.Call(fc1.Call(input).Gelu()))));

        public Tensor Mixing(int token) => gate.Mixing(token);

        public void Resize((int Height, int Width) from, (int Height, int Width) to) => gate.Resize(from, to);
    }

    /// <summary>One half of the channels times a linear map over the tokens of the other half (equation 3).</summary>
    private sealed partial class SpatialGate : Layer
    {
        private readonly LayerNorm norm;
        private Linear proj;

        public SpatialGate(int dim, int tokens)
        {
            norm = new LayerNorm(dim);
            proj = new Linear(tokens, tokens);
            Init.Normal(proj.Weight, 1e-6);
            Init.Ones(proj.Bias!);
        }

        protected override Tensor Forward(Tensor input) // [B, N, 2 D]
        {
            var halves = input.Chunk(2, -1);
            return halves[0] * proj.Call(norm.Call(halves[1]).Transpose(1, 2)).Transpose(1, 2);
        }

        public Tensor Mixing(int token) => proj.Weight.Abs()[token];

        public void Resize((int Height, int Width) from, (int Height, int Width) to) =>
            proj = TokenMatrix.Resample(proj, from, to, inputs: true, outputs: true);
    }

    private static Variant Make(string name, int dim, double dropPath, double parameters, double gmacs, double top1, string? note = null) =>
        new(
            name,
            Paper: "Pay Attention to MLPs, 2021, arXiv:2105.08050",
            Create: Variant.Configured(
                new Config(ImageSize: (224, 224), Patch: 16, Dim: dim, Depth: 30, Classes: 1000, MlpRatio: 6, DropPath: dropPath),
                config => new GMlp(config)
            ),
            ImageSize: 224,
            Parameters: parameters,
            GMacs: gmacs,
            Top1: top1,
            Dataset: "ImageNet-1k",
            Preprocessing: Preprocessing.Half with
            {
                CropRatio = 0.875,
            },
            Note: note
        );

    /// <summary>The published sizes.</summary>
    public static IReadOnlyList<Variant> Variants { get; } =
    [
        Make("gmlp_ti16_224", dim: 128, dropPath: 0, parameters: 5.87, gmacs: 1.33, top1: 72.3, note: "1.4 GMACs in the paper"),
        Make("gmlp_s16_224", dim: 256, dropPath: 0.05, parameters: 19.42, gmacs: 4.39, top1: 79.6, note: "4.5 GMACs in the paper"),
        Make("gmlp_b16_224", dim: 512, dropPath: 0.2, parameters: 73.08, gmacs: 15.8, top1: 81.6),
        Variant.Micro(
            "gmlp_micro_32",
            "Pay Attention to MLPs, 2021, arXiv:2105.08050",
            config: new Config(ImageSize: (32, 32), Patch: 4, Dim: 128, Depth: 8, Classes: 10),
            create: config => new GMlp(config)
        ),
    ];
}
