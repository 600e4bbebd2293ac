using Tessera.Data;

namespace Tessera.Training.Tasks.Segmentation;

/// <summary>
/// Brings the scores of a prepared image to the pixels of its original, bilinearly without aligned corners, as published figures are
/// measured: what transforms have resized is resized back, what they padded is left out, and what they cut off gets no scores. Scores come
/// and go in bands of rows, so that those of a large original never exist as a whole.
/// </summary>
internal sealed class OriginalScores : IDisposable
{
    // Rows that are given out at once.
    private const int BandHeight = 64;

    private readonly Axis rows,
        columns;
    private readonly Action<int, int, Tensor> band;
    private Tensor? kept; // prepared rows that later rows of the original need too
    private int first, // of the rows that are kept
        next; // row to give out

    /// <summary>For one image.</summary>
    /// <param name="origin">What the prepared image shows.</param>
    /// <param name="prepared">Its size.</param>
    /// <param name="band">
    /// Takes the first row and column in the original and the scores [1, classes, rows, columns] of a band, which are freed afterwards.
    /// </param>
    /// <exception cref="RunException">The transforms have turned the image upside down.</exception>
    internal OriginalScores(PreparedImage origin, ImageSize prepared, Action<int, int, Tensor> band)
    {
        var (view, visible, original) = origin;
        if (view.Height <= 0)
            throw new RunException("evaluation.transforms turn images upside down: scores cannot be brought back to their originals");
        rows = Axis.Of(view.Top, view.Height, visible.Top, visible.Height, original.Height, prepared.Height);
        columns = Axis.Of(view.Left, view.Width, visible.Left, visible.Width, original.Width, prepared.Width);
        this.band = band;
    }

    /// <summary>Takes the next rows.</summary>
    /// <param name="row">The first of them, in the prepared image.</param>
    /// <param name="scores">[1, classes, rows, W].</param>
    internal void Add(int row, Tensor scores)
    {
        using var scope = new Scope();
        if (rows.IsSame && columns.IsSame)
        {
            band(row, 0, scores);
            return;
        }
        var known = columns.Of(scores, 3, 0, 0, columns.Count);
        if (kept is null)
            first = row;
        else
            known = Torch.Cat([kept, known], 2);
        var last = first + (int)known.Size(2) - 1;
        while (next < rows.Count && rows.High(next) <= last)
        {
            var end = next + 1;
            while (end < rows.Count && end - next < BandHeight && rows.High(end) <= last)
                end++;
            using (new Scope())
                band(rows.Start + next, columns.Start, rows.Of(known, 2, first, next, end));
            next = end;
        }
        kept?.Dispose();
        var wanted = next < rows.Count ? rows.Low(next) : last + 1;
        kept = wanted > last ? null : known.Slice(2, wanted - first).Clone().Keep();
        first = wanted;
    }

    public void Dispose() => kept?.Dispose();

    // Where each visible pixel of the original lies between two pixels of the prepared image.
    private sealed class Axis(int start, (int Low, int High, float Share)[] places, bool isSame)
    {
        // Fractions are rounded: up to that, a place on a border is inside.
        private const double Rounding = 1e-6;

        internal int Start => start;

        internal int Count => places.Length;

        internal bool IsSame => isSame;

        internal int Low(int index) => places[index].Low;

        internal int High(int index) => places[index].High;

        internal static Axis Of(double start, double length, double visible, double visibleLength, int original, int prepared)
        {
            // Of the prepared image, without padding.
            var (a, b) = ((visible - start) / length * prepared, (visible + visibleLength - start) / length * prepared);
            var lowest = Math.Clamp((int)Math.Round(Math.Min(a, b)), 0, prepared - 1);
            var highest = Math.Clamp((int)Math.Round(Math.Max(a, b)) - 1, lowest, prepared - 1);
            var first = Math.Max(0, (int)Math.Ceiling(visible * original - 0.5 - Rounding));
            var end = Math.Min(original, (int)Math.Ceiling((visible + visibleLength) * original - 0.5 + Rounding));
            var places = new (int Low, int High, float Share)[Math.Max(0, end - first)];
            for (var i = 0; i < places.Length; i++)
            {
                var place = Math.Clamp(((first + i + 0.5) / original - start) / length * prepared - 0.5, lowest, highest);
                var low = (int)(place + Rounding);
                places[i] = (low, Math.Min(low + 1, highest), (float)Math.Max(0, place - low));
            }
            var isSame =
                first == 0
                && places.Length == prepared
                && original == prepared
                && places.Index().All(entry => entry.Item.Low == entry.Index && entry.Item.Share < Rounding);
            return new(first, places, isSame);
        }

        // Pixels of the original from a dimension of the prepared ones, which begin at a place.
        internal Tensor Of(Tensor scores, int dim, int origin, int from, int to)
        {
            if (isSame)
                return scores.Slice(dim, from - origin, to - origin);
            var part = places.AsSpan(from, to - from);
            var (lows, highs, shares) = (new long[part.Length], new long[part.Length], new float[part.Length]);
            for (var i = 0; i < part.Length; i++)
                (lows[i], highs[i], shares[i]) = (part[i].Low - origin, part[i].High - origin, part[i].Share);
            var values = scores.To(DType.Float32);
            long[] shape = dim == 3 ? [1, 1, 1, part.Length] : [1, 1, part.Length, 1];
            return values
                .IndexSelect(dim, Tensor.From(lows).To(scores.Device))
                .Lerp(values.IndexSelect(dim, Tensor.From(highs).To(scores.Device)), Tensor.From(shares, shape).To(scores.Device));
        }
    }
}
