using System.Collections.Concurrent;
using Tessera.Models.Layers;
using Tessera.Native;

namespace Tessera.Models;

/// <summary>
/// Four maps, each of about half the resolution of the one before, from any model of images, for images of any size. What a model's maps
/// are is asked once.
/// </summary>
/// <remarks>
/// A model with four maps or more gives its last four. One with a single resolution, such as a plain transformer, gives its maps after
/// the blocks d / 3, d / 2, 2 d / 3 and d of d, before the final norm, rescaled to strides of about 4, 8, 16 and 32. One with two or three
/// maps gives for each of these strides its nearest map, rescaled. An image that a model does not take at its size is padded below and on
/// the right: to multiples of the coarsest stride, or to the model's own size.
/// </remarks>
internal sealed class FeaturePyramid
{
    private const int Levels = 4,
        FinestStride = 4;

    private readonly Backbone backbone;
    private readonly string[]? blocks; // paths of the blocks whose outputs are the sources; null: the model's maps are
    private readonly int[] sources; // source of each level
    private readonly FeatureScales? scales;
    private readonly int coarsest;

    // Sizes that images are padded to, by their own and the model's.
    private readonly ConcurrentDictionary<((int Height, int Width) Image, (int Height, int Width) Model), (int Height, int Width)> sizes =
        new();

    /// <summary>Asks a model for its maps of one image.</summary>
    /// <exception cref="ArgumentException">It is no model of images.</exception>
    internal FeaturePyramid(Backbone backbone)
    {
        if (!backbone.TakesImages)
            throw new ArgumentException($"{backbone.GetType().Name} is no model of images: it has no maps to segment", nameof(backbone));
        this.backbone = backbone;
        using var scope = new Scope();
        var (maps, paths, channels) = Ask(backbone);
        coarsest = maps.Max(map => map.Stride);
        sizes[(backbone.ImageSize, backbone.ImageSize)] = backbone.ImageSize;
        if (maps.Count >= Levels)
        {
            sources = [.. Enumerable.Range(maps.Count - Levels, Levels)];
            Channels = [.. sources.Select(source => (int)maps[source].Map.Size(1))];
            Strides = [.. sources.Select(source => (double)maps[source].Stride)];
            return;
        }
        // Strides and channels of all sources: four blocks of one resolution, or the maps.
        int[] strides;
        if (paths.Count > 0)
        {
            int[] depths = [.. Depths(paths.Count)];
            blocks = [.. depths.Distinct().Select(depth => paths[depth])];
            sources = [.. depths.Select(depth => Array.IndexOf(blocks, paths[depth]))];
            strides = [.. sources.Select(_ => maps[0].Stride)];
            Channels = [.. depths.Select(depth => channels[depth])];
        }
        else
        {
            sources = [.. Enumerable.Range(0, Levels).Select(level => Nearest(maps, FinestStride << level))];
            strides = [.. sources.Select(source => maps[source].Stride)];
            Channels = [.. sources.Select(source => (int)maps[source].Map.Size(1))];
        }
        int[] doublings = [.. strides.Select((stride, level) => Doublings(stride, FinestStride << level))];
        Strides = [.. strides.Select((stride, level) => stride / Math.Pow(2, doublings[level]))];
        scales = new FeatureScales(Channels.Zip(doublings));
    }

    /// <summary>Channels of the four maps, from fine to coarse.</summary>
    internal IReadOnlyList<int> Channels { get; }

    /// <summary>Pixels of the image per position of each map.</summary>
    internal IReadOnlyList<double> Strides { get; }

    /// <summary>What is learned beside the model, by name.</summary>
    internal IReadOnlyList<(string Name, Module Module)> Scales => scales?.Children ?? [];

    /// <summary>Whether the maps come from blocks, before a final norm.</summary>
    internal bool IsOfBlocks => blocks is not null;

    // After these blocks, from 0: [3, 5, 7, 11] of 12, [7, 11, 15, 23] of 24.
    private static IEnumerable<int> Depths(int count) =>
        new[] { count / 3.0, count / 2.0, 2 * count / 3.0, count }.Select(depth => Math.Max(1, (int)Math.Round(depth)) - 1);

    private static int Doublings(int from, int to) => (int)Math.Round(Math.Log2(from / (double)to));

    private static int Nearest(IReadOnlyList<FeatureMap> maps, int stride) =>
        Enumerable.Range(0, maps.Count).MinBy(i => (Math.Abs(Math.Log2(maps[i].Stride / (double)stride)), -i));

