using System.ComponentModel.DataAnnotations;
using System.Globalization;
using Tessera.Data;
using Tessera.Data.Images;
using Tessera.Data.Loading;
using Tessera.Data.Transforms;
using Tessera.Models;
using Tessera.Training.Drawing;
using Tessera.Training.Recipes;

namespace Tessera.Training.Tasks.Detection;

/// <summary>Objects in images: a box and a class each, and with some models a mask.</summary>
/// <param name="Size">
/// Most pixels of the shorter and the longer side that images are brought to in evaluation and prediction, in proportion; one number is for
/// both. 800 and 1333 by default, as published figures are measured. The transforms of a recipe stand before it.
/// </param>
/// <param name="Threshold">
/// Score from which objects are shown: in tables, in pictures and in the report. Average precision is measured over all.
/// </param>
[RecipeName("detection")]
public sealed record DetectionTask(IReadOnlyList<int>? Size = null, [Range(0.0, 1)] double Threshold = 0.3) : ImageTask
{
    private const int PublishedShorter = 800,
        PublishedLonger = 1333;

    // As published detectors pad.
    private const int Multiple = 32;

    /// <summary>Most pixels of the shorter and the longer side; null for 800 and 1333.</summary>
    public IReadOnlyList<int>? Size { get; init; } =
        Size switch
        {
            null or [] => null,
            [> 0] or [> 0, > 0] when Size[0] <= Size[^1] => Size,
            _ => throw new ArgumentException("size must be one side, or the shorter and the longer side, of at least 1"),
        };

    /// <inheritdoc/>
    public override bool IsDefaultFor(Dataset data) => data is ImageDataset { Annotations: ObjectBoxes };

    /// <inheritdoc/>
    public override Type TargetsType => typeof(BoxTargets);

    /// <inheritdoc/>
    public override Type FactsType => typeof(DetectionFacts);

    /// <inheritdoc/>
    public override DataFacts FactsOf(LoadableDataset training) =>
        training.Annotations is ObjectBoxes boxes
            ? DetectionFacts.Of((ImageFacts)base.FactsOf(training), boxes)
            : throw new DataException($"task {Name} needs boxes, but {training.Name} has {training.Annotations.GetType().Name}");

    /// <inheritdoc/>
    public override Model CreateModel(ModelSpec spec) =>
        spec.Head is null
            ? throw new RunException(
                $"model.name: {spec.Name} is a backbone, and task {Name} needs a detector over one, as in "
                    + $"{{ name: faster_rcnn, backbone: {{ name: {spec.Name} }} }}; there are "
                    + string.Join(", ", Heads.All.Where(head => IsDetector(head.Type)).Select(head => head.Name))
            )
        : spec.Create() is Detector detector ? detector
        : throw new RunException($"model.name: {spec.Title} finds no objects, which task {Name} needs");

    private static bool IsDetector(Type options) => options.IsAssignableTo(typeof(DetectorOptions));

    /// <summary>
    /// The transforms of the recipe, otherwise a resize in proportion to <see cref="Size"/>; images of different sizes are padded to stand
    /// in one batch, which no figure depends on.
    /// </summary>
    /// <inheritdoc/>
    public override Pipeline EvaluationPipeline(Model model, DataFacts facts, EvaluationTransforms given, DataFacts? samples = null)
    {
        var transforms = given.Given ?? [DefaultResize];
        return new(
            transforms.Any(transform => transform is PadBatch) ? transforms : [.. transforms, new PadBatch(Multiple)],
            ((ImageFacts)facts).Normalization
        );
    }

    private ResizeWithin DefaultResize =>
        new(Size is [var shorter, ..] ? shorter : PublishedShorter, Size is [.., var longer] ? longer : PublishedLonger);

