using Tessera.Cli.Rendering;
using Tessera.Cli.Shell;
using Tessera.Retrieval;
using Tessera.Training.Probes;

namespace Tessera.Cli.Search;

/// <summary>Principal components of descriptors.</summary>
/// <param name="Projection">The reduction.</param>
/// <param name="Pictures">How many pictures it was fitted on.</param>
/// <param name="Kept">Share of the variance that it keeps.</param>
/// <param name="Described">The reduced descriptors of these pictures, by path.</param>
internal sealed record PcaFit(VectorProjection Projection, int Pictures, double Kept, IReadOnlyDictionary<string, float[]> Described)
{
    /// <summary>Describes pictures and fits the components.</summary>
    /// <param name="model">Describes them.</param>
    /// <param name="files">The pictures.</param>
    /// <param name="numbers">Numbers that a descriptor keeps.</param>
    /// <param name="batch">Pictures at a time.</param>
    /// <param name="progress">Shows how far it is.</param>
    /// <param name="stop">Gives up.</param>
    /// <returns>Null where it was stopped.</returns>
    /// <exception cref="UserException">There are too few pictures.</exception>
    internal static PcaFit? Of(
        IndexModel model,
        IReadOnlyList<string> files,
        int numbers,
        int batch,
        IProgress<IndexingProgress> progress,
        CancellationToken stop
    )
    {
        if (files.Count <= numbers)
            throw TooFew(files.Count);
        List<float> vectors = [];
        List<string> readable = [];
        try
        {
            model.Describe(
                files,
                null,
                batch,
                (pictures, failed) =>
                {
                    vectors.AddRange(pictures.Vectors);
                    readable.AddRange(pictures.Places.Select(place => files[place]));
                    progress.Report(new(readable.Count + failed, files.Count, failed));
                },
                stop
            );
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            return null;
        }
        if (readable.Count <= numbers)
            throw TooFew(readable.Count);
        using var scope = new Scope();
        var all = Tensor.From(vectors.ToArray(), readable.Count, model.Width);
        var fit = PrincipalComponents.Fit(all, numbers);
        // As the index keeps it: descriptors that are added later come out the same.
        var projection = new VectorProjection(Singles(fit.Mean), Singles(fit.Rows));
        var reduced = IndexModel.Components(projection).Project(all).ToArray<float>();
        var described = new Dictionary<string, float[]>(StringComparer.Ordinal);
        foreach (var (place, file) in readable.Index())
            described[file] = reduced[(place * numbers)..((place + 1) * numbers)];
        return new(projection, readable.Count, fit.TotalVariance > 0 ? fit.ExplainedVariance.Sum() / fit.TotalVariance : 1, described);

        UserException TooFew(int count) =>
            new($"--pca {numbers} needs more than {numbers} pictures that can be read to fit the components on, and there are {count}");
    }

    private static float[] Singles(ReadOnlySpan<double> values) => Array.ConvertAll(values.ToArray(), value => (float)value);
}
