using Tessera.Data;
using Tessera.Data.Images;
using Tessera.Data.Loading;
using Tessera.Data.Transforms;
using Tessera.Models;
using Tessera.Training.Drawing;
using Tessera.Training.Recipes;

namespace Tessera.Training.Tasks.Segmentation;

/// <summary>A class for each pixel of an image.</summary>
/// <param name="Inference">
/// auto (by default: an image at once where the model takes its size, otherwise in windows), whole, or slide (in windows that overlap).
/// </param>
/// <param name="Crop">Side, or height and width, of a window; by default the model's size.</param>
/// <param name="Stride">Steps between windows; by default two thirds of a window.</param>
/// <param name="Scales">Sizes at which each image is segmented, as multiples of its own; the probabilities are averaged.</param>
/// <param name="Flip">Whether each image is segmented once more in mirror image.</param>
[RecipeName("segmentation")]
public sealed record SegmentationTask(
    SegmentationMode Inference = SegmentationMode.Auto,
    IReadOnlyList<int>? Crop = null,
    IReadOnlyList<int>? Stride = null,
    IReadOnlyList<double>? Scales = null,
    bool Flip = false
) : ImageTask
{
    /// <summary>Side, or height and width, of a window; null for the model's size.</summary>
    public IReadOnlyList<int>? Crop { get; init; } = Sides(Crop, "crop");

    /// <summary>Steps between windows; null for two thirds of a window.</summary>
    public IReadOnlyList<int>? Stride { get; init; } = Sides(Stride, "stride");

    /// <summary>Sizes at which each image is segmented, as multiples of its own; null for its own alone.</summary>
    public IReadOnlyList<double>? Scales { get; init; } =
        Scales?.Any(scale => scale <= 0) == true ? throw new ArgumentException("scales must be above 0") : Scales;

    private static IReadOnlyList<int>? Sides(IReadOnlyList<int>? given, string field) =>
        given switch
        {
            null or [] => null,
            [> 0] or [> 0, > 0] => given,
            _ => throw new ArgumentException($"{field} must be one side, or height and width"),
        };

    /// <inheritdoc/>
    public override bool IsDefaultFor(Dataset data) => data is ImageDataset { Annotations: LabelMaps };

    /// <inheritdoc/>
    public override Type TargetsType => typeof(MaskTargets);

    /// <inheritdoc/>
    public override Type FactsType => typeof(SegmentationFacts);

    /// <inheritdoc/>
    public override DataFacts FactsOf(LoadableDataset training)
    {
        var facts = (ImageFacts)base.FactsOf(training);
        if (training.Annotations is not LabelMaps maps)
            throw new DataException($"task {Name} needs label maps, but {training.Name} has {training.Annotations.GetType().Name}");
        return new SegmentationFacts(
            facts.Classes,
            facts.Channels,
            facts.Height,
            facts.Width,
            facts.Mean,
            facts.Deviation,
            SegmentationFacts.PaletteOf(maps),
            facts.Classes.Count
        );
    }

    /// <inheritdoc/>
    public override Model CreateModel(ModelSpec spec) =>
        spec.Head is null
            ? throw new RunException(
                $"model.name: {spec.Name} is a backbone, and task {Name} needs a head over one, as in "
                    + $"{{ name: upernet, backbone: {{ name: {spec.Name} }} }}; there are {string.Join(", ", Heads.All.Select(head => head.Name))}"
            )
        : spec.Create() is Segmenter segmenter ? segmenter
        : throw new RunException($"model.name: {spec.Title} gives no class for each pixel, which task {Name} needs");

    /// <summary>
    /// The transforms of the recipe, otherwise images as they are; those of different sizes are padded to stand in one batch, which no
    /// figure depends on.
    /// </summary>
    /// <inheritdoc/>
    public override Pipeline EvaluationPipeline(Model model, DataFacts facts, EvaluationTransforms given, DataFacts? samples = null)
    {
        var transforms = given.Given ?? [];
        var mayDiffer = ((ImageFacts)(samples ?? facts)).Height is null && !transforms.Any(transform => transform is PadBatch);
        return new(mayDiffer ? [.. transforms, new PadBatch()] : transforms, ((ImageFacts)facts).Normalization);
    }

    /// <inheritdoc/>
    public override Evaluator CreateEvaluator(Model model, DataFacts facts, Func<Tensor, Tensor>? predict = null) =>
        new SegmentationEvaluator(facts.Classes.Count, new(this, (Segmenter)model, predict), (facts as SegmentationFacts)?.Labelled);

    /// <summary>A class for each pixel of the original, whatever size its transforms have brought it to.</summary>
    /// <inheritdoc/>
    public override Prediction Predict(Model model, GivenSample sample, DataFacts facts, int most, Func<Tensor, Tensor>? predict = null)
    {
        if (sample.Pixels is not { } read)
            throw new RunException($"{sample.Name}: task {Name} needs an image");
        var (pixels, inference) = (read(), new SegmentationInference(this, (Segmenter)model, predict));
        var found = SegmentationPrediction.Of(sample.Name, Segment(inference, pixels), facts.Classes);
        return Inference == SegmentationMode.Auto && inference.Window(pixels.Size.Height, pixels.Size.Width) is { } window
            ? found with
            {
                Remarks =
                [
                    .. found.Remarks,
                    $"{sample.Name}: segmented in windows of {window.Crop.Height}x{window.Crop.Width}, which overlap: the image has "
                        + $"{pixels.Size}",
                ],
            }
            : found;
    }

    /// <summary>The class of each pixel of an image's original.</summary>
    internal static LabelMap Segment(SegmentationInference inference, ImagePixels pixels)
    {
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        var size = pixels.Origin.Original;
        var ids = new byte[checked(size.Height * size.Width)];
        ids.AsSpan().Fill(LabelMap.Ignored);
        inference.Run(pixels, (row, column, band) => Put(band, ids, row, column, size.Width));
        return new(ids, size);
    }

    private static void Put(Tensor band, byte[] ids, int row, int column, int width)
    {
        var (classes, rows, columns) = (band.Size(1), (int)band.Size(2), (int)band.Size(3));
        if (classes > LabelMap.Ignored)
            throw new RunException($"the model has {classes} classes, and a map has at most {LabelMap.Ignored}");
        var found = band.Argmax(1).To(DType.UInt8).ToArray<byte>();
        for (var y = 0; y < rows; y++)
            found.AsSpan(y * columns, columns).CopyTo(ids.AsSpan((row + y) * width + column));
    }

    /// <summary>The class of each position that has scores.</summary>
    /// <inheritdoc/>
    public override Prediction Interpret(string sample, Tensor logits, DataFacts facts, int most)
    {
        using var scope = new Scope();
        var size = new ImageSize((int)logits.Size(2), (int)logits.Size(3));
        var ids = new byte[checked(size.Height * size.Width)];
        Put(logits, ids, 0, 0, size.Width);
        return SegmentationPrediction.Of(sample, new(ids, size), facts.Classes);
    }

    private const string MapSuffix = ".png",
        OverlaySuffix = "_overlay.png";

    // Longest side of an overlay, and the side up to which small ones are magnified.
    private const int LargestOverlay = 1600,
        SmallestOverlay = 320;

    /// <inheritdoc/>
    public override IReadOnlyList<string> PictureSuffixes => [MapSuffix, OverlaySuffix];

    /// <summary>
    /// The map as a PNG with a palette, at the original size, and the image under the colours of its classes, of at most 1600 pixels a
    /// side, above a legend.
    /// </summary>
    /// <inheritdoc/>
    public override IEnumerable<PredictionPicture> Draw(Prediction prediction, GivenSample sample, DataFacts facts)
    {
        var found = (SegmentationPrediction)prediction;
        var pictures = new SegmentationPictures(((SegmentationFacts)facts).Colors);
        yield return new(MapSuffix, pictures.Indices(found.Map));
        if (sample.Picture is not { } read)
            throw new RunException($"{sample.Name}: task {Name} needs an image");
        var overlay = pictures.Overlay(read(LargestOverlay), found.Map, found.Classes, SmallestOverlay);
        yield return new(OverlaySuffix, Png.Encode(overlay.ToInterleaved(), overlay.Height, overlay.Width, 3));
    }

    /// <inheritdoc/>
    public override IReadOnlyList<ReportSection> Report(ReportContext context) => SegmentationReport.Sections(this, context);
}