    // The maps; of a model of one resolution the blocks that have it too, and their channels.
    private static (IReadOnlyList<FeatureMap> Maps, IReadOnlyList<string> Blocks, IReadOnlyList<int> Channels) Ask(Backbone backbone)
    {
        using var still = new Still(backbone);
        var image = backbone.ExampleInput();
        var maps = backbone.ForwardFeatureMaps(image);
        if (maps.Count > 1)
            return (maps, [], []);
        var positions = maps[0].Map.Size(2) * maps[0].Map.Size(3);
        var outputs = backbone.ForwardIntermediates(image, prefixTokens: false);
        // Where tokens are dropped on the way, only the restored map has all.
        if (outputs.Any(output => Positions(output) < positions))
            return (maps, [], []);
        int[] fitting = [.. Enumerable.Range(0, outputs.Count).Where(i => Positions(outputs[i]) == positions)];
        return (
            maps,
            [.. fitting.Select(i => backbone.BlockPaths[i])],
            [.. fitting.Select(i => (int)outputs[i].Size(outputs[i].Dim == 3 ? 2 : 1))]
        );
    }

    private static long Positions(Tensor output) => output.Dim == 3 ? output.Size(1) : output.Size(2) * output.Size(3);

    /// <summary>The four maps of images of any size, [B, C_i, H / s_i, W / s_i].</summary>
    /// <param name="image">[B, C, H, W].</param>
    /// <exception cref="ShapeException">The model is tied to a smaller size.</exception>
    internal IReadOnlyList<Tensor> Maps(Tensor image)
    {
        var size = ((int)image.Size(2), (int)image.Size(3));
        var key = (size, backbone.ImageSize);
        if (sizes.TryGetValue(key, out var fitted))
            return Maps(Run(image, size, fitted), size);
        if (MayBeTried && FirstThatCovers(image, size) is var (own, answer))
        {
            sizes[key] = own;
            return Maps(answer, size);
        }
        sizes[key] = fitted = Fitted(image, size);
        return Maps(Run(image, size, fitted), size);
    }

    // In evaluation, images may be tried themselves: a size that covers them, as nearly all do, costs no second run of the model.
    private bool MayBeTried =>
        Taps.Current is null && CallObserver.Current is null && !backbone.NamedModules().Any(entry => entry.Module.Training);

    private ((int Height, int Width) Size, Answer Answer)? FirstThatCovers(Tensor image, (int Height, int Width) size)
    {
        foreach (var candidate in Candidates(size))
            try
            {
                var answer = Run(image, size, candidate);
                if (FitOf(answer.Maps, candidate) == Fit.Whole)
                    return (candidate, answer);
            }
            catch (ShapeException)
            {
                // The next candidate is larger; where there is none, Fitted says it.
            }
        return null;
    }

    // The model's own maps, and the sources of the levels.
    private sealed record Answer(IReadOnlyList<FeatureMap> Maps, IReadOnlyList<Tensor> Sources);

    /// <summary>Whether there are maps of images of a size.</summary>
    internal bool Takes(int height, int width)
    {
        var key = ((height, width), backbone.ImageSize);
        if (sizes.ContainsKey(key))
            return true;
        using var scope = new Scope();
        var image = backbone.Parameters().First().NewEmpty([1, backbone.Channels, 1, 1]);
        if (FirstFit(image, (height, width)) is not { } fitted)
            return false;
        sizes[key] = fitted;
        return true;
    }

    private (int Height, int Width) Fitted(Tensor image, (int Height, int Width) size)
    {
        if (FirstFit(image, size) is { } fitted)
            return fitted;
        var (height, width) = backbone.ImageSize;
        throw new ShapeException(
            $"{backbone.GetType().Name} takes images of up to {height} x {width}, not {size.Height} x {size.Width}: "
                + "call Resize first, or segment the image in windows of that size"
        );
    }

    // The size that covers the image, else the first that nearly does; null where the model takes none.
    private (int Height, int Width)? FirstFit(Tensor image, (int Height, int Width) size)
    {
        (int Height, int Width)? second = null;
        foreach (var candidate in Candidates(size))
            switch (Try(image, candidate))
            {
                case Fit.Whole:
                    return candidate;
                case Fit.Part:
                    second ??= candidate;
                    break;
            }
        return second;
    }

