using Tessera.Data;
using Tessera.Training.Drawing;
using Tessera.Training.Explain;
using Tessera.Training.Tasks;

namespace Tessera.Training.Objectives;

/// <summary>Test images as a method of pre-training sees and rebuilds them, for the report.</summary>
internal static class ReconstructionPictures
{
    private const int Images = 12;

    /// <summary>The section.</summary>
    /// <param name="model">The network that rebuilds them; it is in evaluation meanwhile.</param>
    /// <param name="samples">Test samples.</param>
    /// <param name="text">What the three pictures of a sample are.</param>
    /// <param name="show">Gives what is seen and what is made of it, [1, C, H, W] each, for a normalised image and its index.</param>
    internal static ReportSection Section(
        Module model,
        ReportSamples samples,
        string text,
        Func<Tensor, int, (Tensor Seen, Tensor Painted)> show
    )
    {
        var training = model.Training;
        model.Eval();
        try
        {
            using var outside = Torch.NoGrad();
            var data = samples.Data;
            var count = Math.Min(Images, data.Count);
            var figures = Enumerable.Range(0, count).Select(i => Figure(model, samples, (int)((long)i * data.Count / count), show));
            return new("Reconstruction", $"""<p>{text}</p><div class="gallery">{string.Concat(figures)}</div>""");
        }
        finally
        {
            model.Train(training);
        }
    }

    private static string Figure(Module model, ReportSamples samples, int index, Func<Tensor, int, (Tensor Seen, Tensor Painted)> show)
    {
        using var scope = new Scope();
        var image = SamplePictures.Prepare(samples.Data, index, samples.Pipeline).To(ModuleDevice.Of(model));
        var (seen, painted) = show(image, index);
        var name = Html.Encode(samples.Data.SampleName(index));
        return $"""
            <figure>{Picture(image, $"{name}")}{Picture(seen, $"{name}, as it is seen")}{Picture(painted, $"{name}, painted")}
            <figcaption>{name}</figcaption></figure>
            """;

        string Picture(Tensor pixels, string meaning)
        {
            var (_, channels, height, width) = pixels.Shape;
            var normalization = samples.Pipeline.Normalization!;
            var png = Overlay.Draw(Explanation.Pixels(pixels, normalization), (int)height, (int)width, (int)channels, null);
            return $"""<img alt="{meaning}" src="{Png.DataUri(png)}">""";
        }
    }
}
