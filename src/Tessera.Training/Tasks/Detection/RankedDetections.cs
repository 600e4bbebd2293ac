using Tessera.Data;
using Tessera.Distributed;

namespace Tessera.Training.Tasks.Detection;

/// <summary>A detection that counts, and what became of it: a bit for each condition that is measured.</summary>
/// <param name="Image">Number of its image, by which equal scores are ordered.</param>
/// <param name="Rank">Its place among the detections of its class in its image, from 0.</param>
/// <param name="Score">Its score.</param>
/// <param name="Found">It found an object.</param>
/// <param name="Void">It counts neither for nor against the model.</param>
internal readonly record struct RankedDetection(long Image, int Rank, double Score, ulong Found, ulong Void);

/// <summary>What measurements keep of images: detections by their class, and numbers of objects. Threads may add at once.</summary>
/// <param name="classes">Number of classes.</param>
/// <param name="kinds">Kinds of objects of each class that are counted apart.</param>
internal sealed class RankedDetections(int classes, int kinds)
{
    private readonly List<RankedDetection>[] ranked = [.. Enumerable.Range(0, classes).Select(_ => new List<RankedDetection>())];
    private readonly long[] objects = new long[classes * kinds];
    private readonly HashSet<long> images = [];
    private readonly Lock gate = new();

    /// <summary>Matches the detections of one class in an image, in the order of their scores, with all objects of the class.</summary>
    internal delegate IEnumerable<RankedDetection> Match(ImageObject[] truth, DetectedObject[] detections);

    /// <summary>Number of images.</summary>
    internal int Images => images.Count;

    /// <summary>Adds an image.</summary>
    /// <param name="image">Its number.</param>
    /// <param name="truth">All objects in it.</param>
    /// <param name="detections">What was found, in any order; of equal scores the first comes first.</param>
    /// <param name="match">Matches those of one class.</param>
    /// <param name="counts">Whether an object is to be found and of a kind.</param>
    /// <exception cref="DataException">An unknown class, a score that is no number, or an image that was added before.</exception>
    internal void Add(
        long image,
        IReadOnlyList<ImageObject> truth,
        IReadOnlyList<DetectedObject> detections,
        Match match,
        Func<ImageObject, int, bool> counts
    )
    {
        foreach (var label in truth.Select(one => one.Class).Concat(detections.Select(one => one.Class)))
            if (label < 0 || label >= classes)
                throw new DataException($"image {image} has class {label}, but there are {classes} classes");
        if (detections.Any(one => double.IsNaN(one.Score)))
            throw new DataException($"image {image}: the score of a detection is no number");
        var present = truth.ToLookup(one => one.Class);
        (int Class, RankedDetection[] Detections)[] matched =
        [
            .. detections
                .GroupBy(one => one.Class)
                .Select(own => (own.Key, match([.. present[own.Key]], [.. own.OrderByDescending(one => one.Score)]).ToArray())),
        ];
        lock (gate)
        {
            if (!images.Add(image))
                throw new DataException($"image {image} was added before: each image counts once");
            foreach (var (label, own) in matched)
                ranked[label].AddRange(own);
            foreach (var one in truth)
                for (var kind = 0; kind < kinds; kind++)
                    if (counts(one, kind))
                        objects[one.Class * kinds + kind]++;
        }
    }

    /// <summary>Adds what the other processes have gathered; all have the same afterwards.</summary>
    /// <exception cref="DataException">Two processes have added the same image.</exception>
    internal void Join(ProcessGroup group)
    {
        const int Width = 6;
        var sums = group.Sum([.. objects.Select(count => (double)count)]);
        for (var i = 0; i < objects.Length; i++)
            objects[i] = (long)sums[i];
        var rows = new List<long>();
        foreach (var (label, own) in ranked.Index())
        {
            foreach (var one in own)
                rows.AddRange(label, one.Image, one.Rank, BitConverter.DoubleToInt64Bits(one.Score), (long)one.Found, (long)one.Void);
            own.Clear();
        }
        foreach (var row in Gather(group, rows, Width))
            ranked[row[0]].Add(new(row[1], (int)row[2], BitConverter.Int64BitsToDouble(row[3]), (ulong)row[4], (ulong)row[5]));
        var known = images.ToList();
        images.Clear();
        foreach (var row in Gather(group, known, 1))
            if (!images.Add(row[0]))
                throw new DataException($"two processes have measured image {row[0]}: each image counts once");
    }

    // The rows of all processes, by rank.
    private static IEnumerable<ArraySegment<long>> Gather(ProcessGroup group, List<long> rows, int width)
    {
        using var scope = new Scope();
        var lengths = group.AllGather(Tensor.Of((long)rows.Count)).ToArray<long>();
        var most = (int)lengths.Max();
        if (most == 0)
            return [];
        var own = new long[most];
        rows.CopyTo(own);
        var all = group.AllGather(Tensor.From(own)).ToArray<long>();
        return lengths.SelectMany(
            (length, rank) =>
                Enumerable.Range(0, (int)length / width).Select(i => new ArraySegment<long>(all, rank * most + i * width, width))
        );
    }

    /// <summary>Numbers of objects of a class, by kind.</summary>
    internal long[] Objects(int label)
    {
        lock (gate)
            return objects[(label * kinds)..((label + 1) * kinds)];
    }

    /// <summary>Detections of a class, the highest score first; equal ones by their images' numbers.</summary>
    internal RankedDetection[] Ordered(int label)
    {
        RankedDetection[] ordered;
        lock (gate)
            ordered = [.. ranked[label]];
        // Images and ranks tell all detections of a class apart: the order is the same whatever order they came in.
        Array.Sort(ordered, static (left, right) => right.Score.CompareTo(left.Score) is var byScore and not 0 ? byScore
            : left.Image.CompareTo(right.Image) is var byImage and not 0 ? byImage
            : left.Rank.CompareTo(right.Rank));
        return ordered;
    }
}
