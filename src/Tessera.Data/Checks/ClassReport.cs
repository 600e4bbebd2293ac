namespace Tessera.Data.Checks;

/// <summary>A class of a split.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Samples">How many samples it has; null where that is not known without reading every sample.</param>
/// <param name="Trained">The class of the training split that it is; null where there is none.</param>
public sealed record ClassReport(string Name, int? Samples, string? Trained);

/// <summary>Two names of one class.</summary>
/// <param name="Name">In the split.</param>
/// <param name="Trained">In the training split.</param>
public sealed record SimilarClass(string Name, string Trained);

/// <summary>How the classes of a split are those of the training split, by their names.</summary>
/// <param name="Missing">Classes of the training split that the split does not list.</param>
/// <param name="Unknown">Classes that the training split does not have.</param>
/// <param name="Similar">Classes whose names are not equal and were taken for the same.</param>
/// <param name="IsReordered">Whether classes that both have stand in another order.</param>
public sealed record ClassMatch(
    IReadOnlyList<string> Missing,
    IReadOnlyList<string> Unknown,
    IReadOnlyList<SimilarClass> Similar,
    bool IsReordered
)
{
    /// <summary>Compares the classes of a split.</summary>
    /// <param name="mapping">From its classes to those of the training split.</param>
    internal static ClassMatch Of(ClassMapping mapping)
    {
        var found = mapping.Numbers.Where(number => number >= 0).ToArray();
        return new(
            [.. mapping.Missing],
            [.. mapping.Unknown],
            [
                .. mapping
                    .Numbers.Index()
                    .Where(entry => entry.Item >= 0 && mapping.From[entry.Index] != mapping.Onto[entry.Item])
                    .Select(entry => new SimilarClass(mapping.From[entry.Index], mapping.Onto[entry.Item])),
            ],
            !found.SequenceEqual(found.Order())
        );
    }
}
