using System.ComponentModel.DataAnnotations;
using Tessera.Models.Layers;
using Tessera.Nn;

namespace Tessera.Models;

/// <summary>
/// ViTGAN's discriminator: overlapping patches, attention by distances, and linear maps whose largest singular value stays what it was in
/// the beginning. Lee et al., "ViTGAN: Training GANs with Vision Transformers", 2021, arXiv:2107.04589, section 3.1. The authors' code has
/// none: this one follows the paper.
/// </summary>
/// <remarks>Taps see <c>embedded</c> [B, 1 + N, D], what the first block gets, and <c>blocks.i.attn.attention</c>.</remarks>
public sealed partial class VitDiscriminator : Discriminator
{
    /// <summary>Sizes and options. Their defaults are the paper's for images of 32 x 32.</summary>
    /// <param name="ImageSize">Side of the images, a multiple of the patch.</param>
    /// <param name="Patch">Pixels from one patch to the next.</param>
    /// <param name="Overlap">Pixels that a patch reaches into each of its neighbours; half a patch when left out.</param>
    /// <param name="Dim">Width D of the tokens, a multiple of the heads.</param>
    /// <param name="Depth">Number of blocks.</param>
    /// <param name="Heads">Heads of the attention.</param>
    /// <param name="MlpRatio">Hidden width of the MLPs over the width.</param>
    /// <param name="Eps">Of the norms.</param>
    /// <param name="Activation">Of the MLPs.</param>
    /// <param name="Channels">Channels of the images.</param>
    public sealed record Config(
        [Range(1, 4096)] int ImageSize,
        [Range(1, 1024)] int Patch = 4,
        [Range(0, 1024)] int? Overlap = null,
        [Range(1, 100_000)] int Dim = 384,
        [Range(1, 1000)] int Depth = 4,
        [Range(1, 1000)] int Heads = 6,
        [Range(0.01, 1000)] double MlpRatio = 4,
        [Range(0, 1)] double Eps = 1e-6,
        VitDiscriminatorActivation Activation = VitDiscriminatorActivation.Silu,
        [Range(1, 1000)] int Channels = 3
    )
    {
        /// <summary>The paper's: 64 patches, and 4 blocks up to 32 pixels, 6 above.</summary>
        /// <param name="imageSize">Side of the images.</param>
        public static Config Paper(int imageSize) => new(imageSize, Math.Max(1, imageSize / 8), Depth: imageSize <= 32 ? 4 : 6);
    }

    private readonly Parameter clsToken; // [1, 1, D]
    private readonly NormalizedLinear patchEmbed;
    private readonly Linear position;
    private readonly ModuleList<Block> blocks;
    private readonly LayerNorm norm;
    private readonly NormalizedLinear head;
    private readonly Config config;
    private readonly int overlap;

    /// <summary>A discriminator with weights of deviation 1.</summary>
    /// <param name="config">Sizes and options.</param>
    /// <exception cref="ArgumentException">A size is out of its range or does not fit the others.</exception>
    public VitDiscriminator(Config config)
    {
        this.config = OptionRanges.Checked(config);
        if (config.ImageSize % config.Patch != 0)
            throw new ArgumentException(
                $"the image size {config.ImageSize} must be a multiple of the patch of {config.Patch} pixels",
                nameof(config)
            );
        if (config.Dim % config.Heads != 0)
            throw new ArgumentException($"the width {config.Dim} must be a multiple of the {config.Heads} heads", nameof(config));
        overlap = config.Overlap ?? config.Patch / 2;
        clsToken = Init.Normal(new Parameter([1, 1, config.Dim]), 0.02);
        patchEmbed = new(config.Channels * Window * Window, config.Dim);
        position = new(2, config.Dim);
        blocks = new(Enumerable.Range(0, config.Depth).Select(_ => new Block(config)));
        norm = new(config.Dim, config.Eps);
        head = new(config.Dim, 1);
    }

    // Side of a patch with what it sees of its neighbours.
    private int Window => config.Patch + 2 * overlap;

    /// <inheritdoc/>
    protected override Tensor Forward(Tensor input) // [B, C, H, W] -> [B, 1]
    {
        ExpectImages(input, config.Channels, config.ImageSize);
        var (weight, bias) = patchEmbed.Used();
        var kernel = weight.Reshape(config.Dim, config.Channels, Window, Window);
        // Pixels become [-1, 1] first: what lies outside of the image is gray.
        var patches = Torch.Conv2d(2 * input - 1, kernel, bias, config.Patch, overlap).Flatten(2).Transpose(1, 2); // [B, N, D]
        var precision = position.Weight.DType == DType.Float64 ? DType.Float64 : DType.Float32;
        var grid = CoordinateGrid.Of(config.ImageSize / config.Patch, precision, position.Weight);
        var tokens = patches + position.Call(grid).Sin();
        var x = Record("embedded", Torch.Cat([clsToken.Expand([input.Size(0), -1, -1]).To(tokens.DType), tokens], 1));
        foreach (var block in blocks)
            x = block.Call(x);
        return head.Call(norm.Call(x).Select(1, 0));
    }

