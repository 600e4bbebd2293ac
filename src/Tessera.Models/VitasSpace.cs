using System.Globalization;

namespace Tessera.Models;

/// <summary>
/// The choices that ViTAS searches among (Su et al., 2021, arXiv:2106.13700, table 1 of the first version): a patch size, a width of the
/// tokens, and for every position no block or one with a number of heads, a width of queries, keys and values, and a width of its MLP.
/// </summary>
/// <param name="PatchSizes">Sides of a patch.</param>
/// <param name="MaxDim">Largest width of the tokens.</param>
/// <param name="Depth">Positions.</param>
/// <param name="HeadChoices">Numbers of heads.</param>
/// <param name="MaxQkv">Largest width of queries, keys and values together.</param>
/// <param name="MaxMlp">Largest hidden width of an MLP.</param>
/// <param name="Shares">Shares of the largest widths, from small to large; null for 0.1 to 1 in steps of 0.1.</param>
public sealed record VitasSpace(
    IReadOnlyList<int> PatchSizes,
    int MaxDim,
    int Depth,
    IReadOnlyList<int> HeadChoices,
    int MaxQkv,
    int MaxMlp,
    IReadOnlyList<double>? Shares = null
)
{
    /// <summary>The space of ViTAS-A, B and E: 16 positions, widths up to 384.</summary>
    public static VitasSpace Tiny { get; } = new([14, 16, 32], 384, 16, [3, 6, 12, 16], 1440, 1440);

    /// <summary>The space of ViTAS-F: 13 positions, widths up to 768.</summary>
    public static VitasSpace Small { get; } = new([14, 16, 32], 768, 13, [3, 6, 12, 16], 2880, 2880);

    /// <summary>Shares of the largest widths, from small to large.</summary>
    public IReadOnlyList<double> Shares { get; init; } = Shares ?? [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0];

    /// <summary>The number that stands for no block.</summary>
    public int Identity => HeadChoices.Count;

    /// <summary>Numbers of a genome: the patch, the positions, norm and classifier, the width of the tokens, two widths a position.</summary>
    public int GenomeLength => 4 + 3 * Depth;

    /// <summary>A share of a largest width, rounded to the nearest and from the middle to the even number.</summary>
    /// <param name="share">Number of the share.</param>
    /// <param name="largest">The largest width.</param>
    public int Width(int share, int largest) => (int)Math.Round(Shares[share] * largest, MidpointRounding.ToEven);

    /// <summary>Reads a genome as the authors write it: its numbers between spaces (<c>net_id</c>).</summary>
    /// <param name="netId">The text.</param>
    /// <exception cref="FormatException">It is no genome of this space; the message names the number at fault.</exception>
    public VitasGenome Decode(string netId)
    {
        var parts = netId.Split(' ', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        var numbers = new int[parts.Length];
        foreach (var (i, part) in parts.Index())
            if (!int.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out numbers[i]))
                throw new FormatException($"number {i} of a genome must be a whole number from 0, not '{part}'");
        return Decode(numbers);
    }

    /// <summary>A genome by its numbers.</summary>
    /// <param name="numbers">The patch, the positions, two zeros for norm and classifier, the widths.</param>
    /// <exception cref="FormatException">It is no genome of this space; the message names the number at fault.</exception>
    public VitasGenome Decode(IReadOnlyList<int> numbers)
    {
        if (numbers.Count != GenomeLength)
            throw new FormatException($"a genome of this space has {GenomeLength} numbers, not {numbers.Count}");
        for (var i = 0; i < numbers.Count; i++)
        {
            var most =
                i == 0 ? PatchSizes.Count - 1
                : i <= Depth ? Identity
                : i <= Depth + 2 ? 0
                : Shares.Count - 1;
            if (numbers[i] < 0 || numbers[i] > most)
                throw new FormatException($"number {i} of a genome must be from 0 to {most}, not {numbers[i]}");
        }
        return new(numbers[0], [.. numbers.Skip(1).Take(Depth)], [.. numbers.Skip(Depth + 3)]);
    }

    /// <summary>The network that a genome stands for.</summary>
    /// <param name="genome">A genome of this space.</param>
    /// <param name="imageSize">Height and width of its images.</param>
    /// <param name="classes">Number of classes.</param>
    /// <param name="channels">Channels of its images.</param>
    public Vitas.Config Configure(VitasGenome genome, (int Height, int Width) imageSize, int classes = 1000, int channels = 3) =>
        new(
            imageSize,
            PatchSizes[genome.Patch],
            Width(genome.Widths[0], MaxDim),
            [
                .. genome.Positions.Select(
                    (choice, i) =>
                        choice == Identity
                            ? null
                            : new Vitas.BlockOptions(
                                HeadChoices[choice],
                                Width(genome.Widths[1 + 2 * i], MaxQkv),
                                Width(genome.Widths[2 + 2 * i], MaxMlp)
                            )
                ),
            ],
            classes,
            channels
        );

    /// <summary>
    /// Mean multiply-adds by the authors' counter (<see cref="Vitas.Config.PublishedCost"/>) of networks that are drawn uniformly, except
    /// that a position has no block with a given probability.
    /// </summary>
    /// <param name="identity">The probability, in [0, 1].</param>
    /// <param name="imageSize">Height and width of the images.</param>
    /// <param name="classes">Number of classes.</param>
    public double ExpectedCost(double identity, (int Height, int Width) imageSize, int classes = 1000)
    {
        var widths = (
            Dim: Shares.Index().Average(share => Width(share.Index, MaxDim)),
            Qkv: Shares.Index().Average(share => Width(share.Index, MaxQkv)),
            Values: Shares.Index().Average(share => Width(share.Index, MaxQkv) / 3),
            Mlp: Shares.Index().Average(share => Width(share.Index, MaxMlp))
        );
        // The widths are drawn independently of each other, so that the mean of a product is the product of the means.
        return PatchSizes.Average(patch =>
        {
            double tokens = imageSize.Height / patch * (imageSize.Width / patch);
            var block = tokens * widths.Dim * (widths.Qkv + widths.Values + 2 * widths.Mlp) + 2 * tokens * tokens * widths.Values;
            return 3 * widths.Dim * tokens * patch * patch + tokens * widths.Dim * classes + Depth * (1 - identity) * block;
        });
    }

    /// <summary>
    /// The probability of no block with which networks that are drawn cost on average what a budget allows: from 0.5 in steps of 0.01
    /// (section 3.3, "identity shifting").
    /// </summary>
    /// <param name="least">Fewest multiply-adds of the budget.</param>
    /// <param name="most">Most multiply-adds of the budget.</param>
    /// <param name="imageSize">Height and width of the images.</param>
    /// <param name="classes">Number of classes.</param>
    /// <exception cref="ArgumentException">No probability between 0 and 1 meets the budget.</exception>
    public double IdentityFor(double least, double most, (int Height, int Width) imageSize, int classes = 1000)
    {
        var (percent, before) = (50, 0);
        while (percent is > 0 and < 100)
        {
            var cost = ExpectedCost(percent / 100.0, imageSize, classes);
            var direction =
                cost > most ? 1
                : cost < least ? -1
                : 0;
            if (direction == 0)
                return percent / 100.0;
            // Back and forth over a budget that is narrower than a step.
            if (direction == -before)
                break;
            (percent, before) = (percent + direction, direction);
        }
        throw new ArgumentException(
            $"no probability of leaving a block out gives networks of {least:0} to {most:0} multiply-adds on average: the budget is too "
                + "narrow, or outside of what the space holds"
        );
    }
}

/// <summary>The choices of a network of ViTAS.</summary>
/// <param name="Patch">Number of the patch size.</param>
/// <param name="Positions">Of every position the number of its heads' choice, or that of no block.</param>
/// <param name="Widths">Numbers of the shares: of the tokens, then of every position two, also where it has no block.</param>
public sealed record VitasGenome(int Patch, IReadOnlyList<int> Positions, IReadOnlyList<int> Widths)
{
    /// <summary>As the authors write it (<c>net_id</c>).</summary>
    public override string ToString() => string.Join(' ', [Patch, .. Positions, 0, 0, .. Widths]);

    /// <inheritdoc/>
    public bool Equals(VitasGenome? other) =>
        other is not null && Patch == other.Patch && Positions.SequenceEqual(other.Positions) && Widths.SequenceEqual(other.Widths);

    /// <inheritdoc/>
    public override int GetHashCode() => ToString().GetHashCode(StringComparison.Ordinal);
}
