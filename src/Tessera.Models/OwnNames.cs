namespace Tessera.Models;

/// <summary>
/// Brings the names of a file to those of a model: of other libraries, of trainings without labels, with a prefix before all.
/// </summary>
internal static class OwnNames
{
    /// <summary>Renames tensors, and leaves those out that the model has no use for.</summary>
    /// <param name="own">The model's names.</param>
    /// <param name="classifier">Those of its classifier.</param>
    /// <param name="state">The tensors by the file's names; changed in place.</param>
    /// <returns>A sentence for everything that was done.</returns>
    internal static IEnumerable<string> Bring(
        IReadOnlySet<string> own,
        IReadOnlyList<string> classifier,
        OrderedDictionary<string, Tensor> state
    )
    {
        if (HuggingFaceNames.Convert(state) is { } renamed)
            return [renamed];
        var (taken, stripped) = (PretextNames.Convert(own, classifier, state), StatePrefix.TakeAway(own, state));
        return [.. taken is null ? [] : (string[])[taken], .. stripped is null ? [] : (string[])[stripped]];
    }
}
