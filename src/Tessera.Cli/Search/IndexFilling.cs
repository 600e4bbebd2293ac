using System.Globalization;
using Tessera.Cli.Rendering;
using Tessera.Data;
using Tessera.Retrieval;

namespace Tessera.Cli.Search;

/// <summary>What an addition of pictures came to.</summary>
/// <param name="Added">Pictures that are in the index now and were not before.</param>
/// <param name="Known">Pictures that were in it already, and have not changed since.</param>
/// <param name="Replaced">Pictures that have changed since: described anew, under new ids.</param>
/// <param name="Unreadable">Pictures that could not be read.</param>
/// <param name="Stopped">Whether it was stopped before the end.</param>
internal sealed record Filled(int Added, int Known, int Replaced, IReadOnlyList<UnreadableImage> Unreadable, bool Stopped)
{
    /// <summary>For people.</summary>
    internal IEnumerable<string> Remarks
    {
        get
        {
            if (Known > 0)
                yield return Counted(Known, "was in the index already and was skipped", "were in the index already and were skipped");
            if (Replaced > 0)
                yield return Counted(
                    Replaced,
                    "had changed since it was added: it was described anew and has a new id",
                    "had changed since they were added: they were described anew and have new ids"
                );
        }
    }

    private static string Counted(int count, string one, string several) =>
        string.Create(CultureInfo.InvariantCulture, $"{count:N0} {(count == 1 ? $"picture {one}" : $"pictures {several}")}");
}

/// <summary>Adds pictures to an index, batch by batch: what was added is kept however the work ends.</summary>
/// <param name="index">Open for writing.</param>
/// <param name="model">Describes the pictures; it is that of the index.</param>
/// <param name="fields">What is kept beside each picture.</param>
/// <param name="batch">Pictures at a time.</param>
internal sealed class IndexFilling(VectorIndex index, IndexModel model, PictureFields fields, int batch)
{
    /// <summary>Adds pictures; those that the index has are skipped, and those that have changed take the place of the old.</summary>
    /// <param name="files">Full paths.</param>
    /// <param name="described">Descriptors that are known already, by path.</param>
    /// <param name="progress">Shows how far it is.</param>
    /// <param name="stop">Gives up after the batch at hand.</param>
    internal Filled Add(
        IReadOnlyList<string> files,
        IReadOnlyDictionary<string, float[]> described,
        IProgress<IndexingProgress> progress,
        CancellationToken stop
    )
    {
        var known = Known(files);
        var (added, replaced) = (0, 0);
        // A program that was killed between an addition and the removal of what it replaces leaves both.
        index.Remove([.. known.Values.Where(one => one.IsCurrent).SelectMany(one => one.Old)]);
        string[] left = [.. files.Where(file => known.GetValueOrDefault(file) is not { IsCurrent: true })];
        var skipped = files.Count - left.Length;
        string[] first = [.. left.Where(described.ContainsKey)];
        foreach (var part in first.Chunk(batch))
        {
            if (stop.IsCancellationRequested)
                return new(added, skipped, replaced, [], true);
            Put(part, [.. part.SelectMany(file => described[file])]);
            progress.Report(new(added + replaced, left.Length, 0));
        }
        string[] rest = [.. left.Where(file => !described.ContainsKey(file))];
        try
        {
            var unreadable = model.Describe(
                rest,
                index.Header.Projection,
                batch,
                (pictures, failed) =>
                {
                    Put([.. pictures.Places.Select(place => rest[place])], pictures.Vectors);
                    progress.Report(new(added + replaced + failed, left.Length, failed));
                },
                stop
            );
            return new(added, skipped, replaced, unreadable, false);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            return new(added, skipped, replaced, [], true);
        }

        void Put(IReadOnlyList<string> part, ReadOnlySpan<float> vectors)
        {
            if (part.Count == 0)
                return;
            index.Add(vectors, [.. part.Select(file => new IndexItem(0, file, fields.Of(file)))]);
            long[] old = [.. part.SelectMany(file => known.GetValueOrDefault(file)?.Old ?? [])];
            if (old.Length > 0)
                index.Remove(old);
            var again = part.Count(known.ContainsKey);
            (added, replaced) = (added + part.Count - again, replaced + again);
        }
    }

    // Of the pictures that were given, those that the index has.
    private Dictionary<string, KnownPicture> Known(IReadOnlyList<string> files)
    {
        var wanted = files.ToHashSet(StringComparer.Ordinal);
        var known = new Dictionary<string, KnownPicture>(StringComparer.Ordinal);
        foreach (var item in index.Items().Where(item => wanted.Contains(item.Name)))
        {
            var one = known.TryGetValue(item.Name, out var before) ? before : known[item.Name] = new();
            if (!one.IsCurrent && fields.IsCurrent(item))
                one.IsCurrent = true;
            else
                one.Old.Add(item.Id);
        }
        return known;
    }

    private sealed class KnownPicture
    {
        internal bool IsCurrent { get; set; }

        // Ids of earlier states.
        internal List<long> Old { get; } = [];
    }
}
