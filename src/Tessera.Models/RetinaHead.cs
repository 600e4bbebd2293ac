using Tessera.Models.Detection;
using Tessera.Models.Layers;
using Tessera.Nn;

namespace Tessera.Models;

/// <summary>
/// The head of RetinaNet: a tower for the classes and one for the boxes, the same on every level (figure 3 of arXiv:1708.02002). Names of
/// the weights are those of mmdetection.
/// </summary>
internal sealed partial class RetinaHead : Module<IReadOnlyList<Tensor>, DenseOutputs>
{
    // What every anchor is taken for at first: were it a half, background would drown all else in the first steps.
    private const double Prior = 0.01;

    // Sides of what images are padded to by themselves, before they share a batch.
    private const int Padding = 32;

    private readonly ModuleList<ConvModule> clsConvs;
    private readonly ModuleList<ConvModule> regConvs;
    private Conv2d retinaCls;
    private readonly Conv2d retinaReg;

    private readonly RetinaNetOptions options;
    private readonly IReadOnlyList<double> strides;
    private readonly AnchorGrid anchors;
    private readonly BoxCoder coder;
    private readonly BoxAssigner assigner;
    private readonly FocalLoss focal;

    /// <summary>A head whose weights start normal with 0.01, and scores near 0.01.</summary>
    /// <param name="options">Sizes and options.</param>
    /// <param name="strides">Pixels of the image per position of each level.</param>
    /// <param name="classes">Number of classes.</param>
    /// <param name="anchors">Of each level; null for those of the options.</param>
    internal RetinaHead(RetinaNetOptions options, IReadOnlyList<double> strides, int classes, AnchorGrid? anchors = null)
    {
        this.options = options;
        this.strides = strides;
        this.anchors = anchors ?? Anchors(options, strides);
        if (this.anchors.Levels != strides.Count)
            throw new ArgumentException(
                $"{strides.Count} strides and anchors of {this.anchors.Levels} levels were given: every level needs both",
                nameof(anchors)
            );
        clsConvs = new(Tower(options));
        regConvs = new(Tower(options));
        retinaCls = Classifier(classes);
        retinaReg = Start(new Conv2d(options.Width, 4 * this.anchors.PerPosition, 3, padding: 1));
        coder = new(ClampsBelow: !options.IsTorchvision);
        assigner = new(options.Positive, options.Negative, options.LeastPositive, NearestWins: options.IsTorchvision);
        focal = new(options.Alpha, options.Gamma);
    }

    private static AnchorGrid Anchors(RetinaNetOptions options, IReadOnlyList<double> strides)
    {
        double[] scales = [.. Enumerable.Range(0, options.Octaves).Select(k => options.Scale * Math.Pow(2, k / (double)options.Octaves))];
        var ratios = options.Ratios ?? [0.5, 1, 2];
        return options.IsTorchvision
            ? AnchorGrid.Rounded(
                [.. strides.Select(stride => (IReadOnlyList<double>)[.. scales.Select(scale => Math.Floor(scale * stride))])],
                [.. strides.Select(_ => ratios)]
            )
            : AnchorGrid.Of(strides, scales, ratios);
    }

    private static IEnumerable<ConvModule> Tower(RetinaNetOptions options)
    {
        for (var i = 0; i < options.Convs; i++)
        {
            var module = new ConvModule(options.Width, options.Width, 3, norm: options.Norm);
            Start(module.Convolution);
            yield return module;
        }
    }

    private static Conv2d Start(Conv2d conv)
    {
        Init.Normal(conv.Weight, 0.01);
        if (conv.Bias is { } bias)
            Init.Zeros(bias);
        return conv;
    }

    private Conv2d Classifier(int classes)
    {
        var conv = Start(new Conv2d(options.Width, classes * anchors.PerPosition, 3, padding: 1));
        Init.Constant(conv.Bias!, -Math.Log((1 - Prior) / Prior));
        return conv;
    }

    /// <summary>Number of classes.</summary>
    internal int Classes => (int)retinaCls.Weight.Size(0) / anchors.PerPosition;

    /// <summary>Number of anchors at a position.</summary>
    internal int AnchorsPerPosition => anchors.PerPosition;

