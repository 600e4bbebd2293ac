using System.ComponentModel.DataAnnotations;
using System.Numerics;
using Tessera.Models.Layers;
using Tessera.Nn;

namespace Tessera.Models;

/// <summary>
/// ViTGAN's generator: Fourier features of a grid of tokens, transformer blocks whose norms a style modulates, and a network that makes a
/// patch of pixels out of every token. Lee et al., "ViTGAN: Training GANs with Vision Transformers", 2021, arXiv:2107.04589, section 3.2.
/// Names and order of the weights are those of the authors' code (mlpc-ucsd/ViTGAN).
/// </summary>
/// <remarks>
/// Taps see <c>latent</c> [B, S], the style; <c>tokens</c> [B, N, D], what the pixels are made of; and <c>layers.i.attn.attention</c>.
/// </remarks>
public sealed partial class VitGanGenerator : ImageGenerator
{
    /// <summary>Sizes and options. Their defaults are what the authors' code trains for images of 32 x 32.</summary>
    /// <param name="ImageSize">Side of the images: the tokens along a side times a whole number, a power of 2 with convolutions.</param>
    /// <param name="TokenWidth">Tokens along a side.</param>
    /// <param name="Depth">Number of blocks.</param>
    /// <param name="StyleDim">Width S of random vectors and styles.</param>
    /// <param name="MappingLayers">Linear maps that make a style of a random vector.</param>
    /// <param name="PixelMapping">How pixels come out of tokens.</param>
    /// <param name="Attention">How queries and keys are compared.</param>
    /// <param name="SpectralNorm">
    /// Whether the linear maps of the blocks are divided by their largest singular value and multiplied with that of their initial weights.
    /// </param>
    /// <param name="Residual">What a block adds the results of its layers to.</param>
    /// <param name="Dim">Width D of the tokens, a multiple of the heads.</param>
    /// <param name="Heads">Heads of the attention.</param>
    /// <param name="MlpDim">Hidden width of the MLPs.</param>
    /// <param name="PixelDim">Channels of the network that makes pixels of a token (<see cref="VitGanPixelMapping.Implicit"/>).</param>
    /// <param name="Channels">Channels of the images.</param>
    /// <param name="SigmaInit">
    /// Largest singular values of initial weights by the path of their layer (<c>layers.0.attn.to_qkv</c>). The state dict has those that
    /// are not named here, as <c>sigma_init</c>, and not the others: the published weights have none.
    /// </param>
    public sealed record Config(
        [Range(1, 4096)] int ImageSize,
        [Range(1, 1024)] int TokenWidth = 8,
        [Range(1, 1000)] int Depth = 4,
        [Range(1, 100_000)] int StyleDim = 384,
        [Range(0, 100)] int MappingLayers = 8,
        VitGanPixelMapping PixelMapping = VitGanPixelMapping.Implicit,
        VitGanAttention Attention = VitGanAttention.ReferenceL2,
        bool SpectralNorm = true,
        VitGanResidual Residual = VitGanResidual.AfterNorm,
        [Range(1, 100_000)] int Dim = 384,
        [Range(1, 1000)] int Heads = 6,
        [Range(1, 1_000_000)] int MlpDim = 1536,
        [Range(1, 100_000)] int PixelDim = 512,
        [Range(1, 1000)] int Channels = 3,
        IReadOnlyDictionary<string, double>? SigmaInit = null
    )
    {
        /// <summary>What the authors' code trains: 4 blocks up to 32 pixels, 6 above.</summary>
        /// <param name="imageSize">Side of the images.</param>
        /// <param name="pixelMapping">How pixels come out of tokens; the authors found that training by convolutions is faster.</param>
        public static Config Reproduction(int imageSize, VitGanPixelMapping pixelMapping = VitGanPixelMapping.Implicit) =>
            new(imageSize, Depth: imageSize <= 32 ? 4 : 6, PixelMapping: pixelMapping);

        /// <summary>What the paper describes: dot products, no spectral norm, residuals from before the norms.</summary>
        /// <param name="imageSize">Side of the images.</param>
        public static Config Paper(int imageSize) =>
            Reproduction(imageSize) with
            {
                Attention = VitGanAttention.Dot,
                SpectralNorm = false,
                Residual = VitGanResidual.PreNorm,
            };
    }

    private readonly Config config;
    private readonly Sequential style;
    private readonly Sequential lff;
    private readonly ModuleList<Block> layers;
    private readonly ModuleList<StyleLayer>? convs;
    private readonly ModulatedNorm layernorm;
    private readonly ToRgb? toRgb;
    private readonly PatchPixels? cips;

