using Tessera.Models.Layers;
using Tessera.Nn;

namespace Tessera.Models;

/// <summary>What the MLPs over tokens share.</summary>
/// <param name="ImageSize">Height and width in pixels, multiples of the patch.</param>
/// <param name="Patch">Side of a patch.</param>
/// <param name="Dim">Width of the tokens.</param>
/// <param name="Depth">Number of blocks.</param>
/// <param name="Classes">Number of classes; 0 for no classifier.</param>
/// <param name="Channels">Channels of the images.</param>
/// <param name="Dropout">Dropout of the MLPs.</param>
/// <param name="DropPath">Stochastic depth, the same in all blocks.</param>
public record TokenMlpConfig(
    (int Height, int Width) ImageSize,
    int Patch,
    int Dim,
    int Depth,
    int Classes = 1000,
    int Channels = 3,
    double Dropout = 0,
    double DropPath = 0
) : RegularizedConfig
{
    internal (int Height, int Width) Grid => (ImageSize.Height / Patch, ImageSize.Width / Patch);
    internal int Tokens => Grid.Height * Grid.Width;
}

/// <summary>
/// Patches, blocks, a norm, the mean over the tokens and a linear classifier: the frame of MLP-Mixer, gMixer, ResMLP and gMLP.
/// There are no positions: the maps over tokens know them. Names and initialisation are timm's.
/// </summary>
/// <typeparam name="TConfig">Its sizes and options.</typeparam>
public abstract partial class TokenMlp<TConfig> : Backbone<TConfig>
    where TConfig : TokenMlpConfig
{
    private readonly PatchEmbed stem;
    private readonly ModuleList<TokenMlpBlock> blocks;
    private readonly Layer norm;
    private Linear? head;

    private protected TokenMlp(TConfig config, Func<TokenMlpBlock> block, Layer norm)
        : base(config)
    {
        if (config.ImageSize.Height % config.Patch != 0 || config.ImageSize.Width % config.Patch != 0)
            throw new ArgumentException(
                $"an image of {config.ImageSize.Height} x {config.ImageSize.Width} does not divide into patches of "
                    + $"{config.Patch} x {config.Patch}",
                nameof(config)
            );
        stem = new PatchEmbed(config.Channels, config.Dim, config.Patch);
        Init.LecunNormal(stem.Weight);
        blocks = new(Enumerable.Range(0, config.Depth).Select(_ => block()));
        this.norm = norm;
        head = InitialClassifier();
    }

    /// <inheritdoc/>
    public override int NumFeatures => Options.Dim;

    /// <inheritdoc/>
    public override IReadOnlyList<string> BlockPaths => [.. Enumerable.Range(0, Options.Depth).Select(i => $"blocks.{i}")];

    /// <inheritdoc/>
    protected override ref Linear? Classifier => ref head;

    /// <inheritdoc/>
    protected override Linear NewClassifier(int classes)
    {
        var linear = new Linear(NumFeatures, classes);
        Init.Zeros(linear.Weight);
        Init.Zeros(linear.Bias!);
        return linear;
    }

    /// <inheritdoc/>
    protected override Tensor Features(Tensor input) // [B, C, H, W] -> [B, N, D]
    {
        ExpectOwnSize(input, ", which is an approximation here");
        return Record("normed", norm.Call(blocks.Aggregate(stem.Call(input), (x, block) => block.Call(x))));
    }

    /// <inheritdoc/>
    protected override Tensor Pool(Tensor features) => features.Mean(1);

    /// <inheritdoc/>
    protected override IReadOnlyList<FeatureMap> FeatureMaps(Tensor input) =>
        [new(Features(input).Transpose(1, 2).Reshape(input.Size(0), Options.Dim, Options.Grid.Height, Options.Grid.Width), Options.Patch)];

    /// <summary>What the token in the middle takes from all tokens, whatever the image, then the features.</summary>
    protected override IEnumerable<Insight> Insights(Tensor image)
    {
        var middle = Options.Grid.Height / 2 * Options.Grid.Width + Options.Grid.Width / 2;
        foreach (var (i, block) in Insight.Spread([.. blocks.Index()], 3))
            yield return Insight.Map(
                $"mixing, block {i + 1}",
                "How strongly the token in the middle is mixed with each token (absolute weights, products of both layers where there "
                    + "are two); the image plays no part in it.",
                block.Mixing(middle).Reshape(Options.Grid.Height, Options.Grid.Width)
            ) with
            {
                Places =
                [
                    new((Options.Grid.Width / 2 + 0.5) / Options.Grid.Width, (Options.Grid.Height / 2 + 0.5) / Options.Grid.Height, 2),
                ],
            };
        foreach (var insight in base.Insights(image))
            yield return insight;
    }

    /// <summary>
    /// Takes images of another size from now on. The maps over tokens are resampled bilinearly, which is an approximation:
    /// expect a loss of accuracy.
    /// </summary>
    /// <exception cref="ShapeException">The size does not divide into patches.</exception>
    public override void Resize(int height, int width)
    {
        PatchEmbed.CheckSize(height, width, Options.Patch);
        var before = Options.Grid;
        Options = Options with { ImageSize = (height, width) };
        if (before == Options.Grid)
            return;
        foreach (var block in blocks)
            block.Resize(before, Options.Grid);
    }

    /// <inheritdoc/>
    public override void AdaptStateDict(IDictionary<string, Tensor> state)
    {
        var (columns, rows) = blocks.Count > 0 ? blocks[0].TokenWeights : ([], []);
        for (var i = 0; i < blocks.Count; i++)
        {
            foreach (var name in columns.Select(name => $"blocks.{i}.{name}"))
                if (state.TryGetValue(name, out var weight) && weight.Dim == 2 && weight.Size(1) != Options.Tokens)
                    state[name] = Torch.Scope(() =>
                        TokenMatrix.Columns(weight, PositionTable.GridOf(weight.Size(1), Options.Grid), Options.Grid)
                    );
            foreach (var name in rows.Select(name => $"blocks.{i}.{name}"))
                if (state.TryGetValue(name, out var weight) && weight.Size(0) != Options.Tokens)
                    state[name] = Torch.Scope(() =>
                        TokenMatrix
                            .Rows(weight.Reshape(weight.Size(0), -1), PositionTable.GridOf(weight.Size(0), Options.Grid), Options.Grid)
                            .Reshape(weight.Dim == 1 ? [Options.Tokens] : [Options.Tokens, -1])
                    );
        }
    }
}
