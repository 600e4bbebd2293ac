using Tessera.Models.Detection;
using Tessera.Models.Layers;

namespace Tessera.Models;

/// <summary>
/// The second half of a detector: says of proposals which class they show, where its box is and which pixels of it belong to the object,
/// in one stage or in several, each of which starts from the boxes of the one before. Names of the weights are those of mmdetection.
/// </summary>
internal sealed class RoiHead : Module
{
    private const int BoxSize = 7,
        MaskSize = 14;

    // The weight of a loss by generalized IoU beside that of the classes.
    private const double IouWeight = 10;

    // Shorter sides are left out, in torchvision.
    private const double ShortestSide = 1e-2;

    /// <summary>Sizes and options.</summary>
    /// <param name="Channels">Of all levels.</param>
    /// <param name="Strides">Pixels of the image per position of each level.</param>
    /// <param name="Classes">Number of classes without background.</param>
    /// <param name="Width">Of the linear maps.</param>
    /// <param name="Options">What is learned and given out.</param>
    /// <param name="Stages">One, or those of a cascade.</param>
    /// <param name="Numbered">Whether names of weights have the number of the stage.</param>
    /// <param name="Convolutions">Number of convolutions before the linear maps.</param>
    /// <param name="Linears">Number of linear maps.</param>
    /// <param name="Agnostic">Whether a region has one box, whatever its class.</param>
    /// <param name="ByIou">Whether boxes learn by their generalized IoU instead of their differences.</param>
    /// <param name="Beta">Where the loss of differences begins to be the plain distance.</param>
    /// <param name="LowQuality">Whether the best proposal of an object stands for it also where another object claims it.</param>
    /// <param name="MaskConvolutions">Number of convolutions for masks; null for no masks.</param>
    /// <param name="Style">Whose constants.</param>
    internal sealed record Config(
        int Channels,
        IReadOnlyList<double> Strides,
        int Classes,
        int Width,
        RoiOptions Options,
        IReadOnlyList<CascadeStage> Stages,
        bool Numbered = false,
        int Convolutions = 0,
        int Linears = 2,
        bool Agnostic = false,
        bool ByIou = false,
        double Beta = 0,
        bool LowQuality = false,
        int? MaskConvolutions = null,
        DetectorStyle Style = DetectorStyle.Mmdetection
    );

    /// <summary>What a stage has to learn by.</summary>
    /// <param name="Class">Loss of the classes.</param>
    /// <param name="Box">Loss of the boxes.</param>
    /// <param name="Mask">Loss of the masks; null without.</param>
    /// <param name="Logits">Of all regions, [m, classes + 1].</param>
    /// <param name="Labels">[m] int64; the number of classes for background.</param>
    internal sealed record StageLosses(Tensor Class, Tensor Box, Tensor? Mask, Tensor Logits, Tensor Labels) : ITensorBag
    {
        /// <inheritdoc/>
        public IEnumerable<Tensor> Tensors => Mask is null ? [Class, Box, Logits, Labels] : [Class, Box, Mask, Logits, Labels];
    }

    private readonly Config config;
    private readonly ModuleList<BoxHead> boxHeads;
    private readonly ModuleList<MaskHead> maskHeads; // none without masks
    private readonly BoxCoder[] coders;
    private readonly RoiExtractor boxExtractor;
    private readonly RoiExtractor maskExtractor;

    /// <summary>A head with fresh weights.</summary>
    internal RoiHead(Config config)
    {
        this.config = config;
        boxHeads = new(
            config.Stages.Select(_ => new BoxHead(
                new(config.Channels, BoxSize, config.Classes, config.Width, config.Convolutions, config.Linears, config.Agnostic)
            ))
        );
        maskHeads = new(
            config.MaskConvolutions is { } convolutions
                ? config.Stages.Select(_ => new MaskHead(config.Channels, config.Classes, convolutions))
                : []
        );
        coders = [.. config.Stages.Select(stage => new BoxCoder(stage.Deviations, ClampsBelow: !IsTorchvision))];
        boxExtractor = new(config.Strides, BoxSize, IsTorchvision);
        maskExtractor = new(config.Strides, MaskSize, IsTorchvision);
    }

    private bool IsTorchvision => config.Style == DetectorStyle.Torchvision;

