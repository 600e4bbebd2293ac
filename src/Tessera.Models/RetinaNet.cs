using System.ComponentModel.DataAnnotations;
using Tessera.Models.Layers;

namespace Tessera.Models;

/// <summary>RetinaNet over any backbone.</summary>
/// <param name="Width">Channels of the pyramid and of the head.</param>
/// <param name="Convs">Convolutions in front of the scores, and as many in front of the boxes.</param>
/// <param name="Style">
/// Whose constants: published weights go with those that they were trained with. torchvision rounds the sides of anchors, keeps boxes from
/// growing alone, averages losses image by image, looks for scores before it looks for anchors (<paramref name="ByScore"/>) and gives out
/// 300 objects.
/// </param>
/// <param name="Scale">Side of the smallest anchors of a level, in strides.</param>
/// <param name="Octaves">Sizes of anchors at each level: each is 2^(1 / octaves) times the one before.</param>
/// <param name="Ratios">Height over width of anchors; null for 0.5, 1 and 2.</param>
/// <param name="Extra">
/// What the two coarsest levels read; null for what is published: the backbone's coarsest map, in torchvision the pyramid's.
/// </param>
/// <param name="Norm">Norm of the head's convolutions: none, or in torchvision's second version one of groups.</param>
/// <param name="Positive">From this IoU, an anchor stands for an object.</param>
/// <param name="Negative">Below this IoU with every object, it is background.</param>
/// <param name="LeastPositive">IoU that the best anchors of an object need to stand for it in any case.</param>
/// <param name="Alpha">Share of objects in the focal loss; background has the rest.</param>
/// <param name="Gamma">Power by which the focal loss passes over what is nearly right.</param>
/// <param name="Beta">Where the loss of boxes becomes the plain distance: 0, or 0.11 in older settings.</param>
/// <param name="BoxWeight">Weight of the loss of boxes.</param>
/// <param name="Candidates">Most anchors of a level that are looked at, those with the best class first.</param>
/// <param name="ByScore">
/// Whether these are pairs of anchor and class with a sufficient score instead, as in newer versions of mmdetection; null for what the
/// style says.
/// </param>
/// <param name="Score">Objects have a higher score.</param>
/// <param name="Overlap">Of boxes of one class that overlap by more than this IoU, the likeliest stays.</param>
/// <param name="Detections">Most objects of an image; null for what the style says: 100, or 300.</param>
public sealed record RetinaNetOptions(
    [Range(1, 65536)] int Width = 256,
    [Range(0, 64)] int Convs = 4,
    DetectorStyle Style = DetectorStyle.Mmdetection,
    [Range(1e-3, 1e6)] double Scale = 4,
    [Range(1, 64)] int Octaves = 3,
    IReadOnlyList<double>? Ratios = null,
    FpnExtra? Extra = null,
    ConvNorm Norm = ConvNorm.None,
    [Range(0.0, 1.0)] double Positive = 0.5,
    [Range(0.0, 1.0)] double Negative = 0.4,
    [Range(0.0, 1.0)] double LeastPositive = 0,
    [Range(0.0, 1.0)] double Alpha = 0.25,
    [Range(0.0, 100.0)] double Gamma = 2,
    [Range(0.0, 1e6)] double Beta = 0,
    [Range(0.0, 1e6)] double BoxWeight = 1,
    [Range(1, int.MaxValue)] int Candidates = 1000,
    bool? ByScore = null,
    [Range(0.0, 1.0)] double Score = 0.05,
    [Range(0.0, 1.0)] double Overlap = 0.5,
    [Range(1, int.MaxValue)] int? Detections = null
) : DetectorOptions
{
    /// <summary>Height over width of anchors; null for 0.5, 1 and 2.</summary>
    public IReadOnlyList<double>? Ratios { get; init; } =
        Ratios is null || (Ratios.Count > 0 && Ratios.All(ratio => ratio > 0 && double.IsFinite(ratio)))
            ? Ratios
            : throw new ArgumentException("ratios must be one or more numbers above 0");

    /// <summary>What the two coarsest levels read; null for what is published.</summary>
    public FpnExtra? Extra { get; init; } =
        Extra is FpnExtra.None ? throw new ArgumentException("extra must be on_input, on_lateral or on_output") : Extra;

    /// <summary>Below this IoU with every object, an anchor is background.</summary>
    public double Negative { get; init; } =
        Negative <= Positive
            ? Negative
            : throw new ArgumentException("negative must be at most positive: no anchor can be background and an object");

    /// <inheritdoc/>
    public override Detector Create(Backbone backbone, int classes) => new RetinaNet(backbone, this, classes);

    internal bool IsTorchvision => Style == DetectorStyle.Torchvision;
}