    /// <summary>A fresh classifier for another number of classes.</summary>
    internal void ResetClassifier(int classes)
    {
        var fresh = Classifier(classes);
        fresh.To(retinaCls.Weight.Device, retinaCls.Weight.DType);
        retinaCls = fresh;
    }

    /// <summary>Levels [B, C, h, w] to logits [B, A * classes, h, w] and differences [B, A * 4, h, w] of each.</summary>
    protected override DenseOutputs Forward(IReadOnlyList<Tensor> input) =>
        new(
            [.. input.Select(level => retinaCls.Call(clsConvs.Aggregate(level, (x, conv) => conv.Call(x))))],
            [.. input.Select(level => retinaReg.Call(regConvs.Aggregate(level, (x, conv) => conv.Call(x))))],
            []
        );

    private static (int Rows, int Columns) MapOf(Tensor level) => ((int)level.Size(2), (int)level.Size(3));

    // mmdetection's strides are given, torchvision's are whole pixels of the padded image for each map.
    private (float Down, float Across) Stride(int level, (int Rows, int Columns) map, (int Height, int Width) image) =>
        options.IsTorchvision ? (image.Height / map.Rows, image.Width / map.Columns) : ((float)strides[level], (float)strides[level]);

    private Tensor[] Grids(DenseOutputs dense, (int Height, int Width) image) =>
        [.. dense.Scores.Select((scores, level) => anchors.Grid(level, MapOf(scores), Stride(level, MapOf(scores), image)))];

    /// <summary>The losses of each level, with their weights: of the classes, and of the boxes.</summary>
    /// <param name="dense">Logits and differences of each level.</param>
    /// <param name="image">Height and width of the images with their padding.</param>
    /// <param name="targets">The objects of each image.</param>
    internal (IReadOnlyList<Tensor> Scores, IReadOnlyList<Tensor> Boxes) Losses(
        DenseOutputs dense,
        (int Height, int Width) image,
        IReadOnlyList<DetectorTargets> targets
    )
    {
        using var scope = new Scope();
        var grids = Grids(dense, image);
        var all = Torch.Cat(grids);
        Level[] levels = [.. grids.Select(grid => new Level((int)grid.Size(0), targets.Count, Classes))];
        var total = 0;
        foreach (var (i, target) in targets.Index())
            total += Math.Max(Learn(i, target, all, Usable(dense, image, target.Size), levels), 1);
        // mmdetection averages over the anchors of the batch that stand for objects, torchvision over images.
        var divisor = options.IsTorchvision ? targets.Count : total;
        Tensor[] scores = [.. levels.Select((level, k) => level.Classes(dense.Scores[k], focal, Classes) / divisor)];
        Tensor[] boxes = [.. levels.Select((level, k) => level.Boxes(dense.Differences[k], options.Beta) * (options.BoxWeight / divisor))];
        return scope.Return<(IReadOnlyList<Tensor>, IReadOnlyList<Tensor>)>((scores, boxes));
    }

    // Says what the anchors of an image learn; the number of those that stand for objects.
    private int Learn(int image, DetectorTargets target, Tensor all, long[]? usable, Level[] levels)
    {
        // In double, whatever the model computes in: which of two anchors is the better one is the same in every type.
        var (boxes, classes) = (target.Boxes.To(Device.Cpu).To(DType.Float64), target.Classes.ToArray<long>());
        var (assigned, _) = assigner.Assign(usable is null ? all : all.IndexSelect(0, Numbers(usable)), boxes);
        int[] positives = [.. Enumerable.Range(0, assigned.Length).Where(place => assigned[place] > BoxAssigner.Background)];
        var share = options.IsTorchvision ? 1.0 / Math.Max(positives.Length, 1) : 1;
        var differences = coder.Encode(
            all.IndexSelect(0, Numbers([.. positives.Select(Place)])),
            boxes.To(DType.Float32).IndexSelect(0, Numbers([.. positives.Select(place => assigned[place] - 1L)]))
        );
        var (level, begin, first) = (0, 0L, 0);
        for (var (place, positive) = (0, 0); place < assigned.Length; place++)
        {
            while (Place(place) >= begin + levels[level].Count)
                Close(positive);
            if (assigned[place] == BoxAssigner.Neither)
                continue;
            var isObject = assigned[place] > BoxAssigner.Background;
            levels[level].Set(image, Place(place) - begin, isObject ? classes[assigned[place] - 1] : null, share);
            if (isObject)
                positive++;
        }
        while (level < levels.Length)
            Close(positives.Length);
        return positives.Length;

        long Place(int place) => usable is null ? place : usable[place];

        // The differences of a level's anchors stand together.
        void Close(int positive)
        {
            levels[level].Differences.Add(differences.Slice(0, first, positive));
            (begin, first) = (begin + levels[level].Count, positive);
            level++;
        }
    }

