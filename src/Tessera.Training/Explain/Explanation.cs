using Tessera.Data;
using Tessera.Models;

namespace Tessera.Training.Explain;

/// <summary>A picture of an explanation.</summary>
/// <param name="Name">What it shows: <c>image</c>, <c>roll-out</c>, <c>Grad-CAM</c>, or in the model's own terms.</param>
/// <param name="Png">The file's bytes.</param>
/// <param name="Meaning">What that means, in a sentence; null where the page says it.</param>
public sealed record ExplanationPicture(string Name, byte[] Png, string? Meaning = null);

/// <summary>What a model sees in an image and where.</summary>
/// <param name="Source">Name of the image.</param>
/// <param name="Explained">The class that Grad-CAM explains.</param>
/// <param name="Choices">The likeliest classes with their probabilities.</param>
/// <param name="Pictures">The image, then a map laid over it each.</param>
public sealed record Explanation(
    string Source,
    string Explained,
    IReadOnlyList<(string Class, double Probability)> Choices,
    IReadOnlyList<ExplanationPicture> Pictures
)
{
    private const int Side = 256;
    private const int Shown = 5;

    /// <summary>Explains an image.</summary>
    /// <param name="source">Its name.</param>
    /// <param name="model">In evaluation mode.</param>
    /// <param name="image">[1, C, H, W], normalised, where the model is.</param>
    /// <param name="normalization">What was done to it.</param>
    /// <param name="classes">Name per class.</param>
    /// <param name="label">The class that Grad-CAM explains; null for the likeliest.</param>
    /// <param name="probabilities">What logits, [1, classes], mean as probabilities; their softmax when null.</param>
    /// <param name="stop">Gives up between two pictures.</param>
    /// <exception cref="OperationCanceledException">It was stopped.</exception>
    public static Explanation Of(
        string source,
        Backbone model,
        Tensor image,
        Normalization normalization,
        IReadOnlyList<string> classes,
        int? label = null,
        Func<Tensor, Tensor>? probabilities = null,
        CancellationToken stop = default
    )
    {
        using var scope = new Scope();
        probabilities ??= logits => logits.Softmax(1);
        double[] choices;
        using (Torch.NoGrad())
            choices = probabilities(model.Call(image).To(DType.Float64)).ToArray<double>();
        var ranked = choices.Index().OrderByDescending(p => p.Item).ToArray();
        var chosen = label ?? ranked[0].Index;
        var pixels = Pixels(image, normalization);
        var (height, width, channels) = ((int)image.Size(2), (int)image.Size(3), (int)image.Size(1));
        HeatMap?[] maps = [Going(() => AttentionRollout.Of(model, image)), Going(() => GradCam.Of(model, image, chosen))];
        return new(
            source,
            classes[chosen],
            [.. ranked.Take(Shown).Select(p => (classes[p.Index], p.Item))],
            [
                Draw("image", null),
                .. maps.OfType<HeatMap>().Select(map => Draw(map.Name, map)),
                .. Going(() => model.Explain(image))
                    .Select(insight => Draw(insight.Name, HeatMap.Of(insight)) with { Meaning = insight.Meaning }),
            ]
        );

        T Going<T>(Func<T> work)
        {
            stop.ThrowIfCancellationRequested();
            return work();
        }

        ExplanationPicture Draw(string name, HeatMap? map) => new(name, Overlay.Draw(pixels, height, width, channels, map, Side));
    }

    /// <summary>What the model saw, [1, C, H, W], as bytes [H, W, C].</summary>
    internal static byte[] Pixels(Tensor image, Normalization normalization)
    {
        var (mean, deviation) = (
            Tensor.From([.. normalization.Mean], 1, normalization.Mean.Count, 1, 1),
            Tensor.From([.. normalization.Deviation], 1, normalization.Mean.Count, 1, 1)
        );
        return ((image.To(Device.Cpu) * deviation + mean) * 255).Round().Clamp(0, 255).To(DType.UInt8)[0].Permute(1, 2, 0).ToArray<byte>();
    }
}
