using System.ComponentModel.DataAnnotations;

namespace Tessera.Models;

/// <summary>
/// A network of BATS by its cells, <c>bats_network</c> in recipes: the published cells are a figure alone, so that cells come from a
/// search.
/// </summary>
/// <param name="Normal">The cell that keeps the size: two choices for every node, as in <c>sep_conv_3x3:0 skip_connect:1</c>.</param>
/// <param name="Reduce">The cell that halves it.</param>
/// <param name="Width">Channels of a node in the first cells, a multiple of the groups and of those that are shuffled.</param>
/// <param name="Layers">Number of cells, at least 3.</param>
/// <param name="Groups">Groups of a convolution's channels that do not mix.</param>
/// <param name="ShuffleGroups">Groups whose channels are interleaved after a convolution.</param>
/// <param name="Bits">What has one bit: real, activations or binary (the default), whose scales are learned.</param>
/// <param name="Auxiliary">Whether a second classifier learns along, after two thirds of the cells.</param>
/// <param name="LargeImages">Whether the network begins with three convolutions that halve the size, as for ImageNet.</param>
/// <param name="NormalConcat">States that the normal cell puts out, of which 2 is the first node; all nodes by default.</param>
/// <param name="ReduceConcat">States that the reduction cell puts out; all nodes by default.</param>
public sealed record BatsNetworkOptions(
    string Normal,
    string Reduce,
    [Range(1, 100_000)] int Width = 36,
    [Range(3, 1000)] int Layers = 20,
    [Range(1, 10_000)] int Groups = 12,
    [Range(1, 10_000)] int ShuffleGroups = 4,
    BatsBits Bits = BatsBits.Binary,
    bool Auxiliary = false,
    bool LargeImages = false,
    IReadOnlyList<int>? NormalConcat = null,
    IReadOnlyList<int>? ReduceConcat = null
) : ArchitectureOptions
{
    /// <summary>The cell that keeps the size.</summary>
    public string Normal { get; init; } = Checked(Normal, "normal");

    /// <summary>The cell that halves it.</summary>
    public string Reduce { get; init; } = Checked(Reduce, "reduce");

    // An empty list, as recipes give it for null, is all nodes.
    /// <summary>States that the normal cell puts out; null for all nodes.</summary>
    public IReadOnlyList<int>? NormalConcat { get; init; } = NormalConcat is { Count: > 0 } ? NormalConcat : null;

    /// <summary>States that the reduction cell puts out; null for all nodes.</summary>
    public IReadOnlyList<int>? ReduceConcat { get; init; } = ReduceConcat is { Count: > 0 } ? ReduceConcat : null;

    /// <summary>The architecture.</summary>
    public Bats.Genotype Cells
    {
        get
        {
            var all = BatsText.Genotype(BatsText.Read(Normal), BatsText.Read(Reduce));
            return all with { NormalConcat = NormalConcat ?? all.NormalConcat, ReduceConcat = ReduceConcat ?? all.ReduceConcat };
        }
    }

    private static string Checked(string cell, string field)
    {
        try
        {
            return BatsText.Write(BatsText.Read(cell));
        }
        catch (FormatException error)
        {
            throw new ArgumentException($"{field}: {error.Message}", error);
        }
    }

    /// <inheritdoc/>
    public override Backbone Create(ModelOptions options)
    {
        var size = options.ImageSize ?? (LargeImages ? (224, 224) : (32, 32));
        BatsSupernet.CheckSize(size, LargeImages ? 8 : 1);
        // Of the map after two reductions the second classifier makes 2 x 2, and then one position.
        var (stride, least) = LargeImages ? (2, 32) : (3, 4);
        if (Auxiliary && (Places(size.Height) != 2 || Places(size.Width) != 2))
            throw new ArgumentException(
                $"auxiliary must be false for images of {size.Height}x{size.Width}: its classifier needs maps of "
                    + (LargeImages ? "7x7 or 8x8, as images of 224 or 256 pixels give" : "8x8 to 10x10, as images of 32 to 40 pixels give")
            );
        return new Bats(
            new Bats.Config(
                size,
                Cells,
                Width,
                Layers,
                options.Classes ?? (LargeImages ? 1000 : 10),
                options.Channels ?? 3,
                Auxiliary,
                LargeImages,
                new(Groups, ShuffleGroups, Bits.OfNetwork()),
                options.DropPath ?? 0
            )
        );

        int Places(int side) => side / least < 5 ? 0 : (side / least - 5) / stride + 1;
    }
}
