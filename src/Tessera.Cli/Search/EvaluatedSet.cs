using System.Globalization;
using Tessera.Cli.Rendering;
using Tessera.Cli.Shell;
using Tessera.Retrieval;
using Tessera.Training.Tasks.Retrieval;

namespace Tessera.Cli.Search;

/// <summary>Descriptors with a class each, some of which search the others.</summary>
/// <param name="Vectors">[samples x width].</param>
/// <param name="Labels">Class of each, as a number.</param>
/// <param name="Classes">Names of the classes.</param>
/// <param name="IsQuery">Whether each searches the others; null where each one searches all others.</param>
/// <param name="Remarks">What was left out, a line each.</param>
internal sealed record EvaluatedSet(
    float[] Vectors,
    IReadOnlyList<long> Labels,
    IReadOnlyList<string> Classes,
    IReadOnlyList<bool>? IsQuery,
    IReadOnlyList<string> Remarks
)
{
    /// <summary>The items of an index.</summary>
    /// <param name="index">The index.</param>
    /// <param name="path">Its file, for messages.</param>
    /// <param name="field">The field whose value is the class.</param>
    /// <param name="where">Which items; null for all.</param>
    /// <exception cref="UserException">There are fewer than two items with the field.</exception>
    internal static EvaluatedSet OfItems(VectorIndex index, string path, string field, IndexFilter? where)
    {
        var numbers = new OrderedDictionary<string, long>(StringComparer.Ordinal);
        List<long> labels = [];
        List<float> vectors = [];
        var left = 0;
        foreach (var item in index.Items(where))
        {
            if (!item.Metadata.TryGetValue(field, out var name))
            {
                left++;
                continue;
            }
            numbers.TryAdd(name, numbers.Count);
            labels.Add(numbers[name]);
            vectors.AddRange(index.VectorOf(item.Id)!);
        }
        if (labels.Count < 2)
            throw new UserException($"{path}: {labels.Count} of its pictures have a field '{field}' and are measured, and two are needed");
        return new(
            [.. vectors],
            labels,
            [.. numbers.Keys],
            null,
            left == 0 ? [] : [string.Create(CultureInfo.InvariantCulture, $"{left:N0} pictures have no field '{field}' and were left out")]
        );
    }

    /// <summary>The same items, which are searched with other pictures in folders of their classes.</summary>
    /// <exception cref="UserException">No query can be read.</exception>
    /// <exception cref="OperationCanceledException">It was stopped.</exception>
    internal EvaluatedSet With(
        IReadOnlyList<string> queries,
        IndexModel model,
        VectorProjection? projection,
        int batch,
        IProgress<IndexingProgress> progress,
        CancellationToken stop
    )
    {
        List<float> vectors = [.. Vectors];
        List<long> labels = [.. Labels];
        List<string> classes = [.. Classes];
        var unreadable = model.Describe(
            queries,
            projection,
            batch,
            (pictures, failed) =>
            {
                vectors.AddRange(pictures.Vectors);
                foreach (var name in pictures.Places.Select(place => Path.GetFileName(Path.GetDirectoryName(queries[place]))!))
                {
                    var label = classes.IndexOf(name);
                    if (label < 0)
                        (label, classes) = (classes.Count, [.. classes, name]);
                    labels.Add(label);
                }
                progress.Report(new(labels.Count - Labels.Count + failed, queries.Count, failed));
            },
            stop
        );
        return labels.Count == Labels.Count
            ? throw new UserException($"none of the {queries.Count} queries can be read; the first is {queries[0]}")
            : new(
                [.. vectors],
                labels,
                classes,
                [.. labels.Select((_, place) => place >= Labels.Count)],
                [.. Remarks, .. unreadable.Select(image => $"{image.Name} cannot be read and was left out: {image.Problem}")]
            );
    }

    /// <summary>Measures.</summary>
    /// <param name="ks">Numbers of nearest pictures of which one must be right.</param>
    internal RetrievalMetrics Measure(IReadOnlyList<int> ks)
    {
        using var scope = new Scope();
        return CategoryRetrieval.Measure(Tensor.From(Vectors, Labels.Count, Vectors.Length / Labels.Count), Labels, ks, IsQuery);
    }
}
