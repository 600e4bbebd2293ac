namespace Tessera.Models;

/// <summary>How an operator treats space and channels, as the survey's tables say it.</summary>
/// <param name="Kind">Spatial projection, axial projection, shift with channel projection, convolution or attention.</param>
/// <param name="Aggregation">static: fixed weights; dynamic: weights from the input.</param>
/// <param name="Reach">local, axial or global.</param>
/// <param name="ResolutionSensitive">Whether its weights are tied to the size of the map.</param>
/// <param name="Spatial">specific: other weights at each position; agnostic: the same everywhere.</param>
/// <param name="Channel">specific: other weights for each channel; agnostic: the same for all.</param>
/// <param name="Parameters">Order of the number of parameters.</param>
/// <param name="Flops">Order of the number of operations.</param>
internal sealed record OperatorTraits(
    string Kind,
    string Aggregation,
    string Reach,
    bool ResolutionSensitive,
    string Spatial,
    string Channel,
    string Parameters,
    string Flops
);

/// <summary>What a spatial operator costs on a map.</summary>
/// <param name="Weights">Without biases and norms.</param>
/// <param name="Macs">Multiply-accumulates of one image.</param>
/// <param name="Reach">Positions that reach one position directly, without global gates and statistics.</param>
internal sealed record OperatorCost(long Weights, long Macs, long Reach);

/// <summary>Sizes that the costs depend on.</summary>
/// <param name="Height">Rows of the map.</param>
/// <param name="Width">Columns of the map.</param>
/// <param name="Channels">Channels of the map.</param>
/// <param name="Kernel">Side of convolutions and positions of CycleMLP.</param>
/// <param name="TokenHidden">Hidden width of Mixer's MLP over tokens; null: half of the channels.</param>
/// <param name="Expansion">gMLP's hidden width over the channels.</param>
/// <param name="Region">Hire-MLP's side of a region.</param>
/// <param name="ShiftSize">AS-MLP's spread of shifts.</param>
internal sealed record OperatorSizes(
    int Height,
    int Width,
    int Channels,
    int Kernel = 3,
    int? TokenHidden = null,
    double Expansion = 6,
    int Region = 2,
    int ShiftSize = 5
);

/// <summary>
/// The ways to mix positions side by side, after Liu et al., "Are we ready for a new paradigm shift? A Survey on Visual Deep
/// MLP", 2021, arXiv:2111.04060: their traits by the survey's tables and their exact costs for a map of any size.
/// </summary>
internal sealed record SpatialOperator(string Name, OperatorTraits Traits, Func<OperatorSizes, OperatorCost> Cost)
{
    private const string Projection = "spatial projection",
        Axial = "axial projection",
        Shifts = "shift + channel projection";

    private static OperatorTraits Shifting { get; } = new(Shifts, "static", "local", false, "agnostic", "specific", "O(C^2)", "O(HWC^2)");

    private static OperatorTraits Projecting { get; } =
        new(Projection, "static", "global", true, "specific", "agnostic", "O(H^2W^2)", "O(H^2W^2C)");

    /// <summary>The operators in the order of the table.</summary>
    public static IReadOnlyList<SpatialOperator> All { get; } =
    [
        new("convolution", new("convolution", "static", "local", false, "agnostic", "specific", "O(k^2C^2)", "O(k^2HWC^2)"), s =>
            new(Square(s.Kernel) * Square(s.Channels), Tokens(s) * Square(s.Kernel) * Square(s.Channels), Square(s.Kernel))
        ),
        new("depthwise", new("convolution", "static", "local", false, "agnostic", "specific", "O(k^2C)", "O(k^2HWC)"), s =>
            new(Square(s.Kernel) * s.Channels, Tokens(s) * Square(s.Kernel) * s.Channels, Square(s.Kernel))
        ),
        new("attention", new("attention", "dynamic", "global", false, "agnostic", "specific", "O(4C^2)", "O(H^2W^2C)"), s =>
            new(4 * Square(s.Channels), 4 * Tokens(s) * Square(s.Channels) + 2 * Square(Tokens(s)) * s.Channels, Tokens(s))
        ),
        new("mixer", Projecting, s => new(2 * Tokens(s) * Hidden(s), 2 * Tokens(s) * Hidden(s) * s.Channels, Tokens(s))),
        new("resmlp", Projecting, s => new(Square(Tokens(s)), Square(Tokens(s)) * s.Channels, Tokens(s))),
        new("gmlp", Projecting, s => new(Square(Tokens(s)), Square(Tokens(s)) * (long)(s.Expansion * s.Channels) / 2, Tokens(s))),
        new("vip", new(Axial, "static", "axial", true, "specific", "specific", "O(H^2+W^2+C^2)", "O(HWC(H+W+C))"), s =>
            GatedCost(s, s.Height + s.Width - 1)
        ),
        new("s2mlpv1", Shifting, s => new(2 * Square(s.Channels), 2 * Tokens(s) * Square(s.Channels), 4)),
        new("s2mlpv2", Shifting, s => GatedCost(s, 5)),
        new("cyclemlp", Shifting, s => GatedCost(s, 2 * s.Kernel - 1)),
        new("asmlp", Shifting, s => new(4 * Square(s.Channels), 4 * Tokens(s) * Square(s.Channels), 2 * s.ShiftSize - 1)),
        new("hiremlp", Shifting, s => GatedCost(s, 2 * s.Region - 1) with { Weights = (2 * s.Region + 3) * Square(s.Channels) }),
    ];

    /// <summary>An operator by name.</summary>
    /// <exception cref="ArgumentException">There is none; the message lists them.</exception>
    public static SpatialOperator Get(string name) =>
        All.FirstOrDefault(o => o.Name == name)
        ?? throw new ArgumentException(
            $"no spatial operator '{name}'; there are: {string.Join(", ", All.Select(o => o.Name))}",
            nameof(name)
        );

    // Three branches of C x C, a projection of C x C, and a gate of C / 4 hidden values that is computed once per image.
    private static OperatorCost GatedCost(OperatorSizes s, long reach) =>
        new(5 * Square(s.Channels), 4 * Tokens(s) * Square(s.Channels) + Square(s.Channels), reach);

    private static long Tokens(OperatorSizes s) => s.Height * (long)s.Width;

    private static long Hidden(OperatorSizes s) => s.TokenHidden ?? s.Channels / 2;

    private static long Square(long value) => value * value;
}