/// <summary>
/// RetinaNet: two small towers of convolutions, the same on every level of a pyramid, say of nine anchors around every position what they
/// show and where it is. Lin et al., "Focal Loss for Dense Object Detection", 2017, arXiv:1708.02002. Names of the weights are those of
/// mmdetection; torchvision's load too.
/// </summary>
public sealed partial class RetinaNet : Detector
{
    // The pyramid uses the maps from the second on, and has two levels more.
    private const int Start = 1,
        Further = 2;

    private readonly RetinaNetOptions options;
    private readonly Fpn neck;
    private readonly RetinaHead bboxHead;

    /// <summary>A detector with a fresh head.</summary>
    /// <param name="backbone">Any model of images; it loses its classifier.</param>
    /// <param name="options">Sizes and options of the head.</param>
    /// <param name="classes">Number of classes.</param>
    public RetinaNet(Backbone backbone, RetinaNetOptions options, int classes)
        : base(backbone)
    {
        this.options = OptionRanges.Checked(options);
        List<double> strides = [.. MapStrides.Skip(Start)];
        for (var i = 0; i < Further; i++)
            strides.Add(2 * strides[^1]);
        neck = new Fpn(
            new(
                MapChannels,
                options.Width,
                strides.Count,
                Start,
                options.Extra ?? (options.IsTorchvision ? FpnExtra.OnOutput : FpnExtra.OnInput),
                ReluBeforeExtra: options.IsTorchvision
            )
        );
        bboxHead = new RetinaHead(options, strides, classes);
    }

    /// <inheritdoc/>
    public override int Classes => bboxHead.Classes;

    /// <inheritdoc/>
    protected override int ScoresPerAnchor => bboxHead.Classes;

    /// <inheritdoc/>
    protected override IReadOnlyList<string> ClassifierPaths => ["bbox_head.retina_cls"];

    // Every anchor has scores of all classes.
    internal override long ClassesOf(string name, Tensor tensor) => tensor.Size(0) / bboxHead.AnchorsPerPosition;

    /// <inheritdoc/>
    public override void ResetClassifier(int classes) => bboxHead.ResetClassifier(classes);

    /// <inheritdoc/>
    protected override DenseOutputs ForwardDense(IReadOnlyList<Tensor> maps) => bboxHead.Call(neck.Call(maps));

    /// <inheritdoc/>
    protected override OrderedDictionary<string, Tensor> ForwardLosses(
        DenseOutputs dense,
        (int Height, int Width) image,
        IReadOnlyList<DetectorTargets> targets
    )
    {
        var (scores, boxes) = bboxHead.Losses(dense, image, targets);
        return new() { ["loss_cls"] = Sum(scores), ["loss_bbox"] = Sum(boxes) };
    }

    private static Tensor Sum(IReadOnlyList<Tensor> losses) => losses.Aggregate((sum, next) => sum + next);

    /// <inheritdoc/>
    protected override IReadOnlyList<Detections> ForwardDetections(
        DenseOutputs dense,
        (int Height, int Width) image,
        IReadOnlyList<(int Height, int Width)> sizes
    ) => bboxHead.Detect(dense, image, sizes);

    /// <inheritdoc/>
    protected override IReadOnlyList<string> AdaptStateDict(OrderedDictionary<string, Tensor> state)
    {
        List<string> notes = [];
        if (TorchvisionRetinaNames.Convert(state, StateDict(), MapChannels.Count - Start))
        {
            notes.Add("the names are those of torchvision, and were brought to mmdetection's");
            if (!options.IsTorchvision)
                notes.Add("the weights are torchvision's and the model's constants mmdetection's: style torchvision has theirs");
        }
        notes.AddRange(base.AdaptStateDict(state));
        // mmdetection's Swin does not put out the map that is not used here, and has no norm of it.
        if (state.ContainsKey($"{BackbonePrefix}norm{Start}.weight"))
            foreach (var (name, value) in StateDict())
                if (name.StartsWith($"{BackbonePrefix}norm0.", StringComparison.Ordinal))
                    state.TryAdd(name, value);
        return notes;
    }
}
