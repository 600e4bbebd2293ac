using Tessera.Data.Loading;
using Tessera.Data.Transforms;

namespace Tessera.Data.Images;

/// <summary>Batches of images.</summary>
internal sealed class ImageBatchBuilder : BatchBuilder
{
    // Where that many draws in a row give nothing, almost all images are unreadable.
    private const int MostDraws = 100;

    private readonly ImageDataset dataset;
    private readonly Pipeline pipeline;
    private readonly ulong seed;
    private readonly Replacement replacement;
    private readonly ImageViewBuilder[] views;
    private readonly List<UnreadableImage> unreadable = [];

    internal ImageBatchBuilder(ImageDataset dataset, Pipeline pipeline, ulong seed, BatchMemory memory, Replacement replacement)
    {
        (this.dataset, this.pipeline, this.seed, this.replacement) = (dataset, pipeline, seed, replacement);
        views = [.. Enumerable.Range(0, pipeline.Views.Count).Select(view => new ImageViewBuilder(dataset, pipeline, view, memory))];
    }

    protected override BatchData Build(ReadOnlySpan<Draw> draws, int[] share, bool placeholder, int epoch, int step)
    {
        unreadable.Clear();
        foreach (var view in views)
            view.Begin(share.Length);
        var indices = new List<int>(share.Length);
        foreach (var position in share)
            if (Show(draws[position], epoch) is { } index)
                indices.Add(index);
        var mixing = Mix(indices.Count, share, draws.Length, epoch, step);
        ViewData[] made = [.. views.Select(view => view.End())];
        // Targets follow the first view: methods with several views compare them with each other.
        var first = views[0];
        int[] read = [.. indices];
        return new()
        {
            Views = made,
            Targets = dataset.Annotations.Gather(
                new(read, first.Images, new(first.Height, first.Width), mixing)
                {
                    LabelScale = pipeline.LabelScale,
                    LookedAt = first.LookedAt,
                }
            ),
            Indices = read,
            GlobalCount = draws.Length - (share.Length - read.Length),
            IsPlaceholder = placeholder,
            Unreadable = [.. unreadable],
        };
    }

    /// <summary>
    /// Reads and transforms a sample, or another one in its place: which, depends on the seed, the epoch and the sample alone. Null leaves
    /// it out.
    /// </summary>
    private int? Show(Draw draw, int epoch)
    {
        var index = draw.Index;
        var others = new SampleRandom(seed, epoch, draw.Index, Streams.Replacement + draw.Repeat);
        for (var tried = 0; tried < MostDraws; tried++)
        {
            try
            {
                foreach (var (number, view) in views.Index())
                    view.Show(index, draw.Random(seed, epoch, number));
                foreach (var view in views)
                    view.Take();
                return index;
            }
            catch (UnreadableImageException error) when (replacement != Replacement.Never)
            {
                unreadable.Add(new(index, dataset.SampleName(index), error.Problem));
                if (replacement == Replacement.None)
                    return null;
                index = others.Below(dataset.Count);
            }
        }
        throw new DataException(
            $"{dataset.Name} ({dataset.Split}): {MostDraws} images in a row cannot be read; "
                + $"the last is {unreadable[^1].Name}: {unreadable[^1].Problem}"
        );
    }

    private MixPlan? Mix(int count, int[] share, int whole, int epoch, int step)
    {
        if (pipeline.Mixing is not { } mixing || count == 0)
            return null;
        var view = views[0];
        var plan = mixing.PlanOf(share, count, whole, view.Height, view.Width, seed, epoch, step);
        Mixing.Apply(view.Values, plan, view.Height, view.Width);
        return new(plan, mixing.Smoothing);
    }
}
