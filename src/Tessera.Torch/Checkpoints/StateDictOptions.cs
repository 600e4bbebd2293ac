namespace Tessera.Checkpoints;

/// <summary>Which part of a checkpoint is wanted as a state dict, and under which names.</summary>
public sealed record StateDictOptions
{
    /// <summary>Take the moving average of the weights, and nothing else.</summary>
    public bool PreferEma { get; init; }

    /// <summary>Take the dictionary under this key and no other, as in <c>teacher</c>; a dot leads to one inside of another.</summary>
    public string? Key { get; init; }

    /// <summary>Keep only names that begin with this, and strip it: <c>module.encoder_q.</c> or <c>encoder_q.</c>.</summary>
    public string? Only { get; init; }

    /// <summary>
    /// Prefixes to strip where a name has them, such as <c>backbone.</c> or <c>encoder.</c>; <c>module.</c> and
    /// <c>_orig_mod.</c>, which wrappers of PyTorch add, are always stripped.
    /// </summary>
    public IReadOnlyList<string> Strip { get; init; } = [];

    /// <summary>Names, as they are after stripping, to leave out: heads, decoders, computed buffers.</summary>
    public Func<string, bool>? Drop { get; init; }
}

/// <summary>A state dict that was found in a checkpoint.</summary>
/// <param name="Tensors">The weights by name, in the file's order.</param>
/// <param name="Key">Where in the file they were, with dots between keys; null for the top level.</param>
/// <param name="Notes">A sentence for every choice that was made without having been asked for.</param>
public sealed record FoundStateDict(OrderedDictionary<string, CheckpointTensor> Tensors, string? Key, IReadOnlyList<string> Notes);
