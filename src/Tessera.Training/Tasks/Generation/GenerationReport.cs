using Tessera.Data.Images;
using Tessera.Data.Loading;
using Tessera.Models;
using Tessera.Training.Drawing;
using Tessera.Training.Runs;

namespace Tessera.Training.Tasks.Generation;

/// <summary>
/// Sections of a generator's report: the images of the same random vectors over the epochs, images between two others, and the training
/// images that generated ones look most like.
/// </summary>
internal static class GenerationReport
{
    private const int Grids = 8,
        Rows = 4,
        Steps = 9,
        Samples = 64,
        Shown = 6,
        Near = 5,
        Magnified = 128;

    /// <summary>The sections; none for a model that makes no images.</summary>
    /// <param name="context">Model, data and pictures of the evaluations.</param>
    /// <param name="seed">Seed of the images.</param>
    internal static IReadOnlyList<ReportSection> Sections(ReportContext context, ulong seed)
    {
        if (context.Model is not ImageGenerator model)
            return [];
        List<ReportSection> sections = [.. OverTime(context)];
        void Draw()
        {
            using var scope = new Scope();
            var images = new GeneratedImages(model, seed);
            sections.Add(new("Images between two others", Between(images)));
            if (context.Training is ({ } data, var pipeline) && data is ImageDataset)
                sections.Add(new("Nearest training images", Nearest(context, images, (data, pipeline))));
        }
        if (context.WithAverage is { } averaged)
            averaged(Draw);
        else
            Draw();
        return sections;
    }

    private static IEnumerable<ReportSection> OverTime(ReportContext context)
    {
        foreach (var kind in context.Pictures.GroupBy(picture => picture.Name))
        {
            if (kind.Key is not (GenerationTask.Picture or GenerationTask.Picture + RunPictures.Averaged))
                continue;
            RunPicture[] all = [.. kind];
            var count = Math.Min(Grids, all.Length);
            var chosen = Enumerable.Range(0, count).Select(i => all[count == 1 ? 0 : (int)((long)i * (all.Length - 1) / (count - 1))]);
            var figures = chosen.Select(picture => Figure(File.ReadAllBytes(picture.Path), $"step {Html.Integer(picture.Step)}"));
            var averaged = kind.Key == GenerationTask.Picture ? "" : ", by the moving average of the weights";
            yield return new(
                $"Samples over the steps{averaged}",
                $"""
                <p>Each picture shows the images of the same random vectors{averaged}. The folder pictures of the run has those of all
                {Html.Integer(all.Length)} evaluations.</p>
                <div class="columns three">{string.Concat(figures)}</div>
                """
            );
        }
    }

    private static string Figure(byte[] png, string caption) =>
        $"""<figure><img alt="{Html.Encode(caption)}" src="{Png.DataUri(png)}"><figcaption>{Html.Encode(caption)}</figcaption></figure>""";

    private static string Between(GeneratedImages images)
    {
        Tensor[] all = [.. Enumerable.Range(0, Rows).SelectMany(row => LatentArc.Between(images, 2 * row, 2 * row + 1, Steps))];
        return $"""
            <p>Each row goes from one image to another, on the arc between their random vectors. A generator that has learned more than single
            images changes one into the other little by little.</p>
            {Figure(ImageGrid.Png(all, Steps), "from left to right")}
            """;
    }

    private static string Nearest(
        ReportContext context,
        GeneratedImages images,
        (LoadableDataset Data, Data.Transforms.Pipeline Pipeline) training
    )
    {
        var bank = new NearestTraining(training);
        var made = Torch.Cat([.. Enumerable.Range(0, Samples).Select(number => images.Image(number).To(Device.Cpu))], 0);
        var near = bank.Of(made, Near);
        // The most suspicious ones.
        var nearest = near.Index().OrderBy(one => one.Item[0].Distance).Take(Shown);
        var rows = nearest.Select(one =>
        {
            var own = Framed(made.Narrow(0, one.Index, 1), $"sample {one.Index}", "generated");
            var others = one.Item.Select(other =>
                Framed(
                    SamplePictures.Prepare(training.Data, other.Index, training.Pipeline),
                    training.Data.SampleName(other.Index),
                    Html.Fixed(other.Distance, 4) + (other.Mirrored ? ", mirrored" : "")
                )
            );
            return $"""<div class="gallery">{own}{string.Concat(others)}</div>""";
        });
        return $"""
            <p>{Yardstick(
                context,
                training.Data,
                bank,
                near.Average(one => one[0].Distance)
            )} Each row begins with a generated image; behind it
            are the most similar of {Html.Integer(bank.Count)} training images, with the root mean square difference of the pixels. The
            generated images that are nearest to one come first.</p>
            {string.Concat(rows)}
            """;
    }

    // How near images are that were never trained on; nothing where there are no such images.
    private static string Yardstick(ReportContext context, LoadableDataset training, NearestTraining bank, double made)
    {
        var sentence =
            $"The nearest training image of {Samples} generated images differs by {Html.Fixed(made, 4)} on average"
            + " (root mean square of the pixels, from 0 to 1)";
        if ((context.Data.Name, context.Data.Split) == (training.Name, training.Split))
            return $"{sentence}.";
        using var scope = new Scope();
        var loader = new Loader(
            context.Data,
            context.Pipeline,
            new(Samples)
            {
                Sampler = new EvenlySpaced(Samples),
                Replacement = Replacement.None,
                UnreadableLimit = 1,
            }
        );
        double[] real = [.. loader.Epoch(0).SelectMany(batch => bank.Of(batch.Inputs, 1)).Select(one => one[0].Distance)];
        return $"{sentence}, that of {real.Length} test images by {Html.Fixed(real.Average(), 4)}: a generator that copies comes far below.";
    }

    private static string Framed(Tensor image, string title, string note)
    {
        var name = Html.Encode(title);
        var (_, channels, height, width) = image.Shape;
        var pixels = ImageGrid.Bytes(image);
        var png = Explain.Overlay.Draw(pixels, (int)height, (int)width, (int)channels, null, Magnified);
        return $"""
            <figure><img alt="{name}" src="{Png.DataUri(png)}"><figcaption>{name} <small>{Html.Encode(note)}</small></figcaption></figure>
            """;
    }
}
