using Tessera.Models.Detection;
using Tessera.Nn;

namespace Tessera.Models;

/// <summary>Boxes that may hold objects, the likeliest first.</summary>
/// <param name="Boxes">[n, 4].</param>
/// <param name="Scores">[n].</param>
internal sealed record Proposals(Tensor Boxes, Tensor Scores) : ITensorBag
{
    /// <inheritdoc/>
    public IEnumerable<Tensor> Tensors => [Boxes, Scores];
}

/// <summary>
/// Region proposal network: says of every anchor of every level whether it shows an object, and where that is. Ren et al., "Faster R-CNN",
/// 2015, arXiv:1506.01497, section 3.1. Names of the weights are those of mmdetection.
/// </summary>
internal sealed partial class RpnHead : Module<IReadOnlyList<Tensor>, (IReadOnlyList<Tensor> Scores, IReadOnlyList<Tensor> Differences)>
{
    /// <summary>Sides of what images are padded to by themselves.</summary>
    private const int Padding = 32;

    /// <summary>Sizes and options.</summary>
    /// <param name="Channels">Of all levels.</param>
    /// <param name="Strides">Pixels of the image per position of each level.</param>
    /// <param name="Anchors">Of each level.</param>
    /// <param name="Options">What is learned and proposed.</param>
    /// <param name="Style">Whose constants.</param>
    internal sealed record Config(
        int Channels,
        IReadOnlyList<double> Strides,
        AnchorGrid Anchors,
        RpnOptions Options,
        DetectorStyle Style = DetectorStyle.Mmdetection
    );

    private readonly Config config;
    private readonly Conv2d rpnConv;
    private readonly Conv2d rpnCls;
    private readonly Conv2d rpnReg;
    private readonly BoxCoder coder;
    private readonly BoxAssigner assigner;
    private readonly BoxSampler sampler;

    /// <summary>A head whose weights start normal with 0.01.</summary>
    internal RpnHead(Config config)
    {
        this.config = config;
        var options = config.Options;
        rpnConv = Create(config.Channels, 3);
        rpnCls = Create(config.Anchors.PerPosition, 1);
        rpnReg = Create(4 * config.Anchors.PerPosition, 1);
        coder = new(ClampsBelow: !IsTorchvision);
        // torchvision has no least IoU: what overlaps an object most stands for one in any case.
        assigner = new(options.Positive, options.Negative, IsTorchvision ? 0 : options.LeastPositive, NearestWins: IsTorchvision);
        sampler = new(options.Sampled, options.PositiveShare);
    }

    private bool IsTorchvision => config.Style == DetectorStyle.Torchvision;

    private Conv2d Create(int outputs, int kernel)
    {
        var conv = new Conv2d(config.Channels, outputs, kernel, padding: kernel / 2);
        Init.Normal(conv.Weight, 0.01);
        Init.Zeros(conv.Bias!);
        return conv;
    }

    /// <summary>Levels [B, C, h, w] to logits [B, A, h, w] and differences [B, 4 A, h, w] of each.</summary>
    protected override (IReadOnlyList<Tensor> Scores, IReadOnlyList<Tensor> Differences) Forward(IReadOnlyList<Tensor> input)
    {
        Tensor[] hidden = [.. input.Select(level => rpnConv.Call(level).Relu())];
        return ([.. hidden.Select(map => rpnCls.Call(map))], [.. hidden.Select(map => rpnReg.Call(map))]);
    }

    // mmdetection's strides are given, torchvision's are whole pixels of the padded image for each map.
    private (float Down, float Across) Stride(int level, (int Rows, int Columns) map, (int Height, int Width) image) =>
        IsTorchvision ? (image.Height / map.Rows, image.Width / map.Columns) : ((float)config.Strides[level], (float)config.Strides[level]);

    private static (int Rows, int Columns) MapOf(Tensor scores) => ((int)scores.Size(2), (int)scores.Size(3));

    private Tensor[] Anchors(DenseOutputs dense, (int Height, int Width) image) =>
        [.. dense.Scores.Select((scores, level) => config.Anchors.Grid(level, MapOf(scores), Stride(level, MapOf(scores), image)))];