    // Places of the anchors that may learn from an image: not those of what it is padded with beyond its own multiple. Null: all.
    private long[]? Usable(DenseOutputs dense, (int Height, int Width) image, (int Height, int Width) size)
    {
        (int Height, int Width) padded = (Math.Min(Ceiling(size.Height), image.Height), Math.Min(Ceiling(size.Width), image.Width));
        if (padded == image || options.IsTorchvision)
            return null;
        bool[] valid =
        [
            .. dense.Scores.SelectMany((scores, level) => anchors.Valid(MapOf(scores), padded, Stride(level, MapOf(scores), image))),
        ];
        return [.. Enumerable.Range(0, valid.Length).Where(i => valid[i]).Select(i => (long)i)];

        static int Ceiling(int side) => (side + Padding - 1) / Padding * Padding;
    }

    private static Tensor Numbers(long[] values) => Tensor.From(values, values.Length);

    // What the anchors of a level of the whole batch learn.
    private sealed class Level
    {
        private readonly long[] labels;
        private readonly double[] weights;
        private readonly List<long> objects = [];
        private readonly List<double> shares = [];

        internal Level(int count, int images, int classes)
        {
            Count = count;
            labels = new long[count * images];
            labels.AsSpan().Fill(classes);
            weights = new double[labels.Length];
        }

        /// <summary>Number of anchors of an image.</summary>
        internal int Count { get; }

        /// <summary>Of the anchors that stand for objects, from image to image.</summary>
        internal List<Tensor> Differences { get; } = [];

        /// <summary>Lets an anchor learn its class, or background.</summary>
        internal void Set(int image, long place, long? label, double share)
        {
            place += (long)image * Count;
            weights[place] = share;
            if (label is not { } known)
                return;
            labels[place] = known;
            objects.Add(place);
            shares.Add(share);
        }

        internal Tensor Classes(Tensor map, FocalLoss focal, int classes)
        {
            var logits = DenseOutputs.Flat(map, classes).Reshape(-1, classes).Wide();
            return focal.Sum(logits, Numbers(labels).To(map.Device), Like(weights, logits));
        }

        // Without objects it is 0, and still a part of the graph.
        internal Tensor Boxes(Tensor map, double beta)
        {
            var given = DenseOutputs.Flat(map, 4).Reshape(-1, 4).IndexSelect(0, Numbers([.. objects]).To(map.Device)).Wide();
            var wanted = Torch.Cat([.. Differences]).To(given.DType).To(given.Device);
            return (DetectionLosses.SmoothL1(given, wanted, beta) * Like([.. shares], given).Unsqueeze(1)).Sum();
        }

        private static Tensor Like(double[] values, Tensor like) => Tensor.From(values, values.Length).To(like.DType).To(like.Device);
    }

    /// <summary>The objects of each image, the likeliest first.</summary>
    /// <param name="dense">Logits and differences of each level.</param>
    /// <param name="image">Height and width of the images with their padding.</param>
    /// <param name="sizes">Height and width of each image without its padding, to which boxes are clipped.</param>
    internal IReadOnlyList<Detections> Detect(
        DenseOutputs dense,
        (int Height, int Width) image,
        IReadOnlyList<(int Height, int Width)> sizes
    )
    {
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        Tensor[] grids = [.. Grids(dense, image).Select(grid => grid.To(dense.Scores[0].Device))];
        var byScore = options.ByScore ?? options.IsTorchvision;
        var most = options.Detections ?? (options.IsTorchvision ? 300 : 100);
        return scope.Return<IReadOnlyList<Detections>>([
            .. sizes.Select(
                (size, i) => Torch.Scope(() => byScore ? ByScore(dense, i, grids, size, most) : ByAnchor(dense, i, grids, size, most))
            ),
        ]);
    }

