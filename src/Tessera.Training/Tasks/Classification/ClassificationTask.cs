using System.ComponentModel.DataAnnotations;
using Tessera.Data;
using Tessera.Data.Images;
using Tessera.Models;
using Tessera.Training.Recipes;

namespace Tessera.Training.Tasks.Classification;

/// <summary>Classification of images: one class each.</summary>
/// <param name="Bins">Number of bins of the calibration error, from 1 to 1000; 15 by default.</param>
[RecipeName("classification")]
public sealed record ClassificationTask([Range(1, 1000)] int Bins = 15) : ImageTask
{
    /// <inheritdoc/>
    public override bool IsDefaultFor(Dataset data) => data is ImageDataset { Annotations: ClassLabels };

    /// <inheritdoc/>
    public override bool IsDefaultFor(Variant variant) => variant.TakesImages;

    /// <inheritdoc/>
    public override Type TargetsType => typeof(ClassTargets);

    /// <inheritdoc/>
    public override Evaluator CreateEvaluator(Model model, DataFacts facts, Func<Tensor, Tensor>? predict = null) =>
        new ClassificationEvaluator(model, Bins, predict);

    /// <inheritdoc/>
    public override Prediction Interpret(string sample, Tensor logits, DataFacts facts, int most) =>
        Prediction.MostLikely(sample, logits, facts.Classes, most);

    /// <inheritdoc/>
    public override IReadOnlyList<ReportSection> Report(ReportContext context)
    {
        var data = (ImageDataset)context.Data;
        return
        [
            .. ClassificationReport.Sections(context, SampleNoun, mistake =>
                new(data.SampleName(mistake.Index), SamplePictures.Original(data, mistake.Index))
            ),
        ];
    }
}
