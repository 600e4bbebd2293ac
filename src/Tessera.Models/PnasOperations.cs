using Tessera.Nn;

namespace Tessera.Models;

/// <summary>
/// The operations of PNAS's cells, and what brings maps to a cell's channels. Liu et al., "Progressive Neural Architecture Search", 2018,
/// arXiv:1712.00559, section 3.1.
/// </summary>
public static class PnasOperations
{
    /// <summary>Number of operations.</summary>
    public const int Count = 8;

    /// <summary>Of the operations, the map as it is.</summary>
    internal const int Identity = 4;

    /// <summary>The operations in the order of their numbers, by the names of the first author's code.</summary>
    public static IReadOnlyList<string> Names { get; } =
    ["sep_conv_3x3", "sep_conv_5x5", "sep_conv_7x7", "conv_7x1_1x7", "skip_connect", "avg_pool_3x3", "max_pool_3x3", "dil_conv_3x3"];

    /// <summary>An operation, which keeps the channels.</summary>
    /// <param name="operation">Its number, from 0 to 7.</param>
    /// <param name="channels">Channels of its map.</param>
    /// <param name="stride">1, or 2 for half of the map's size.</param>
    /// <param name="norms">Settings of its norms.</param>
    internal static Layer Create(int operation, int channels, int stride, PnasNorms norms) =>
        operation switch
        {
            0 => Separable(channels, 3, stride, norms),
            1 => Separable(channels, 5, stride, norms),
            2 => Separable(channels, 7, stride, norms),
            3 => new Sequential(
                ("0", new Relu()),
                ("1", new Conv2d(channels, channels, [1, 7], [1, stride], [0, 3], bias: false)),
                ("2", new Conv2d(channels, channels, [7, 1], [stride, 1], [3, 0], bias: false)),
                ("3", norms.Create(channels))
            ),
            Identity => stride == 1 ? new Identity() : Pointwise(channels, channels, norms, stride),
            5 => new AvgPool2d(3, stride, 1, countPadding: false),
            6 => new MaxPool2d(3, stride, 1),
            7 => new Sequential(
                ("op.0", new Relu()),
                ("op.1", new Conv2d(channels, channels, 3, stride, 2, 2, groups: channels, bias: false)),
                ("op.2", new Conv2d(channels, channels, 1, bias: false)),
                ("op.3", norms.Create(channels))
            ),
            _ => throw new ArgumentOutOfRangeException(nameof(operation), operation, "an operation must be from 0 to 7"),
        };

    /// <summary>
    /// Brings a map to the channels of a cell: as it is in size, or, where the cell before has halved its own, to half of it.
    /// </summary>
    /// <param name="inputs">Channels of the map.</param>
    /// <param name="outputs">Channels of the cell.</param>
    /// <param name="halves">Whether to half of the size.</param>
    /// <param name="norms">Settings of its norm.</param>
    internal static Layer Preprocess(int inputs, int outputs, bool halves, PnasNorms norms) =>
        halves ? new PnasReduction(inputs, outputs, norms.Create(outputs), ("conv_1", "conv_2", "bn")) : Pointwise(inputs, outputs, norms);

    private static Sequential Pointwise(int inputs, int outputs, PnasNorms norms, int stride = 1) =>
        new(("op.0", new Relu()), ("op.1", new Conv2d(inputs, outputs, 1, stride, bias: false)), ("op.2", norms.Create(outputs)));

    private static Sequential Separable(int channels, int kernel, int stride, PnasNorms norms) =>
        new(
            ("op.0", new Relu()),
            ("op.1", new Conv2d(channels, channels, kernel, stride, kernel / 2, groups: channels, bias: false)),
            ("op.2", new Conv2d(channels, channels, 1, bias: false)),
            ("op.3", norms.Create(channels)),
            ("op.4", new Relu()),
            ("op.5", new Conv2d(channels, channels, kernel, 1, kernel / 2, groups: channels, bias: false)),
            ("op.6", new Conv2d(channels, channels, 1, bias: false)),
            ("op.7", norms.Create(channels))
        );
}

/// <summary>Settings of all batch norms of a network of PNAS.</summary>
/// <param name="Eps">Added to the variance.</param>
/// <param name="Momentum">Weight of the newest batch in the running statistics.</param>
public sealed record PnasNorms(double Eps = 1e-3, double Momentum = 0.1)
{
    internal BatchNorm Create(int channels) => new(channels, Eps, Momentum);
}