    private sealed partial class Block : Layer
    {
        private readonly LayerNorm norm1;
        private readonly DistanceAttention attn;
        private readonly LayerNorm norm2;
        private readonly NormalizedLinear fc1;
        private readonly NormalizedLinear fc2;
        private readonly VitDiscriminatorActivation activation;

        internal Block(Config config)
        {
            activation = config.Activation;
            norm1 = new(config.Dim, config.Eps);
            attn = new(config.Dim, config.Heads);
            norm2 = new(config.Dim, config.Eps);
            var hidden = (int)(config.Dim * config.MlpRatio);
            fc1 = new(config.Dim, hidden);
            fc2 = new(hidden, config.Dim);
        }

        protected override Tensor Forward(Tensor input)
        {
            var x = input + attn.Call(norm1.Call(input));
            return x + fc2.Call(Activated(fc1.Call(norm2.Call(x))));
        }

        private Tensor Activated(Tensor x) => activation == VitDiscriminatorActivation.Silu ? x.Silu() : x.Gelu();
    }

    /// <summary>
    /// Attention by the squared distances of queries and keys, which are the same vectors: softmax(-|q_i - q_j|^2 / sqrt(d)) (section 3.1;
    /// the minus is that of Kim et al., "The Lipschitz Constant of Self-Attention", 2020, arXiv:2006.04710).
    /// </summary>
    private sealed partial class DistanceAttention : Layer
    {
        private readonly NormalizedLinear toQk;
        private readonly NormalizedLinear toV;
        private readonly NormalizedLinear toOut;
        private readonly int heads;

        internal DistanceAttention(int dim, int heads)
        {
            this.heads = heads;
            toQk = new(dim, dim, bias: false);
            toV = new(dim, dim, bias: false);
            toOut = new(dim, dim);
        }

        protected override Tensor Forward(Tensor input) // [B, N, D]
        {
            var (batch, tokens, dim) = input.Shape;
            Tensor Heads(Tensor x) => x.Reshape(batch, tokens, heads, dim / heads).Transpose(1, 2); // [B, h, N, d]
            var query = Heads(toQk.Call(input));
            // |q_i|^2 is the same for all j, so softmax does not see it.
            var scores = (2 * query.Matmul(query.MT) - query.Square().Sum([-1]).Unsqueeze(-2)) / Math.Sqrt(dim / heads);
            var weights = Record("attention", scores.Softmax(-1));
            return toOut.Call(weights.Matmul(Heads(toV.Call(input))).Transpose(1, 2).Reshape(batch, tokens, dim));
        }
    }

    /// <summary>
    /// An equalised linear map with improved spectral normalisation (section 3.1): weights times their largest singular value in
    /// the beginning over that of now.
    /// </summary>
    private sealed partial class NormalizedLinear : Layer
    {
        private readonly Parameter weight; // [out, in]
        private readonly Parameter? bias; // [out]
        private readonly ModuleBuffer weightU; // [out]
        private readonly ModuleBuffer sigmaInit; // []

        internal NormalizedLinear(int inputs, int outputs, bool bias = true)
        {
            weight = Init.Normal(new Parameter([outputs, inputs]), 1);
            if (bias)
                this.bias = Init.Zeros(new Parameter(outputs));
            // About as long as 1.
            weightU = Init.Normal(new ModuleBuffer(Torch.Zeros(outputs)), 1 / Math.Sqrt(outputs));
            sigmaInit = Init.LargestSingularValue(new ModuleBuffer(Tensor.Of(0f), constant: true), weight);
        }

        /// <summary>The weights as they are used. In training the estimate of the singular vector is renewed first.</summary>
        internal (Tensor Weight, Tensor? Bias) Used()
        {
            var (sigma, left) = SpectralNorm.Estimate(weight, weightU, throughVectors: false);
            if (Training)
                using (Torch.NoGrad())
                    weightU.Copy_(left);
            return (weight * (sigmaInit * EqualLinear.Scale(weight.Size(1)) / sigma), bias);
        }

        protected override Tensor Forward(Tensor input)
        {
            var (used, added) = Used();
            return Torch.Linear(input, used, added);
        }
    }
}