    /// <inheritdoc/>
    protected override void ListMembers(Members members)
    {
        members.Add("bbox_head", config.Numbered ? boxHeads : boxHeads[0]);
        if (maskHeads.Count > 0)
            members.Add("mask_head", config.Numbered ? maskHeads : maskHeads[0]);
    }

    /// <summary>Number of classes without background.</summary>
    internal int Classes => boxHeads[0].Classes;

    /// <summary>Whether objects get masks.</summary>
    internal bool HasMasks => maskHeads.Count > 0;

    /// <summary>Paths of what depends on the classes.</summary>
    internal IEnumerable<string> ClassifierPaths =>
        Enumerable
            .Range(0, boxHeads.Count)
            .Select(stage => config.Numbered ? $".{stage}" : "")
            .SelectMany(stage =>
                (string[])
                    [
                        $"bbox_head{stage}.fc_cls",
                        .. config.Agnostic ? (string[])[] : [$"bbox_head{stage}.fc_reg"],
                        .. HasMasks ? (string[])[$"mask_head{stage}.conv_logits"] : [],
                    ]
            );

    /// <summary>Fresh answers for another number of classes.</summary>
    internal void ResetClassifier(int classes)
    {
        foreach (var head in boxHeads)
            head.ResetClassifier(classes);
        foreach (var head in maskHeads)
            head.ResetClassifier(classes);
    }

    /// <summary>The losses of each stage, with its weight.</summary>
    /// <param name="levels">Maps of the pyramid, [B, C, h, w].</param>
    /// <param name="proposals">Boxes of each image, [n, 4].</param>
    /// <param name="targets">The objects of each image.</param>
    /// <exception cref="ArgumentException">Masks are to be learned and an image with objects has none.</exception>
    internal IReadOnlyList<StageLosses> Losses(
        IReadOnlyList<Tensor> levels,
        IReadOnlyList<Tensor> proposals,
        IReadOnlyList<DetectorTargets> targets
    )
    {
        using var scope = new Scope();
        var sampler = new BoxSampler(config.Options.Sampled, config.Options.PositiveShare);
        var losses = new List<StageLosses>();
        Tensor[] objects = [.. targets.Select(target => target.Boxes)];
        Tensor[] classes = [.. targets.Select(target => target.Classes)];
        foreach (var (k, stage) in config.Stages.Index())
        {
            var assigner = new BoxAssigner(stage.Overlap, stage.Overlap, stage.Overlap, config.LowQuality);
            var sample = RoiSample.Draw(proposals, objects, classes, Classes, assigner, sampler);
            var (logits, differences) = RunBoxes(k, levels, sample.Rois);
            losses.Add(
                new(
                    ClassLoss(k, sample, logits) * stage.Weight,
                    BoxLoss(k, sample, differences) * stage.Weight,
                    HasMasks ? MaskLoss(k, levels, sample, targets) * stage.Weight : null,
                    logits,
                    sample.Labels
                )
            );
            if (k < config.Stages.Count - 1)
                proposals = Refined(k, sample, logits, differences, [.. targets.Select(target => target.Size)]);
        }
        return scope.Return<IReadOnlyList<StageLosses>>(losses);
    }

    private (Tensor Logits, Tensor Differences) RunBoxes(int stage, IReadOnlyList<Tensor> levels, Tensor rois)
    {
        var head = boxHeads[stage];
        // A batch norm has nothing to take statistics of.
        if (rois.Size(0) == 0)
            return (rois.NewZeros([0, Classes + 1]), rois.NewZeros([0, head.Agnostic ? 4 : 4 * Classes]));
        var (logits, differences) = head.Call(boxExtractor.Apply(levels, rois));
        return (logits.Wide(), differences.Wide());
    }

    private Tensor ClassLoss(int stage, RoiSample sample, Tensor logits) =>
        logits.Size(0) == 0 ? Precision.Nothing(boxHeads[stage]) : logits.CrossEntropyLoss(sample.Labels, reduction: 2) / logits.Size(0);

