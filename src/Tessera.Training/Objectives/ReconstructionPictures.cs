using Tessera.Data;
using Tessera.Models;
using Tessera.Training.Drawing;
using Tessera.Training.Explain;
using Tessera.Training.Tasks;

namespace Tessera.Training.Objectives;

/// <summary>Test images as a masked autoencoder sees and paints them, for the report.</summary>
internal static class ReconstructionPictures
{
    private const int Images = 12;

    internal static ReportSection Section(MaskedAutoencoder method, Vit encoder, ReportSamples samples)
    {
        var training = encoder.Training;
        encoder.Eval();
        try
        {
            using var outside = Torch.NoGrad();
            var data = samples.Data;
            var count = Math.Min(Images, data.Count);
            var figures = Enumerable.Range(0, count).Select(i => Figure(method, encoder, samples, (int)((long)i * data.Count / count)));
            var note = method.NormalizesPixels
                ? " The method paints patches without their brightness and contrast, which are the image's own here."
                : "";
            return new(
                "Reconstruction",
                $"""
                <p>From top to bottom: the test image, the patches that the encoder sees, and the hidden ones as the decoder
                paints them.{note}</p>
                <div class="gallery">{string.Concat(figures)}</div>
                """
            );
        }
        finally
        {
            encoder.Train(training);
        }
    }

    private static string Figure(MaskedAutoencoder method, Vit encoder, ReportSamples samples, int index)
    {
        using var scope = new Scope();
        var image = SamplePictures.Prepare(samples.Data, index, samples.Pipeline).To(ModuleDevice.Of(encoder));
        var (hidden, painted) = method.Show(image, index, samples.Seed);
        var name = Html.Encode(samples.Data.SampleName(index));
        return $"""
            <figure>{Picture(image, $"{name}")}{Picture(hidden, $"{name}, seen patches")}{Picture(painted, $"{name}, painted")}
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
