using Tessera.Checkpoints;
using Tessera.Training.Recipes;

namespace Tessera.Training.Bundles;

/// <summary>Weights in a file, and which of several in it.</summary>
/// <param name="File">The file, a folder of the Hugging Face hub or, where that is possible, the folder of a run.</param>
/// <param name="Key">Of a file with several sets of weights, the one under this key: <c>teacher</c>.</param>
/// <param name="Prefix">Takes only names that begin with this, without it: <c>backbone.</c></param>
/// <param name="Ema">Takes the moving average of the weights.</param>
/// <param name="Partial">
/// Takes what they have: tensors that they lack stay as they were initialised. By default, weights that lack any are refused.
/// </param>
public sealed record WeightsFile(
    [RecipePath] string File,
    string? Key = null,
    string? Prefix = null,
    bool? Ema = null,
    bool? Partial = null
)
{
    /// <summary>How they are looked for.</summary>
    public StateDictOptions Find =>
        new()
        {
            Key = Key,
            // Prefixes are whole parts of a name, whether or not their dot was given.
            Only = Prefix is { Length: > 0 } && char.IsLetterOrDigit(Prefix[^1]) ? Prefix + "." : Prefix,
            PreferEma = Ema == true,
        };

    /// <summary>Whether a part of the file was chosen.</summary>
    public bool IsPart => Key is not null || Prefix is not null;

    /// <summary>All of a file.</summary>
    /// <param name="file">The file.</param>
    public static implicit operator WeightsFile(string file) => new(file);
}