    private Tensor BoxLoss(int stage, RoiSample sample, Tensor differences)
    {
        if (differences.Size(0) == 0)
            return Precision.Nothing(boxHeads[stage]);
        var own = Own(boxHeads[stage], differences, sample.Positives, sample.Classes);
        if (own.Size(0) == 0)
            return own.Sum();
        var rois = sample.Rois.IndexSelect(0, sample.Positives).Slice(1, 1);
        // Differences are taken in float32, as the reference does.
        var sum = config.ByIou
            ? DetectionLosses.GIou(coders[stage].Decode(rois, own), sample.Objects).Sum() * IouWeight
            : DetectionLosses
                .SmoothL1(own, coders[stage].Encode(rois.To(DType.Float32), sample.Objects.To(DType.Float32)), config.Beta)
                .Sum();
        return sum / differences.Size(0);
    }

    // Of some regions, the differences of one class each, [p, 4].
    private static Tensor Own(BoxHead head, Tensor differences, Tensor rows, Tensor classes) =>
        head.Agnostic ? differences.IndexSelect(0, rows) : differences.Reshape(-1, 4).IndexSelect(0, rows * head.Classes + classes);

    private Tensor MaskLoss(int stage, IReadOnlyList<Tensor> levels, RoiSample sample, IReadOnlyList<DetectorTargets> targets)
    {
        if (sample.Positives.Size(0) == 0)
            return Precision.Nothing(maskHeads[stage]);
        var rois = sample.Rois.IndexSelect(0, sample.Positives);
        var logits = maskHeads[stage].Call(maskExtractor.Apply(levels, rois)).Wide();
        var parts = new List<Tensor>();
        long first = 0;
        foreach (var (target, image) in targets.Zip(sample.Images))
        {
            var count = image.Assigned.Length;
            if (count == 0)
                continue;
            var masks = target.Masks
                ?? throw new ArgumentException("a model with masks learns from objects with masks, and an image has none", nameof(targets));
            parts.Add(
                MaskTarget(masks.To(rois.Device), rois.Slice(0, first, first + count).Slice(1, 1), image.Assigned, (int)logits.Size(-1))
            );
            first += count;
        }
        return MaskTargets.Loss(logits, Torch.Cat([.. parts]), sample.Classes);
    }

    // torchvision learns shares of pixels, where mmdetection rounds them.
    private Tensor MaskTarget(Tensor masks, Tensor boxes, long[] assigned, int size)
    {
        var which = Tensor.From(assigned).To(boxes.Device);
        return IsTorchvision
            ? new RoiAlign(size, size, 1, Aligned: false)
                .Apply(masks.Unsqueeze(1), Torch.Cat([which.To(boxes.DType).Unsqueeze(1), boxes], 1))
                .Squeeze(1)
            : MaskTargets.Of(masks, boxes, which, size);
    }

    // The boxes that the next stage starts from: those of the label, or of the likeliest class for background. Boxes of objects go, for
    // they come again.
    private Tensor[] Refined(int stage, RoiSample sample, Tensor logits, Tensor differences, IReadOnlyList<(int Height, int Width)> sizes)
    {
        using var outside = Torch.NoGrad();
        if (logits.Size(0) == 0)
            return [.. sizes.Select(_ => sample.Rois.Slice(1, 1))];
        var labels = Torch.Where(sample.Labels.Eq(Classes), Likeliest(logits), sample.Labels);
        var boxes = Moved(stage, sample.Rois, differences, labels, [.. sample.Images.Select(image => image.Count)], sizes);
        return
        [
            .. boxes.Select(
                (own, i) => own.IndexSelect(0, Tensor.From(sample.Images[i].Proposed, sample.Images[i].Proposed.Length).To(own.Device))
            ),
        ];
    }

    private Tensor Likeliest(Tensor logits) => logits.Slice(1, 0, Classes).Argmax(1);

    private Tensor[] Moved(
        int stage,
        Tensor rois,
        Tensor differences,
        Tensor classes,
        IReadOnlyList<int> counts,
        IReadOnlyList<(int Height, int Width)> sizes
    )
    {
        var own = Own(boxHeads[stage], differences, Torch.Arange(rois.Size(0), device: rois.Device), classes);
        var boxes = coders[stage].Decode(rois.Slice(1, 1), own);
        var moved = new Tensor[counts.Count];
        for (var (i, first) = (0, 0); i < moved.Length; first += counts[i], i++)
            moved[i] = Boxes.Clip(boxes.Slice(0, first, first + counts[i]), sizes[i]);
        return moved;
    }