    private enum Fit
    {
        /// <summary>The model refuses the size, or gives maps of another shape.</summary>
        None,

        /// <summary>Rows or columns at the edge fall to no position.</summary>
        Part,

        /// <summary>The maps cover the image.</summary>
        Whole,
    }

    private IEnumerable<(int Height, int Width)> Candidates((int Height, int Width) size)
    {
        (int Height, int Width) padded = (Ceiling(size.Height), Ceiling(size.Width));
        var own = backbone.ImageSize;
        IEnumerable<(int Height, int Width)> all = [size, padded];
        if (own.Height >= size.Height && own.Width >= size.Width)
            all = all.Append(own);
        return all.Distinct();

        int Ceiling(int side) => (side + coarsest - 1) / coarsest * coarsest;
    }

    // A black image shows it: what it does to random numbers and running statistics in training would be done twice.
    private Fit Try(Tensor image, (int Height, int Width) size)
    {
        using var scope = new Scope();
        using var still = new Still(backbone);
        try
        {
            return FitOf(backbone.ForwardFeatureMaps(image.NewZeros([1, image.Size(1), size.Height, size.Width])), size);
        }
        catch (ShapeException)
        {
            return Fit.None;
        }
    }

    private static Fit FitOf(IReadOnlyList<FeatureMap> maps, (int Height, int Width) size)
    {
        double[] lacking =
        [
            .. maps.SelectMany(map =>
                new[] { size.Height / (double)map.Stride - map.Map.Size(2), size.Width / (double)map.Stride - map.Map.Size(3) }
            ),
        ];
        return lacking.Any(positions => Math.Abs(positions) > 1) ? Fit.None
            : lacking.Max() > 0 ? Fit.Part
            : Fit.Whole;
    }

    private IReadOnlyList<Tensor> Maps(Answer answer, (int Height, int Width) size)
    {
        Tensor[] maps = [.. sources.Select(source => answer.Sources[source])];
        return [.. (scales is null ? maps : scales.Call(maps)).Select((map, level) => Cut(map, Strides[level]))];

        // What lies wholly beyond the image is left out.
        Tensor Cut(Tensor map, double stride)
        {
            var (rows, columns) = ((long)Math.Ceiling(size.Height / stride), (long)Math.Ceiling(size.Width / stride));
            return rows < map.Size(2) || columns < map.Size(3) ? map.Slice(2, 0, rows).Slice(3, 0, columns) : map;
        }
    }

    // The model's answer to images that are padded to a size.
    private Answer Run(Tensor image, (int Height, int Width) size, (int Height, int Width) fitted)
    {
        var padded = fitted == size ? image : image.ConstantPadNd([0, fitted.Width - size.Width, 0, fitted.Height - size.Height]);
        if (blocks is null)
        {
            var own = backbone.ForwardFeatureMaps(padded);
            return new(own, [.. own.Select(map => map.Map)]);
        }
        using var taps = new Taps(backbone, blocks);
        var maps = backbone.ForwardFeatureMaps(padded);
        var grid = maps[0].Map;
        return new(
            maps,
            [
                .. blocks.Select(path =>
                    taps[path] is { Dim: 3 } tokens
                        ? tokens.Slice(1, backbone.NumPrefixTokensAt(path)).ToMap(grid.Size(2), grid.Size(3))
                        : taps[path]
                ),
            ]
        );
    }

    /// <summary>
    /// Until it ends, the model computes as in evaluation, without a graph, unrecorded and uncounted. It leaves no trace.
    /// </summary>
    private sealed class Still : IDisposable
    {
        private readonly (Module Module, bool Training)[] modes = [];
        private readonly IDisposable silence = Taps.Pause();
        private readonly GradMode outside = Torch.NoGrad();
        private readonly CallObserver? observer = CallObserver.Current;

        internal Still(Module model)
        {
            CallObserver.Current = null;
            // Several threads may evaluate a model at once: nobody touches its mode then.
            if (!model.NamedModules().Any(entry => entry.Module.Training))
                return;
            modes = [.. model.NamedModules().Select(entry => (entry.Module, entry.Module.Training))];
            model.Eval();
        }

        public void Dispose()
        {
            // From the outside in: a module passes its mode on to all inside it.
            foreach (var (module, training) in modes)
                module.Train(training);
            CallObserver.Current = observer;
            outside.Dispose();
            silence.Dispose();
        }
    }
}