    /// <inheritdoc/>
    public override IReadOnlyList<string> Remarks(LoadableDataset training, EvaluationTransforms given)
    {
        var boxes = (ObjectBoxes)training.Annotations;
        var (all, leftOut, empty) = (0L, 0L, 0);
        for (var i = 0; i < boxes.Count; i++)
        {
            (all, leftOut) = (all + boxes[i].Count, leftOut + boxes[i].Count(one => !one.IsTrained));
            empty += boxes[i].Any(one => one.IsTrained) ? 0 : 1;
        }
        List<string> remarks = [];
        if (given.Given is null)
            remarks.Add(
                $"evaluation.transforms are not given: images are measured with a shorter side of {DefaultResize.Shorter} pixels, and a "
                    + $"longer one of at most {DefaultResize.Longer} (task.size)"
            );
        if (leftOut > 0)
            remarks.Add(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"{leftOut:N0} of {all:N0} objects of {training.Split} are groups or ignored: nothing is learned from them"
                )
            );
        if (empty > 0)
            remarks.Add(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"{empty:N0} of {boxes.Count:N0} images of {training.Split} have no objects: they are learned from as background"
                )
            );
        return remarks;
    }

    /// <inheritdoc/>
    public override Evaluator CreateEvaluator(Model model, DataFacts facts, Func<Tensor, Tensor>? predict = null)
    {
        var detector = (Detector)model;
        return new DetectionEvaluator(facts.Classes.Count, new(detector, predict), detector.HasMasks, Threshold);
    }

    /// <inheritdoc/>
    public override (TaskKind Task, DataFacts Facts) WithThreshold(double threshold, DataFacts facts) =>
        (this with { Threshold = threshold }, facts);

    /// <summary>The objects of an image, in pixels of the original, whatever size its transforms have brought it to.</summary>
    /// <inheritdoc/>
    public override Prediction Predict(Model model, GivenSample sample, DataFacts facts, int most, Func<Tensor, Tensor>? predict = null)
    {
        if (sample.Pixels is not { } read)
            throw new RunException($"{sample.Name}: task {Name} needs an image");
        using var scope = new Scope();
        var (pixels, detector) = (read(), (Detector)model);
        var image = pixels.Window(0, 0, pixels.Size.Height, pixels.Size.Width).To(ModuleDevice.Of(model));
        return DetectionPrediction.Of(
            sample.Name,
            pixels.Origin.Original,
            new DetectionInference(detector, predict).Run(image, [pixels.Origin])[0],
            (DetectionFacts)facts,
            Threshold
        );
    }

    /// <summary>Scores alone say nothing of boxes.</summary>
    /// <inheritdoc/>
    public override Prediction Interpret(string sample, Tensor logits, DataFacts facts, int most) =>
        throw new RunException($"{sample}: task {Name} has no answer to scores alone: boxes need the image");

    private const string PictureSuffix = "_objects.png";

    // Longest side of a picture, and the side up to which small ones are magnified.
    private const int LargestPicture = 1600,
        SmallestPicture = 320;

    /// <inheritdoc/>
    public override IReadOnlyList<string> PictureSuffixes => [PictureSuffix];

    /// <summary>The image of at most 1600 pixels a side with boxes, masks, classes and scores.</summary>
    /// <inheritdoc/>
    public override IEnumerable<PredictionPicture> Draw(Prediction prediction, GivenSample sample, DataFacts facts)
    {
        var found = (DetectionPrediction)prediction;
        if (sample.Picture is not { } read)
            throw new RunException($"{sample.Name}: task {Name} needs an image");
        var pictures = new DetectionPictures(facts.Classes, ((DetectionFacts)facts).Colors);
        var drawn = pictures.Draw(read(LargestPicture), found.Size, [.. found.Shown.Select(ShownObject.Of)], SmallestPicture);
        yield return new(PictureSuffix, Png.Encode(drawn.ToInterleaved(), drawn.Height, drawn.Width, 3));
    }

    /// <inheritdoc/>
    public override ResultWriter? CreateResultWriter(DataFacts facts, Stream target) =>
        new CocoResultsWriter((DetectionFacts)facts, target);

    /// <inheritdoc/>
    public override IReadOnlyList<ReportSection> Report(ReportContext context) => DetectionReport.Sections(context, Threshold);
}