    /// <summary>A generator with the authors' initialisation.</summary>
    /// <param name="config">Sizes and options.</param>
    /// <exception cref="ArgumentException">A size is out of its range or does not fit the others.</exception>
    public VitGanGenerator(Config config)
    {
        this.config = OptionRanges.Checked(config);
        if (config.ImageSize % config.TokenWidth != 0)
            throw new ArgumentException(
                $"the image size {config.ImageSize} must be a multiple of the {config.TokenWidth} tokens along a side",
                nameof(config)
            );
        if (config.Dim % config.Heads != 0)
            throw new ArgumentException($"the width {config.Dim} must be a multiple of the {config.Heads} heads", nameof(config));
        style = StyleMapping.Create(config.StyleDim, config.MappingLayers);
        lff = FourierFeatures(config.Dim);
        layers = new(Enumerable.Range(0, config.Depth).Select(i => new Block(config, $"layers.{i}")));
        layernorm = new(config);
        var patch = config.ImageSize / config.TokenWidth;
        if (config.PixelMapping == VitGanPixelMapping.Implicit)
            cips = new PatchPixels(patch, config);
        else
        {
            if (!BitOperations.IsPow2(patch))
                throw new ArgumentException(
                    $"the image size {config.ImageSize} must be the {config.TokenWidth} tokens along a side doubled some times over, "
                        + "for convolutions",
                    nameof(config)
                );
            int[] sides = [.. Enumerable.Range(1, BitOperations.Log2((uint)patch)).Select(i => config.TokenWidth << i)];
            convs = new(
                sides.SelectMany(side =>
                    new[]
                    {
                        new StyleLayer(Width(side / 2), Width(side), 3, config.StyleDim, doubles: true),
                        new StyleLayer(Width(side), Width(side), 3, config.StyleDim),
                    }
                )
            );
            toRgb = new ToRgb(Width(config.ImageSize), config.Channels, config.StyleDim, adds: false);
        }
        if (Undeclared() is { } path)
            throw new ArgumentException($"sigma_init: there is no map {path} with a spectral norm", nameof(config));
    }

    // Channels of a map of that side: half as many with each doubling above 64. The maps that the tokens are keep their width.
    private int Width(int side) => side <= Math.Max(64, config.TokenWidth) ? config.Dim : Math.Max(1, config.Dim * 64 / side);

    private string? Undeclared()
    {
        if (config.SigmaInit is not { } given)
            return null;
        var known = NamedModules()
            .Where(m => m.Module is NormalizedLinear)
            .Select(m => m.Name[..^".module".Length])
            .ToHashSet(StringComparer.Ordinal);
        return given.Keys.FirstOrDefault(path => !known.Contains(path));
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
        var (batch, side) = (latent.Size(0), config.TokenWidth);
        var start = Fourier(lff, side); // [1, D, side, side]
        var x = start.Flatten(2).Transpose(1, 2).Expand([batch, -1, -1]); // [B, N, D]
        foreach (var layer in layers)
            x = layer.Call((x, latent));
        x = Record("tokens", layernorm.Call((x, latent)));
        if (cips is not null)
            return cips.Call(x);
        var map = x.Transpose(1, 2).Reshape(batch, config.Dim, side, side);
        foreach (var conv in convs!)
            map = conv.Call((map, latent));
        return toRgb!.Call((map, latent, null));
    }

    /// <summary>
    /// Weights of the authors' code lack the singular values of the initial weights: it has those of weights that it draws anew. They
    /// become what is expected of normal weights: sqrt(rows) + sqrt(columns).
    /// </summary>
    /// <param name="state">The tensors by name; changed in place.</param>
    internal override IReadOnlyList<string> Fit(OrderedDictionary<string, Tensor> state)
    {
        List<string> notes = [];
        var filled = 0;
        foreach (var (name, module) in NamedModules())
        {
            if (module is not NormalizedLinear map)
                continue;
            // A copy that the code keeps until its first forward pass.
            if (state.ContainsKey($"{name}.weight_bar") && state.Remove($"{name}.weight"))
                notes.Add($"{name}.weight is left out: weight_bar has its values");
            if (!state.ContainsKey($"{name}.weight_bar") || !map.KeepsSigma)
                continue;
            if (state.TryAdd($"{name}.sigma_init", map.ExpectedSigma))
                filled++;
        }
        if (filled > 0)
            notes.Add(
                $"sigma_init of {filled} layers is not in the weights: the largest singular value expected of normal weights stands in"
            );
        return notes;
    }

