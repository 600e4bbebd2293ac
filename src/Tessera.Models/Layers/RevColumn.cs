using Tessera.Nn;

namespace Tessera.Models.Layers;

/// <summary>
/// One column of RevCol: four levels of strides 4, 8, 16 and 32, each reading the level below in this column and the level
/// above in the column before, plus its own old feature times a learned factor (Cai et al., 2022, arXiv:2212.11696, section 2).
/// </summary>
public sealed partial class RevColumn : Module<(Tensor Stem, Tensor[]? Old), Tensor[]>
{
    /// <summary>Least magnitude of the factors: below it the old features could not be recomputed.</summary>
    public const double LeastAlpha = 1e-3;

    private readonly Parameter alpha0; // [1, C, 1, 1]
    private readonly Parameter alpha1;
    private readonly Parameter alpha2;
    private readonly Parameter alpha3;
    private readonly ColumnLevel level0;
    private readonly ColumnLevel level1;
    private readonly ColumnLevel level2;
    private readonly ColumnLevel level3;

    /// <summary>A column.</summary>
    /// <param name="channels">Of the four levels.</param>
    /// <param name="layers">Blocks of the four levels.</param>
    /// <param name="kernel">Side of the blocks' kernels.</param>
    /// <param name="first">Whether there is no column before it.</param>
    /// <param name="huge">Whether level 0 also reads level 3 of the column before.</param>
    /// <param name="rates">Stochastic depth of every block, over all levels.</param>
    public RevColumn(IReadOnlyList<int> channels, IReadOnlyList<int> layers, int kernel, bool first, bool huge, IReadOnlyList<double> rates)
    {
        First = first;
        Random = rates.Any(rate => rate > 0);
        Parameter Alpha(int level) => Init.Constant(new Parameter([1, channels[level], 1, 1]), 0.5);
        ColumnLevel Level(int level) =>
            new(channels, level, kernel, first, huge, [.. rates.Skip(layers.Take(level).Sum()).Take(layers[level])]);
        (alpha0, alpha1, alpha2, alpha3) = (Alpha(0), Alpha(1), Alpha(2), Alpha(3));
        (level0, level1, level2, level3) = (Level(0), Level(1), Level(2), Level(3));
        Alphas = [alpha0, alpha1, alpha2, alpha3];
        Levels = [level0, level1, level2, level3];
    }

    /// <summary>Whether there is no column before it.</summary>
    public bool First { get; }

    /// <summary>Whether its levels draw random numbers in training.</summary>
    public bool Random { get; }

    /// <summary>The factors of the old features.</summary>
    [NotRegistered]
    internal IReadOnlyList<Parameter> Alphas { get; }

    [NotRegistered]
    internal IReadOnlyList<ColumnLevel> Levels { get; }

    /// <summary>The new features c0 to c3 from the stem's map and the old ones.</summary>
    protected override Tensor[] Forward((Tensor Stem, Tensor[]? Old) input)
    {
        var features = new Tensor[4];
        for (var level = 0; level < 4; level++)
            features[level] = Step(level, input.Stem, features, input.Old);
        Observe(features);
        return features;
    }

    /// <summary>Lets taps see the features: c0 to c3 by their names, c3 as the column's output.</summary>
    internal void Observe(Tensor[] features)
    {
        Record("", features[3]);
        foreach (var (level, map) in features.Index())
            Record($"c{level}", map);
    }

    /// <summary>One level: what it computes from below and above, plus alpha times its old feature.</summary>
    /// <param name="level">0 to 3.</param>
    /// <param name="stem">The stem's map.</param>
    /// <param name="features">New features of the levels below.</param>
    /// <param name="old">Old features; null for the first column.</param>
    /// <param name="wide">Sums in float64: levels compute as ever, from features that are rounded to the stem's type.</param>
    internal Tensor Step(int level, Tensor stem, Tensor[] features, Tensor[]? old, bool wide = false)
    {
        Tensor? Narrow(Tensor? map) => wide ? map?.To(stem.DType) : map;
        var lower = level == 0 ? stem : Narrow(features[level - 1])!;
        var computed = Levels[level].Call((lower, level < 3 ? Narrow(old?[level + 1]) : null, level == 0 ? Narrow(old?[3]) : null));
        Tensor alpha = Alphas[level];
        if (wide)
            (computed, alpha) = (computed.To(DType.Float64), alpha.To(DType.Float64));
        // Before the first column all features are zero: its factors take part, with a gradient of zero.
        return computed + (old is null ? alpha * 0 : old[level] * alpha);
    }
}

/// <summary>Fusion of the features below and above, then ConvNeXt blocks.</summary>
internal sealed partial class ColumnLevel : Module<(Tensor Lower, Tensor? Upper, Tensor? Top), Tensor>
{
    private readonly Fusion fusion;
    private readonly ModuleList<ConvNextBlock> blocks;

    public ColumnLevel(IReadOnlyList<int> channels, int level, int kernel, bool first, bool huge, IReadOnlyList<double> rates)
    {
        fusion = new Fusion(channels, level, first, huge);
        blocks = new(rates.Select(rate => new ConvNextBlock(channels[level], 4 * channels[level], kernel, rate)));
        UsesTop = fusion.UsesTop;
    }

    /// <summary>Whether it reads the topmost level of the column before.</summary>
    public bool UsesTop { get; }

    protected override Tensor Forward((Tensor Lower, Tensor? Upper, Tensor? Top) input) =>
        blocks.Aggregate(fusion.Call(input), (x, block) => block.Call(x));

    private sealed partial class Fusion : Module<(Tensor Lower, Tensor? Upper, Tensor? Top), Tensor>
    {
        private readonly Sequential? down;
        private readonly Up? up;
        private readonly Up? up2;

        public Fusion(IReadOnlyList<int> channels, int level, bool first, bool huge)
        {
            if (level > 0)
                down = new Sequential(new Conv2d(channels[level - 1], channels[level], 2, 2), new ChannelNorm(channels[level], 1e-6));
            if (level < 3 && !first)
                up = new Up(channels[level + 1], channels[level], 2);
            if (level == 0 && huge && !first)
                up2 = new Up(channels[3], channels[0], 8);
        }

        public bool UsesTop => up2 is not null;

        protected override Tensor Forward((Tensor Lower, Tensor? Upper, Tensor? Top) input)
        {
            var x = down is null ? input.Lower : down.Call(input.Lower);
            if (up is not null)
                x = x + up.Call(input.Upper!);
            return up2 is null ? x : x + up2.Call(input.Top!);
        }
    }

    /// <summary>A linear map of the channels with a norm, then nearest neighbours.</summary>
    private sealed partial class Up(int inputs, int outputs, int factor) : Layer
    {
        private readonly Sequential channelReschedule = new(new Linear(inputs, outputs), new LayerNorm(outputs, 1e-6));

        protected override Tensor Forward(Tensor input)
        {
            var x = channelReschedule.Call(input.Permute(0, 2, 3, 1)).Permute(0, 3, 1, 2);
            return x.UpsampleNearest2d([x.Size(2) * factor, x.Size(3) * factor]);
        }
    }
}
