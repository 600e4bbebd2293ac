using Tessera.Models.Layers;
using Tessera.Nn;

namespace Tessera.Models;

/// <summary>What the MLPs over maps share.</summary>
/// <param name="ImageSize">Height and width in pixels.</param>
/// <param name="Depths">Blocks per stage.</param>
/// <param name="Dims">Channels per stage.</param>
/// <param name="MlpRatios">Hidden width of the MLPs over the width, per stage.</param>
/// <param name="Classes">Number of classes; 0 for no classifier.</param>
/// <param name="Channels">Channels of the images.</param>
/// <param name="Dropout">Dropout of the MLPs.</param>
/// <param name="DropPath">Stochastic depth of the last block.</param>
public record StagedMlpConfig(
    (int Height, int Width) ImageSize,
    IReadOnlyList<int> Depths,
    IReadOnlyList<int> Dims,
    IReadOnlyList<double> MlpRatios,
    int Classes = 1000,
    int Channels = 3,
    double Dropout = 0,
    double DropPath = 0
) : RegularizedConfig
{
    internal void Check()
    {
        if (Dims.Count != Depths.Count || MlpRatios.Count != Depths.Count)
            throw new ArgumentException(
                $"{Depths.Count} depths, {Dims.Count} widths and {MlpRatios.Count} MLP ratios were given: every stage needs one of each",
                nameof(Dims)
            );
    }
}

/// <summary>
/// Patches, then stages of blocks over maps with convolutions between them, a norm, the mean over the map and a linear
/// classifier: the frame of ViP, CycleMLP and Hire-MLP, which name their weights alike. Maps are [B, C, H, W].
/// </summary>
/// <typeparam name="TConfig">Its sizes and options.</typeparam>
public abstract partial class StagedMlp<TConfig> : Backbone<TConfig>
    where TConfig : StagedMlpConfig
{
    private readonly Layer patchEmbed;
    private readonly ModuleList<Layer> network; // stages (each a Sequential of blocks) and what lies between them
    private readonly Layer norm;
    private Linear? head;

    /// <param name="config">Sizes.</param>
    /// <param name="patchEmbed">Image to the first map.</param>
    /// <param name="block">A block from stage, index in the stage and rate of stochastic depth.</param>
    /// <param name="transition">What follows a stage before the next one; null for nothing.</param>
    /// <param name="norm">The final norm, over [B, C, H, W].</param>
    private protected StagedMlp(
        TConfig config,
        Layer patchEmbed,
        Func<int, int, double, Layer> block,
        Func<int, Layer?> transition,
        Layer norm
    )
        : base(config)
    {
        config.Check();
        this.patchEmbed = patchEmbed;
        this.norm = norm;
        var rates = Nn.DropPath.Rates(config.DropPath, config.Depths.Sum());
        var modules = new List<Layer>();
        var made = 0;
        for (var stage = 0; stage < config.Depths.Count; stage++)
        {
            modules.Add(new Sequential([.. Enumerable.Range(0, config.Depths[stage]).Select(j => block(stage, j, rates[made++]))]));
            if (stage < config.Depths.Count - 1 && transition(stage) is { } between)
                modules.Add(between);
        }
        network = new(modules);
        head = InitialClassifier();
    }

    /// <inheritdoc/>
    public override int NumFeatures => Options.Dims[^1];

    /// <inheritdoc/>
    public override IReadOnlyList<string> BlockPaths =>
        [
            .. network
                .Index()
                .SelectMany(m => m.Item is Sequential stage ? Enumerable.Range(0, stage.Count).Select(j => $"network.{m.Index}.{j}") : []),
        ];

    /// <inheritdoc/>
    protected override ref Linear? Classifier => ref head;

    /// <summary>The blocks of all stages in order.</summary>
    private protected IEnumerable<(int Stage, Layer Block)> AllBlocks =>
        network.OfType<Sequential>().SelectMany((stage, i) => Enumerable.Range(0, stage.Count).Select(j => (i, stage[j])));

    private IEnumerable<Tensor> Stages(Tensor image)
    {
        var x = patchEmbed.Call(image);
        foreach (var module in network)
        {
            x = module.Call(x);
            if (module is Sequential)
                yield return x;
        }
    }

    /// <summary>The last map after the final norm, [B, C, H, W].</summary>
    protected override Tensor Features(Tensor input) => Record("normed", norm.Call(Stages(input).Last()));

    /// <inheritdoc/>
    protected override Tensor Pool(Tensor features) => features.Mean([2, 3]);

    /// <summary>The output of every stage, those of one resolution only once (the last).</summary>
    protected override IReadOnlyList<FeatureMap> FeatureMaps(Tensor input) =>
        [
            .. Stages(input)
                .GroupBy(map => map.Size(2))
                .Select(maps => new FeatureMap(maps.Last(), (int)Math.Round(input.Size(2) / (double)maps.Key))),
        ];
}
