using Tessera.Models.Layers;

namespace Tessera.Models;

/// <summary>What of a network of BATS has one bit; first and last layers are real in any case.</summary>
public enum BatsBits
{
    /// <summary>Nothing.</summary>
    Real,

    /// <summary>The inputs of convolutions.</summary>
    Activations,

    /// <summary>Inputs and weights of convolutions.</summary>
    Binary,
}

/// <summary>How the layers of the two kinds of network take it.</summary>
internal static class BatsBitsExtensions
{
    /// <summary>In a found network, whose scales are learned.</summary>
    internal static Binarization OfNetwork(this BatsBits bits) => Of(bits, Binarization.XnorPlus);

    /// <summary>While searching, when scales follow the weights.</summary>
    internal static Binarization OfSupernet(this BatsBits bits) => Of(bits, Binarization.Xnor);

    private static Binarization Of(BatsBits bits, Binarization binary) =>
        bits switch
        {
            BatsBits.Real => Binarization.Real,
            BatsBits.Activations => Binarization.Activations,
            _ => binary,
        };
}
