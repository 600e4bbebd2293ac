using System.ComponentModel.DataAnnotations;
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
/// <param name="OptionalBlocks">Whether a position may have no block.</param>
/// <param name="EqualBlocks">Whether all positions have the same block, as in the search for ViTAS-C.</param>
public sealed record VitasSpace(
    IReadOnlyList<int> PatchSizes,
    [Range(1, 100_000)] int MaxDim,
    [Range(1, 1000)] int Depth,
    IReadOnlyList<int> HeadChoices,
    [Range(3, 1_000_000)] int MaxQkv,
    [Range(1, 1_000_000)] int MaxMlp,
    IReadOnlyList<double>? Shares = null,
    bool OptionalBlocks = true,
    bool EqualBlocks = false
)
{
    /// <summary>The space of ViTAS-A, B and E: 16 positions, widths up to 384.</summary>
    public static VitasSpace Tiny { get; } = new([14, 16, 32], 384, 16, [3, 6, 12, 16], 1440, 1440);

    /// <summary>The space of ViTAS-F: 13 positions with a block each, widths up to 768.</summary>
    public static VitasSpace Small { get; } = new([14, 16, 32], 768, 13, [3, 6, 12, 16], 2880, 2880, OptionalBlocks: false);

    /// <summary>Sides of a patch.</summary>
    public IReadOnlyList<int> PatchSizes { get; init; } = Positive(PatchSizes, "patch_sizes");

    /// <summary>Numbers of heads.</summary>
    public IReadOnlyList<int> HeadChoices { get; init; } = Positive(HeadChoices, "head_choices");

    /// <summary>Shares of the largest widths, from small to large.</summary>
    public IReadOnlyList<double> Shares { get; init; } =
        Shares switch
        {
            null or [] => [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0],
            _ when Shares.All(share => share is > 0 and <= 1) && Shares.Zip(Shares.Skip(1)).All(pair => pair.First < pair.Second) => Shares,
            _ => throw new ArgumentException("shares must be above 0 and at most 1, from small to large"),
        };

    /// <summary>Whether all positions have the same block.</summary>
    public bool EqualBlocks { get; init; } =
        EqualBlocks && OptionalBlocks
            ? throw new ArgumentException("equal_blocks needs optional_blocks: false, since a network without any block is none")
            : EqualBlocks;

    private static IReadOnlyList<int> Positive(IReadOnlyList<int> values, string field) =>
        values.Count > 0 && values.All(value => value > 0)
            ? values
            : throw new ArgumentException($"{field} must be a list of at least one number, each of at least 1");

    /// <summary>The number that stands for no block.</summary>
    public int Identity => HeadChoices.Count;

    // Of a position.
    private int MostChoice => OptionalBlocks ? Identity : Identity - 1;

    /// <summary>The largest value of each number of a genome; the least is 0.</summary>
    public IReadOnlyList<int> Most =>
        [PatchSizes.Count - 1, .. Enumerable.Repeat(MostChoice, Depth), 0, 0, .. Enumerable.Repeat(Shares.Count - 1, 1 + 2 * Depth)];

    /// <summary>The network with the smallest patches, a block at every position, and the largest widths.</summary>
    public VitasGenome Largest =>
        new(
            PatchSizes.Index().MinBy(patch => patch.Item).Index,
            [.. Enumerable.Repeat(Identity - 1, Depth)],
            [.. Enumerable.Repeat(Shares.Count - 1, 1 + 2 * Depth)]
        );

    /// <summary>
    /// Draws a network: patch and widths uniformly; a position has no block with a given probability, and else uniformly drawn heads.
    /// </summary>
    /// <param name="random">Where the draws come from.</param>
    /// <param name="identity">The probability of no block; without meaning in a space in which every position has one.</param>
    /// <param name="lastHeads">
    /// In a space in which every position has a block: whether the last number of heads takes the place of no block, as in the released
    /// code, instead of being as likely as the others.
    /// </param>
    public VitasGenome Draw(Random random, double identity, bool lastHeads = false)
    {
        var patch = random.Next(PatchSizes.Count);
        var positions = new int[Depth];
        for (var i = 0; i < Depth; i++)
            positions[i] = Choice();
        var widths = new int[1 + 2 * Depth];
        for (var i = 0; i < widths.Length; i++)
            widths[i] = random.Next(Shares.Count);
        return Equalized(new(patch, positions, widths));

        int Choice() =>
            OptionalBlocks
                ? random.NextDouble() < identity
                    ? Identity
                    : random.Next(Identity)
                : !lastHeads || Identity == 1
                    ? random.Next(Identity)
                    : random.NextDouble() < identity
                        ? Identity - 1
                        : random.Next(Identity - 1);
    }

    /// <summary>
    /// Where all positions have the same block, the network with that of the first one everywhere; else the network itself.
    /// </summary>
    /// <param name="genome">A network.</param>
    public VitasGenome Equalized(VitasGenome genome) =>
        EqualBlocks
            ? new(
                genome.Patch,
                [.. Enumerable.Repeat(genome.Positions[0], Depth)],
                [genome.Widths[0], .. Enumerable.Repeat((int[])[genome.Widths[1], genome.Widths[2]], Depth).SelectMany(pair => pair)]
            )
            : genome;

    /// <summary>
    /// The network with the positions that have no block behind the others, with their widths: then networks of as many blocks take the
    /// same way through a supernet.
    /// </summary>
    /// <param name="genome">A network.</param>
    public VitasGenome Shifted(VitasGenome genome)
    {
        int[] order = [.. Enumerable.Range(0, Depth).OrderBy(i => genome.Positions[i] == Identity)];
        return new(
            genome.Patch,
            [.. order.Select(i => genome.Positions[i])],
            [genome.Widths[0], .. order.SelectMany(i => (int[])[genome.Widths[1 + 2 * i], genome.Widths[2 + 2 * i]])]
        );
    }

    /// <summary>
    /// Numbers of a genome: the patch, the positions, norm and classifier, the width of the tokens, two widths a position.
    /// </summary>
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
                : i <= Depth ? MostChoice
                : i <= Depth + 2 ? 0
                : Shares.Count - 1;
            if (numbers[i] < 0 || numbers[i] > most)
                throw new FormatException($"number {i} of a genome must be from 0 to {most}, not {numbers[i]}");
        }
        var genome = new VitasGenome(numbers[0], [.. numbers.Skip(1).Take(Depth)], [.. numbers.Skip(Depth + 3)]);
        return Equalized(genome) == genome
            ? genome
            : throw new FormatException("all positions of a genome of this space must have the same heads and widths");
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
    /// <returns>The probability; 0 in a space in which every position has a block.</returns>
    /// <exception cref="ArgumentException">No probability between 0 and 1 meets the budget.</exception>
    public double IdentityFor(double least, double most, (int Height, int Width) imageSize, int classes = 1000)
    {
        if (!OptionalBlocks)
            return 0;
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
    /// <summary>The numbers as the authors write them: the patch, the positions, two zeros for norm and classifier, the widths.</summary>
    public IReadOnlyList<int> Numbers => [Patch, .. Positions, 0, 0, .. Widths];

    /// <summary>As the authors write it (<c>net_id</c>).</summary>
    public override string ToString() => string.Join(' ', Numbers);

    /// <inheritdoc/>
    public bool Equals(VitasGenome? other) =>
        other is not null && Patch == other.Patch && Positions.SequenceEqual(other.Positions) && Widths.SequenceEqual(other.Widths);

    /// <inheritdoc/>
    public override int GetHashCode() => ToString().GetHashCode(StringComparison.Ordinal);
}