    /// <summary>The losses of each level: of what is an object, and of where it is.</summary>
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
        var grids = Anchors(dense, image);
        var anchors = Torch.Cat(grids);
        var edges = config.Options.InsideOnly == true ? anchors.ToArray<float>() : [];
        var levels = grids.Select((grid, level) => new Level((int)grid.Size(0), dense.Scores[level])).ToArray();
        var (sampled, least) = (0, 0);
        for (var i = 0; i < targets.Count; i++)
        {
            // In double, whatever the model computes in: which of two anchors is the better one is the same in every type.
            var objects = targets[i].Boxes.To(Device.Cpu).To(DType.Float64);
            var usable = Usable(dense, image, targets[i].Size, edges);
            var (assigned, _) = assigner.Assign(usable is null ? anchors : anchors.IndexSelect(0, Numbers(usable)), objects);
            var (positives, negatives) = sampler.Sample(assigned);
            sampled += positives.Length + negatives.Length;
            least += Math.Max(positives.Length, 1) + Math.Max(negatives.Length, 1);
            var learned = Torch.Scope(() =>
                coder.Encode(
                    anchors.IndexSelect(0, Numbers([.. positives.Select(Place)])),
                    objects.To(DType.Float32).IndexSelect(0, Numbers([.. positives.Select(place => assigned[place] - 1L)]))
                )
            );
            Spread(positives, learned);
            Spread(negatives, null);

            // Places ascend, so those of a level lie together.
            void Spread(int[] chosen, Tensor? differences)
            {
                var (begin, taken) = (0L, 0);
                foreach (var level in levels)
                {
                    var end = begin + level.Count;
                    long[] own = [.. chosen.Skip(taken).Select(Place).TakeWhile(place => place < end).Select(place => place - begin)];
                    level.Add(i, own, differences?.Slice(0, taken, taken + own.Length));
                    (begin, taken) = (end, taken + own.Length);
                }
            }

            long Place(int place) => usable is null ? place : usable[place];
        }
        var divisor = IsTorchvision ? Math.Max(sampled, 1) : least;
        var beta = config.Options.Beta ?? (IsTorchvision ? 1.0 / 9 : 0);
        Tensor[] scores =
        [
            .. levels.Select(
                (level, k) =>
                {
                    var logits = DenseOutputs.Flat(dense.Scores[k], 1).Flatten().IndexSelect(0, level.Chosen).Wide();
                    return logits.BinaryCrossEntropyWithLogits(level.IsObject.To(logits.DType), reduction: 2) / divisor;
                }
            ),
        ];
        Tensor[] boxes =
        [
            .. levels.Select(
                (level, k) =>
                {
                    var differences = DenseOutputs.Flat(dense.Differences[k], 4).Reshape(-1, 4).IndexSelect(0, level.Objects).Wide();
                    return DetectionLosses.SmoothL1(differences, level.Learned, beta).Sum() / divisor;
                }
            ),
        ];
        return scope.Return(((IReadOnlyList<Tensor>)scores, (IReadOnlyList<Tensor>)boxes));
    }

    // What is chosen of the anchors of a level, by their places in the level of the whole batch.
    private sealed class Level(int count, Tensor scores)
    {
        private readonly List<long> chosen = [];
        private readonly List<long> objects = [];
        private readonly List<float> isObject = [];
        private readonly List<Tensor> learned = [];

        internal int Count => count;

        internal Tensor Learned => Torch.Cat([.. learned]).To(scores.Device);

        internal Tensor Chosen => Numbers([.. chosen]).To(scores.Device);

        internal Tensor Objects => Numbers([.. objects]).To(scores.Device);

        internal Tensor IsObject => Tensor.From(isObject.ToArray(), isObject.Count).To(scores.Device);

        // With differences, the places are of objects.
        internal void Add(int image, long[] places, Tensor? differences)
        {
            foreach (var place in places)
            {
                chosen.Add((long)image * count + place);
                isObject.Add(differences is null ? 0 : 1);
                if (differences is not null)
                    objects.Add(chosen[^1]);
            }
            if (differences is not null)
                learned.Add(differences);
        }
    }

    private static Tensor Numbers(long[] values) => Tensor.From(values, values.Length);

    // Places of the anchors that may learn from an image: not those of what it is padded with beyond its own multiple, and perhaps only
    // those within it. Null: all.
    private long[]? Usable(DenseOutputs dense, (int Height, int Width) image, (int Height, int Width) size, float[] edges)
    {
        (int Height, int Width) padded = (Math.Min(Ceiling(size.Height), image.Height), Math.Min(Ceiling(size.Width), image.Width));
        if (edges.Length == 0 && padded == image)
            return null;
        bool[] valid =
        [
            .. dense.Scores.SelectMany((scores, level) => config.Anchors.Valid(MapOf(scores), padded, Stride(level, MapOf(scores), image))),
        ];
        for (var i = 0; i < edges.Length / 4; i++)
            valid[i] &= edges[4 * i] >= 0 && edges[4 * i + 1] >= 0 && edges[4 * i + 2] < size.Width && edges[4 * i + 3] < size.Height;
        return [.. Enumerable.Range(0, valid.Length).Where(i => valid[i]).Select(i => (long)i)];

        static int Ceiling(int side) => (side + Padding - 1) / Padding * Padding;
    }

    /// <summary>The boxes of each image that the second stage looks at. No gradient flows through them.</summary>
    /// <param name="dense">Logits and differences of each level.</param>
    /// <param name="image">Height and width of the images with their padding.</param>
    /// <param name="sizes">Height and width of each image without its padding, to which boxes are clipped.</param>
    /// <param name="learning">Whether they are for a loss, which looks at more.</param>
    internal IReadOnlyList<Proposals> Propose(
        DenseOutputs dense,
        (int Height, int Width) image,
        IReadOnlyList<(int Height, int Width)> sizes,
        bool learning
    )
    {
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        var options = config.Options;
        var candidates = learning ? options.TrainingCandidates : options.Candidates;
        var count = learning ? options.TrainingProposals ?? 1000 : options.Proposals;
        var (boxes, logits, groups) = (new List<Tensor>(), new List<Tensor>(), new List<Tensor>());
        foreach (var (level, grid) in Anchors(dense, image).Index())
        {
            var all = DenseOutputs.Flat(dense.Scores[level], 1).Squeeze(-1).Wide(); // [B, n]
            var (best, places) = all.Topk(Math.Min(candidates, all.Size(1)), 1); // [B, k]
            var differences = DenseOutputs.Flat(dense.Differences[level], 4).Wide().Gather(1, places.Unsqueeze(-1).Expand([-1, -1, 4]));
            var anchors = grid.To(places.Device).IndexSelect(0, places.Flatten());
            boxes.Add(coder.Decode(anchors, differences.Reshape(-1, 4)).Reshape(all.Size(0), -1, 4));
            logits.Add(best);
            groups.Add(Torch.Full([best.Size(1)], level, dtype: DType.Int64, device: best.Device));
        }
        var (allBoxes, allScores, allGroups) = (Torch.Cat([.. boxes], 1), Torch.Cat([.. logits], 1).Sigmoid(), Torch.Cat([.. groups]));
        return scope.Return<IReadOnlyList<Proposals>>([
            .. sizes.Select(
                (size, i) =>
                {
                    var clipped = Boxes.Clip(allBoxes.Select(0, i), size);
                    var sides = (clipped.Slice(1, 2) - clipped.Slice(1, 0, 2)).Amin(1);
                    var whole = (IsTorchvision ? sides.Ge(1e-3) : sides.Gt(0)).Nonzero().Flatten();
                    var (box, score) = (clipped.IndexSelect(0, whole), allScores.Select(0, i).IndexSelect(0, whole));
                    var kept = Nms.Keep(box, score, options.Overlap, allGroups.IndexSelect(0, whole)).Slice(0, 0, count);
                    return new Proposals(box.IndexSelect(0, kept), score.IndexSelect(0, kept));
                }
            ),
        ]);
    }
}