    // sin(W x + b), named as the authors' code names it.
    private static Sequential FourierFeatures(int dim)
    {
        var conv = new Conv2d(2, dim, 1);
        Init.Uniform(conv.Weight, -Math.Sqrt(9 / 2.0), Math.Sqrt(9 / 2.0));
        return new([("ffm", new Sequential([("conv", conv)]))]);
    }

    // Of the coordinates of a grid, [1, D, side, side]. Published weights have learned with coordinates of float32.
    private static Tensor Fourier(Sequential features, int side)
    {
        var grid = CoordinateGrid.Of(side, DType.Float32, features.Parameters().First());
        return features.Call(grid.T().Reshape(1, 2, side, side)).Sin();
    }

    /// <summary>A layer norm whose factors and offsets come out of the style (section 3.2).</summary>
    private sealed partial class ModulatedNorm(Config config) : Module<(Tensor X, Tensor Latent), Tensor>
    {
        private readonly EqualLinear mlpGamma = new(config.StyleDim, config.Dim);
        private readonly EqualLinear mlpBeta = new(config.StyleDim, config.Dim);
        private readonly int dim = config.Dim;

        protected override Tensor Forward((Tensor X, Tensor Latent) input)
        {
            var x = Torch.LayerNorm(input.X, dim, eps: 1e-3);
            return x * (1 + mlpGamma.Call(input.Latent).Unsqueeze(1)) + mlpBeta.Call(input.Latent).Unsqueeze(1);
        }
    }

    private sealed partial class Block : Module<(Tensor X, Tensor Latent), Tensor>
    {
        private readonly ModulatedNorm layernorm1;
        private readonly SelfAttention attn;
        private readonly ModulatedNorm layernorm2;
        private readonly Sequential ff;
        private readonly bool afterNorm;

        internal Block(Config config, string path)
        {
            afterNorm = config.Residual == VitGanResidual.AfterNorm;
            layernorm1 = new(config);
            attn = new(config, $"{path}.attn");
            layernorm2 = new(config);
            var net = new Sequential([
                ("0", Map(config, $"{path}.ff.net.0", config.Dim, config.MlpDim)),
                ("1", new Silu()),
                ("3", Map(config, $"{path}.ff.net.3", config.MlpDim, config.Dim)),
            ]);
            ff = new([("net", net)]);
        }

        protected override Tensor Forward((Tensor X, Tensor Latent) input)
        {
            var x = layernorm1.Call(input);
            x = attn.Call(x) + (afterNorm ? x : input.X);
            var y = layernorm2.Call((x, input.Latent));
            return ff.Call(y) + (afterNorm ? y : x);
        }
    }

    private sealed partial class SelfAttention : Layer
    {
        private readonly Parameter temperature = Init.Ones(new Parameter(1));
        private readonly Layer toQkv;
        private readonly Sequential toOut;
        private readonly int heads;
        private readonly bool compareLengths;

        internal SelfAttention(Config config, string path)
        {
            heads = config.Heads;
            compareLengths = config.Attention == VitGanAttention.ReferenceL2;
            toQkv = Map(config, $"{path}.to_qkv", config.Dim, 3 * config.Dim, bias: false);
            toOut = new(Map(config, $"{path}.to_out.0", config.Dim, config.Dim));
        }

        protected override Tensor Forward(Tensor input) // [B, N, D]
        {
            var (batch, tokens, dim) = input.Shape;
            // 3 of [B, h, N, d]
            var packed = toQkv.Call(input).Reshape(batch, tokens, 3, heads, dim / heads).Permute(2, 0, 3, 1, 4).Unbind();
            var (query, key, value) = (packed[0], packed[1], packed[2]);
            var scores = query.Matmul(key.MT);
            // As the authors' code: the mean of a query's squares stands for the length of its key too, and the sign is that of a distance.
            // What a query adds to all its scores is left out: softmax does not see it, and it would only round.
            if (compareLengths)
                scores = query.Square().Mean([-1]).Unsqueeze(-2) - 2 * scores;
            var weights = Record("attention", (scores * (temperature / Math.Sqrt(dim / heads))).Softmax(-1));
            return toOut.Call(weights.Matmul(value).Transpose(1, 2).Reshape(batch, tokens, dim));
        }
    }

