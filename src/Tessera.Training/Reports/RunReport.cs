using Tessera.Data;
using Tessera.Models;

namespace Tessera.Training;

/// <summary>Gathers what a report shows from a model and the data that it was measured on.</summary>
internal static class RunReport
{
    private const int Images = 8;

    internal static string Render(
        RunFolder run,
        Recipe recipe,
        Backbone model,
        Dataset data,
        DataFacts facts,
        Evaluation evaluation,
        Evaluation? ema
    )
    {
        var yaml = File.ReadAllText(run.RecipePath);
        return ReportPage.Render(
            new(
                $"{recipe.Model.Name} on {data.Name}",
                yaml,
                Command(run, yaml),
                RunLog.Read(run.LogPath),
                facts.Classes,
                model.ParameterCount,
                evaluation,
                ema,
                RunEnvironment.Describe()
            )
            {
                Samples = data is EncodedText ? "texts" : "images",
                Mistakes =
                [
                    .. evaluation.Mistakes.Select(mistake =>
                        data is EncodedText texts
                            ? (mistake, texts.Source.Texts[mistake.Index], null)
                            : (mistake, data.SampleName(mistake.Index), Picture((ImageDataset)data, mistake.Index))
                    ),
                ],
                Attention = data is ImageDataset images
                    ? Attention(model, images, facts, evaluation, recipe.EvaluationPipeline(model, facts))
                    : [],
            }
        );
    }

    // The first line of a resolved recipe tells the command that it came from.
    private static string Command(RunFolder run, string yaml)
    {
        const string head = "# The resolved recipe of ";
        var first = yaml.Split('\n', 2)[0];
        return first.StartsWith(head, StringComparison.Ordinal) ? first[head.Length..] : $"tessera train {run.RecipePath}";
    }

    private static string? Picture(ImageDataset data, int index)
    {
        var raster = new Raster();
        data.Read(index, raster);
        return Png.DataUri(raster.ToInterleaved(), raster.Height, raster.Width, raster.Channels);
    }

    // One image of each class in turn, the first that comes.
    private static AttentionRow[] Attention(Backbone model, ImageDataset data, DataFacts facts, Evaluation evaluation, Pipeline pipeline)
    {
        var training = model.Training;
        model.Eval();
        try
        {
            var wrong = evaluation.Mistakes.Select(mistake => mistake.Index).Take(Images / 4);
            var unreadable = evaluation.Unreadable.Select(image => image.Index).ToHashSet();
            var first = data
                .Labels.Index()
                .Where(sample => !unreadable.Contains(sample.Index))
                .DistinctBy(sample => sample.Item)
                .Select(sample => sample.Index);
            return
            [
                .. wrong
                    .Concat(first)
                    .Distinct()
                    .Take(Images)
                    .Select(index => Row(model, data, facts, index, pipeline))
                    .OfType<AttentionRow>(),
            ];
        }
        finally
        {
            model.Train(training);
        }
    }

    private static AttentionRow? Row(Backbone model, ImageDataset data, DataFacts facts, int index, Pipeline pipeline)
    {
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        var loader = new Loader(new Single(data, index), pipeline, 1, workers: 0);
        var batch = loader.Epoch(0).First();
        var image = batch.Inputs.To(Evaluator.DeviceOf(model));
        var maps = AttentionPictures.Of(model, image);
        if (maps.Count == 0)
            return null;
        var (_, channels, height, width) = image.Shape;
        var pixels = Explanation.Pixels(image, facts.Normalization);
        string Draw(HeatMap? map) => Png.DataUri(Overlay.Draw(pixels, (int)height, (int)width, (int)channels, map));
        var predicted = (int)model.Call(image).Argmax(1).ToInt64();
        return new(
            facts.Classes[data.Labels[index]],
            facts.Classes[predicted],
            [("image", Draw(null)), .. maps.Select(map => (map.Name, Draw(map)))]
        );
    }

    /// <summary>One sample of a data set.</summary>
    private sealed class Single(ImageDataset data, int index) : ImageDataset(data.Name, data.Split, data.ClassNames, [data.Labels[index]])
    {
        public override int Channels => data.Channels;
        public override int? Height => data.Height;
        public override int? Width => data.Width;
        public override Normalization Normalization => data.Normalization;

        public override void Read(int position, Raster target) => data.Read(index, target);
    }
}
