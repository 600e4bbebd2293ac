using Tessera.Nn;

namespace Tessera.Models.Layers;

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
)
{
    internal (int Height, int Width) Grid => (ImageSize.Height / Patch, ImageSize.Width / Patch);
    internal int Tokens => Grid.Height * Grid.Width;
}

/// <summary>A block whose weights are tied to the grid of tokens.</summary>
public abstract class TokenMlpBlock : Layer
{
    /// <summary>Resamples the block's maps over tokens to another grid, approximately.</summary>
    public abstract void Resize((int Height, int Width) from, (int Height, int Width) to);

    /// <summary>How strongly a token takes from each token, [N], 0 or more.</summary>
    public abstract Tensor Mixing(int token);

    /// <summary>Names, below the block, of weights whose columns, and of weights and biases whose rows are tokens.</summary>
    public abstract (string[] Columns, string[] Rows) TokenWeights { get; }
}

/// <summary>
/// Patches, blocks, a norm, the mean over the tokens and a linear classifier: the frame of MLP-Mixer, gMixer, ResMLP and gMLP.
/// There are no positions: the maps over tokens know them. Names and initialisation are timm's.
/// </summary>
public abstract partial class TokenMlp : Backbone
{
    private readonly PatchEmbed stem;
    private readonly ModuleList<TokenMlpBlock> blocks;
    private readonly Layer norm;
    private Linear? head;
    private TokenMlpConfig frame;

    private protected TokenMlp(TokenMlpConfig config, Func<TokenMlpBlock> block, Layer norm)
    {
        frame = config;
        if (config.ImageSize.Height % config.Patch != 0 || config.ImageSize.Width % config.Patch != 0)
            throw new ArgumentException(
                $"an image of {config.ImageSize.Height} x {config.ImageSize.Width} does not divide into patches of {config.Patch} x {config.Patch}",
                nameof(config)
            );
        stem = new PatchEmbed(config.Channels, config.Dim, config.Patch);
        Init.LecunNormal(stem.Weight);
        blocks = new(Enumerable.Range(0, config.Depth).Select(_ => block()));
        this.norm = norm;
        head = NewHead();
    }

    /// <inheritdoc/>
    public override (int Height, int Width) ImageSize => frame.ImageSize;

    /// <inheritdoc/>
    public override int Channels => frame.Channels;

    /// <inheritdoc/>
    public override int Classes => frame.Classes;

    /// <inheritdoc/>
    public override int FeatureWidth => frame.Dim;

    /// <inheritdoc/>
    public override IReadOnlyList<string> BlockPaths => [.. Enumerable.Range(0, frame.Depth).Select(i => $"blocks.{i}")];

    /// <inheritdoc/>
    public override IReadOnlyList<string> ClassifierNames => ["head.weight", "head.bias"];

    private Linear? NewHead()
    {
        if (frame.Classes == 0)
            return null;
        var linear = new Linear(frame.Dim, frame.Classes);
        Init.Zeros(linear.Weight);
        Init.Zeros(linear.Bias!);
        return linear;
    }

    /// <summary>Xavier's weights and nearly no bias, as all MLPs of the family start.</summary>
    internal static Linear Initialised(Linear linear, double biasStd = 1e-6)
    {
        Init.XavierUniform(linear.Weight);
        if (linear.Bias is { } bias)
            Init.Normal(bias, biasStd);
        return linear;
    }

    internal static Mlp Initialised(Mlp mlp)
    {
        foreach (var (_, module) in mlp.NamedModules())
            if (module is Linear linear)
                Initialised(linear);
        return mlp;
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
    protected override Tensor Classify(Tensor pooled) => head is null ? pooled : head.Call(pooled);

    /// <inheritdoc/>
    protected override IReadOnlyList<FeatureMap> FeatureMaps(Tensor input) =>
        [new(Features(input).Transpose(1, 2).Reshape(input.Size(0), frame.Dim, frame.Grid.Height, frame.Grid.Width), frame.Patch)];

    /// <summary>What the token in the middle takes from all tokens, whatever the image, then the features.</summary>
    protected override IEnumerable<Insight> Insights(Tensor image)
    {
        var middle = frame.Grid.Height / 2 * frame.Grid.Width + frame.Grid.Width / 2;
        foreach (var (i, block) in Insight.Spread([.. blocks.Index()], 3))
            yield return Insight.Map(
                $"mixing, block {i + 1}",
                "How strongly the token in the middle is mixed with each token (absolute weights, products of both layers where there are two); the image plays no part in it.",
                block.Mixing(middle).Reshape(frame.Grid.Height, frame.Grid.Width)
            ) with
            {
                Places = [new((frame.Grid.Width / 2 + 0.5) / frame.Grid.Width, (frame.Grid.Height / 2 + 0.5) / frame.Grid.Height, 2)],
            };
        foreach (var insight in base.Insights(image))
            yield return insight;
    }

    /// <inheritdoc/>
    public override void ResetClassifier(int classes)
    {
        frame = frame with { Classes = classes };
        head = NewHead();
        head?.To(stem.Weight.Device, stem.Weight.DType);
    }

    /// <summary>
    /// Takes images of another size from now on. The maps over tokens are resampled bilinearly, which is an approximation:
    /// expect a loss of accuracy.
    /// </summary>
    /// <exception cref="ShapeException">The size does not divide into patches.</exception>
    public override void Resize(int height, int width)
    {
        PatchEmbed.CheckSize(height, width, frame.Patch);
        var before = frame.Grid;
        frame = frame with { ImageSize = (height, width) };
        if (before == frame.Grid)
            return;
        foreach (var block in blocks)
            block.Resize(before, frame.Grid);
    }

    /// <inheritdoc/>
    public override void AdaptStateDict(IDictionary<string, Tensor> state)
    {
        var (columns, rows) = blocks.Count > 0 ? blocks[0].TokenWeights : ([], []);
        for (var i = 0; i < blocks.Count; i++)
        {
            foreach (var name in columns.Select(name => $"blocks.{i}.{name}"))
                if (state.TryGetValue(name, out var weight) && weight.Dim == 2 && weight.Size(1) != frame.Tokens)
                    state[name] = Torch.Scope(() =>
                        TokenMatrix.Columns(weight, PositionTable.GridOf(weight.Size(1), frame.Grid), frame.Grid)
                    );
            foreach (var name in rows.Select(name => $"blocks.{i}.{name}"))
                if (state.TryGetValue(name, out var weight) && weight.Size(0) != frame.Tokens)
                    state[name] = Torch.Scope(() =>
                        TokenMatrix
                            .Rows(weight.Reshape(weight.Size(0), -1), PositionTable.GridOf(weight.Size(0), frame.Grid), frame.Grid)
                            .Reshape(weight.Dim == 1 ? [frame.Tokens] : [frame.Tokens, -1])
                    );
        }
    }
}