    // The anchors of each level with the best class, then all their classes.
    private Detections ByAnchor(DenseOutputs dense, int image, Tensor[] grids, (int Height, int Width) size, int most)
    {
        var (boxes, scores) = (new List<Tensor>(), new List<Tensor>());
        foreach (var (level, grid) in grids.Index())
        {
            var logits = Values(dense.Scores[level], image, Classes); // [A, classes, h * w]
            // In the order of anchors: rows, columns, base boxes.
            var best = logits.Amax(1).Transpose(0, 1).Flatten();
            var places = best.Topk(Math.Min(options.Candidates, best.Size(0))).Indices;
            scores.Add(At(logits, places).Sigmoid());
            boxes.Add(Decoded(dense.Differences[level], image, grid, places, size));
        }
        var nms = new MulticlassNms(options.Score, options.Overlap, most);
        var (kept, ofKept, classes) = nms.Choose(Torch.Cat([.. boxes]), Torch.Cat([.. scores]));
        return new(kept, ofKept, classes);
    }

    // The pairs of anchor and class of each level with the best scores.
    private Detections ByScore(DenseOutputs dense, int image, Tensor[] grids, (int Height, int Width) size, int most)
    {
        var (boxes, scores, classes) = (new List<Tensor>(), new List<Tensor>(), new List<Tensor>());
        foreach (var (level, grid) in grids.Index())
        {
            var logits = Values(dense.Scores[level], image, Classes);
            var positions = logits.Size(2);
            var (pairs, found) = Above(logits.Flatten());
            var best = found.Topk(Math.Min(options.Candidates, found.Size(0)));
            pairs = pairs.IndexSelect(0, best.Indices);
            var channel = pairs.FloorDivide(positions);
            scores.Add(best.Values);
            classes.Add(channel.Remainder(Classes));
            var places = pairs.Remainder(positions) * anchors.PerPosition + channel.FloorDivide(Classes);
            boxes.Add(Decoded(dense.Differences[level], image, grid, places, size));
        }
        var (allBoxes, allScores, allClasses) = (Torch.Cat([.. boxes]), Torch.Cat([.. scores]), Torch.Cat([.. classes]));
        var kept = Nms.Keep(allBoxes, allScores, options.Overlap, allClasses).Slice(0, 0, most);
        return new(allBoxes.IndexSelect(0, kept), allScores.IndexSelect(0, kept), allClasses.IndexSelect(0, kept));
    }

    // Places and scores of the logits whose scores are above the threshold. Few are: the others need no sigmoid.
    private (Tensor Places, Tensor Scores) Above(Tensor logits)
    {
        const double Rounding = 1e-3;
        var threshold = options.Score;
        var near = logits.Gt(Math.Log(threshold / (1 - threshold)) - Rounding).Nonzero().Flatten();
        var scores = logits.IndexSelect(0, near).Sigmoid();
        var sure = scores.Gt(threshold).Nonzero().Flatten();
        return (near.IndexSelect(0, sure), scores.IndexSelect(0, sure));
    }

    // [B, A * values, h, w] to [A, values, h * w] of an image.
    private Tensor Values(Tensor map, int image, int values) => map.Select(0, image).Wide().Reshape(anchors.PerPosition, values, -1);

    // [A, values, h * w] and numbers of anchors [n] to [n, values].
    private Tensor At(Tensor values, Tensor places)
    {
        var (each, positions) = (values.Size(1), values.Size(2));
        var first = places.Remainder(anchors.PerPosition) * (each * positions) + places.FloorDivide(anchors.PerPosition);
        var channels = Torch.Arange(each, device: places.Device) * positions;
        return values.Flatten().IndexSelect(0, (first.Unsqueeze(1) + channels).Flatten()).Reshape(-1, each);
    }

    private Tensor Decoded(Tensor map, int image, Tensor grid, Tensor places, (int Height, int Width) size) =>
        coder.Decode(grid.IndexSelect(0, places), At(Values(map, image, 4), places), size);
}