    // A linear map of a block. The map of queries, keys and values has a bias that never learns.
    private static Layer Map(Config config, string path, int inputs, int outputs, bool bias = true) =>
        config.SpectralNorm
            ? new Sequential([
                (
                    "module",
                    new NormalizedLinear(
                        inputs,
                        outputs,
                        bias,
                        config.SigmaInit is { } given && given.TryGetValue(path, out var sigma) ? sigma : null
                    )
                ),
            ])
            : new EqualLinear(inputs, outputs, learnsBias: bias);

    /// <summary>
    /// An equalised linear map under the authors' spectral norm: the estimate of the singular vector is never renewed, and gradients flow
    /// through what one step of power iteration makes of it.
    /// </summary>
    private sealed partial class NormalizedLinear : Layer
    {
        private readonly Parameter bias; // [out]
        private readonly Parameter weightU; // [out]
        private readonly Parameter weightV; // [out], which nothing reads
        private readonly Parameter weightBar; // [out, in]
        private readonly ModuleBuffer? sigmaInit; // []
        private readonly double? given;
        private readonly bool learnsBias;

        internal NormalizedLinear(int inputs, int outputs, bool learnsBias, double? sigma)
        {
            (this.learnsBias, given) = (learnsBias, sigma);
            bias = Init.Zeros(new Parameter(outputs));
            bias.RequiresGrad = learnsBias;
            weightU = Vector(outputs);
            weightV = Vector(outputs);
            weightBar = Init.Normal(new Parameter([outputs, inputs]), 1);
            if (sigma is null)
                sigmaInit = Init.LargestSingularValue(new ModuleBuffer(Tensor.Of(0f), constant: true), weightBar);
        }

        // About as long as 1.
        private static Parameter Vector(int length) => Init.Normal(new Parameter(length) { RequiresGrad = false }, 1 / Math.Sqrt(length));

        internal bool KeepsSigma => sigmaInit is not null;

        internal Tensor ExpectedSigma => Tensor.Of((float)weightBar.Shape.Sum(size => Math.Sqrt(size)));

        protected override Tensor Forward(Tensor input)
        {
            // Detached: whoever lets gradients flow to all parameters of a network again does not mean these.
            var sigma = Layers.SpectralNorm.Estimate(weightBar, weightU.Detach(), throughVectors: true).Value;
            var scale = EqualLinear.Scale(weightBar.Size(1));
            var weight = weightBar * (sigmaInit is null ? given!.Value * scale / sigma : sigmaInit * scale / sigma);
            return Torch.Linear(input, weight, learnsBias ? bias : bias.Detach());
        }
    }

    /// <summary>
    /// A patch of pixels out of each token: Fourier features of the coordinates in the patch, in a style that the token makes (section 3.2;
    /// Anokhin et al., 2020, arXiv:2011.13775).
    /// </summary>
    private sealed partial class PatchPixels : Layer // [B, N, D] -> [B, C, H, W]
    {
        private readonly Sequential style;
        private readonly Sequential lff;
        private readonly StyleLayer conv1;
        private readonly ModuleList<StyleLayer> layers;
        private readonly ModuleList<ToRgb> toRgbs;
        private readonly int patch;
        private readonly Config config;

        internal PatchPixels(int patch, Config config)
        {
            (this.patch, this.config) = (patch, config);
            var (dim, wide) = (config.Dim, config.PixelDim);
            style = StyleMapping.Create(dim, 4);
            lff = FourierFeatures(dim);
            conv1 = new StyleLayer(dim, wide, 1, dim);
            layers = new(new StyleLayer(wide, wide, 1, dim), new StyleLayer(wide, wide, 1, dim));
            toRgbs = new(new ToRgb(wide, config.Channels, dim, adds: false));
        }

        protected override Tensor Forward(Tensor input)
        {
            var (batch, tokens, dim) = input.Shape;
            var latent = style.Call(input.Reshape(batch * tokens, dim));
            var map = conv1.Call((Fourier(lff, patch), latent)); // [B N, wide, P, P]
            foreach (var layer in layers)
                map = layer.Call((map, latent));
            var pixels = toRgbs[0].Call((map, latent, null)) * 0.5 + 0.5;
            if (!Training)
                pixels = pixels.Clamp(0, 1);
            var (side, size) = (config.TokenWidth, config.ImageSize);
            return pixels
                .Reshape(batch, side, side, config.Channels, patch, patch)
                .Permute(0, 3, 1, 4, 2, 5)
                .Reshape(batch, config.Channels, size, size);
        }
    }
}