    private static Tensor Joined(IReadOnlyList<Tensor> boxes) => Torch.Cat([.. boxes.Select((own, i) => RoiSample.OfImage(i, own))]);

    /// <summary>The objects of each image.</summary>
    /// <param name="levels">Maps of the pyramid, [B, C, h, w].</param>
    /// <param name="proposals">Boxes of each image, [n, 4].</param>
    /// <param name="sizes">Height and width of each image without its padding.</param>
    internal IReadOnlyList<Detections> Detect(
        IReadOnlyList<Tensor> levels,
        IReadOnlyList<Tensor> proposals,
        IReadOnlyList<(int Height, int Width)> sizes
    )
    {
        using var scope = new Scope();
        int[] counts = [.. proposals.Select(boxes => (int)boxes.Size(0))];
        var rois = Joined(proposals);
        if (rois.Size(0) == 0)
            return scope.Return<IReadOnlyList<Detections>>([.. counts.Select(_ => None(rois))]);
        var (logits, differences) = RunBoxes(0, levels, rois);
        var sum = logits;
        for (var k = 1; k < config.Stages.Count; k++)
        {
            // Each stage's own answer moves its boxes; the mean of all answers is the class.
            rois = Joined(Moved(k - 1, rois, differences, Likeliest(logits), counts, sizes));
            (logits, differences) = RunBoxes(k, levels, rois);
            sum = sum + logits;
        }
        var probabilities = (sum / config.Stages.Count).Softmax(1).Slice(1, 0, Classes);
        var boxes = coders[^1].Decode(rois.Slice(1, 1), differences);
        var options = config.Options;
        var nms = new MulticlassNms(options.Score, options.Overlap, options.Detections, IsTorchvision ? ShortestSide : 0);
        var found = new (Tensor Boxes, Tensor Scores, Tensor Classes)[counts.Length];
        for (var (i, first) = (0, 0); i < found.Length; first += counts[i], i++)
        {
            var own = boxes.Slice(0, first, first + counts[i]);
            var clipped = Boxes.Clip(own.Reshape(-1, 4), sizes[i]).Reshape([.. own.Shape]);
            found[i] = nms.Choose(clipped, probabilities.Slice(0, first, first + counts[i]));
        }
        if (!HasMasks)
            return scope.Return<IReadOnlyList<Detections>>([.. found.Select(one => new Detections(one.Boxes, one.Scores, one.Classes))]);
        // Masks of mmdetection are looked for in boxes of float32.
        var rounded = Joined([.. found.Select(one => IsTorchvision ? one.Boxes : one.Boxes.To(DType.Float32).To(one.Boxes.DType))]);
        var masks = Masks(levels, rounded, Torch.Cat([.. found.Select(one => one.Classes)]));
        var detections = new List<Detections>();
        long start = 0;
        foreach (var (own, scores, classes) in found)
        {
            detections.Add(new(own, scores, classes, masks.Slice(0, start, start + own.Size(0))));
            start += own.Size(0);
        }
        return scope.Return<IReadOnlyList<Detections>>(detections);
    }

    private Detections None(Tensor like) =>
        new(
            like.NewZeros([0, 4]),
            like.NewZeros([0]),
            like.NewZeros([0], DType.Int64),
            HasMasks ? like.NewZeros([0, 2 * MaskSize, 2 * MaskSize]) : null
        );

    // Probabilities of the regions' own classes, the mean over the stages, [n, S, S].
    private Tensor Masks(IReadOnlyList<Tensor> levels, Tensor rois, Tensor classes)
    {
        var count = rois.Size(0);
        if (count == 0)
            return rois.NewZeros([0, 2 * MaskSize, 2 * MaskSize]);
        var features = maskExtractor.Apply(levels, rois);
        var rows = Torch.Arange(count, device: rois.Device) * Classes + classes;
        var sum = maskHeads
            .Select(head => head.Call(features).Wide())
            .Select(logits => logits.Reshape(-1, logits.Size(2), logits.Size(3)).IndexSelect(0, rows).Sigmoid())
            .Aggregate((a, b) => a + b);
        return sum / maskHeads.Count;
    }
}
