using System.Globalization;
using Tessera.Data;
using Tessera.Data.Loading;
using Tessera.Data.Transforms;
using Tessera.Models;
using Tessera.Training.Drawing;
using Tessera.Training.Explain;
using Tessera.Training.Probes;
using Tessera.Training.Tasks;

namespace Tessera.Training.Objectives;

/// <summary>Test images beside the training images whose features point most nearly the same way, for reports.</summary>
internal static class NeighborPictures
{
    private const int Queries = 8,
        Nearest = 6,
        MostNeighbors = 2000,
        Batch = 64;

    /// <summary>A section with the pictures; none without training samples.</summary>
    /// <param name="model">The model, whose mode is restored.</param>
    /// <param name="encode">Gives the features [B, D] of images.</param>
    /// <param name="samples">Test samples, and the training samples that are looked through.</param>
    internal static IReadOnlyList<ReportSection> Of(Model model, Func<Tensor, Tensor> encode, ReportSamples samples)
    {
        if (samples.Training is not { } training)
            return [];
        var mode = model.Training;
        model.Eval();
        try
        {
            using var scope = new Scope();
            using var outside = Torch.NoGrad();
            var device = ModuleDevice.Of(model);
            var (bank, places) = Features(training.Data, training.Pipeline, MostNeighbors);
            var (queries, asked) = Features(samples.Data, samples.Pipeline, Queries);
            var (similarity, nearest) = NearestNeighbors
                .Normalize(queries)
                .Matmul(NearestNeighbors.Normalize(bank).MT)
                .Topk((int)Math.Min(Nearest, bank.Size(0)), 1);
            var (similarities, found, each) = (similarity.ToArray<float>(), nearest.ToArray<long>(), (int)nearest.Size(1));
            var rows = asked.Select(
                (index, row) =>
                {
                    var own = ClassOf(samples.Data, index);
                    var around = Enumerable
                        .Range(row * each, each)
                        .Select(at =>
                        {
                            var place = places[(int)found[at]];
                            var other = ClassOf(training.Data, place);
                            var name = other ?? training.Data.SampleName(place);
                            var mark = own is not null && other is not null && own != other ? "≠ " : "";
                            var near = similarities[at].ToString("0.00", CultureInfo.InvariantCulture);
                            return Figure(training.Data, training.Pipeline, place, $"{mark}{name}", near);
                        });
                    var query = Figure(samples.Data, samples.Pipeline, index, own ?? samples.Data.SampleName(index), "test image");
                    return $"""<div class="gallery">{query}{string.Concat(around)}</div>""";
                }
            );
            return
            [
                new(
                    "Nearest neighbours",
                    $"""
                    <p>Each row begins with a test image; behind it are those of {Html.Integer(places.Count)} training images whose features
                    are most like its own, with the cosine of their angle. ≠ marks another class.</p>
                    {string.Concat(rows)}
                    """
                ),
            ];

            (Tensor Rows, IReadOnlyList<int> Indices) Features(LoadableDataset data, Pipeline pipeline, int most)
            {
                var loader = new Loader(
                    data,
                    pipeline,
                    new(Batch)
                    {
                        Sampler = new EvenlySpaced(most),
                        Replacement = Replacement.None,
                        UnreadableLimit = 1,
                    }
                );
                List<Tensor> parts = [];
                List<int> indices = [];
                foreach (var batch in loader.Epoch(0))
                {
                    parts.Add(Torch.Scope(() => encode(batch.Inputs.To(device)).To(DType.Float32).To(Device.Cpu)));
                    indices.AddRange(batch.Indices);
                }
                return (Torch.Cat([.. parts], 0), indices);
            }
        }
        finally
        {
            model.Train(mode);
        }
    }

    private static string? ClassOf(Dataset data, int index) =>
        data.Annotations is ClassLabels labels ? labels.ClassNames[labels.Labels[index]] : null;

    private static string Figure(LoadableDataset data, Pipeline pipeline, int index, string title, string note)
    {
        using var scope = new Scope();
        var image = SamplePictures.Prepare(data, index, pipeline);
        var (_, channels, height, width) = image.Shape;
        var png = Overlay.Draw(Explanation.Pixels(image, pipeline.Normalization!), (int)height, (int)width, (int)channels, null);
        var name = Html.Encode(title);
        return $"""
            <figure><img alt="{name}" src="{Png.DataUri(png)}"><figcaption>{name} <small>{Html.Encode(note)}</small></figcaption></figure>
            """;
    }
}
