using Tessera.Models;
using Tessera.Models.Layers;
using Tessera.Nn;

namespace Tessera.Outside.Tests;

/// <summary>A model as a user writes one: patches with learned positions, residual layers, a norm, the mean, a classifier.</summary>
public sealed partial class PatchNet : Backbone<PatchNet.Config>
{
    /// <summary>Sizes and options, one of which is the model's own.</summary>
    public sealed record Config(
        (int Height, int Width) ImageSize,
        int Classes = 10,
        int Channels = 3,
        int Patch = 4,
        int Dim = 16,
        int Depth = 2,
        double Dropout = 0
    ) : BackboneConfig
    {
        public (int Height, int Width) Grid => (ImageSize.Height / Patch, ImageSize.Width / Patch);

        public override BackboneConfig With(ModelOptions options) =>
            (Config)base.With(options) with
            {
                Dropout = options.Dropout ?? Dropout,
            };
    }

    private readonly Conv2d patchEmbed;
    private Parameter positions; // [1, N, D]
    private readonly ModuleList<Block> blocks;
    private readonly LayerNorm norm;
    private Linear? head;

    public PatchNet(Config config)
        : base(config)
    {
        patchEmbed = new Conv2d(config.Channels, config.Dim, config.Patch, config.Patch);
        positions = Init.TruncatedNormal(new Parameter([1, config.Grid.Height * config.Grid.Width, config.Dim]), 0.5);
        blocks = new(Enumerable.Range(0, config.Depth).Select(_ => new Block(config.Dim, config.Dropout)));
        norm = new LayerNorm(config.Dim);
        head = InitialClassifier();
    }

    public override int NumFeatures => Options.Dim;

    public override IReadOnlyList<string> BlockPaths => [.. Enumerable.Range(0, Options.Depth).Select(i => $"blocks.{i}")];

    protected override ref Linear? Classifier => ref head;

    protected override Tensor Features(Tensor input) // [B, C, H, W] -> [B, N, D]
    {
        ExpectOwnSize(input);
        var tokens = patchEmbed.Call(input).ToTokens() + positions;
        return norm.Call(blocks.Aggregate(tokens, (x, block) => block.Call(x)));
    }

    protected override Tensor Pool(Tensor features) => features.Mean(1);

    protected override IReadOnlyList<FeatureMap> FeatureMaps(Tensor input) =>
        [new(Features(input).ToMap(Options.Grid.Height, Options.Grid.Width), Options.Patch)];

    public override void Resize(int height, int width)
    {
        var before = Options.Grid;
        base.Resize(height, width);
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        positions = new Parameter(PositionTable.Resample(positions, before, Options.Grid, 0, PositionResampling.Bicubic));
    }

    private sealed partial class Block(int dim, double dropout) : Layer
    {
        private readonly Linear fc1 = new(dim, 2 * dim);
        private readonly Linear fc2 = new(2 * dim, dim);
        private readonly Dropout drop = new(dropout);

        protected override Tensor Forward(Tensor input) => input + drop.Call(fc2.Call(fc1.Call(input).Gelu()));
    }
}
