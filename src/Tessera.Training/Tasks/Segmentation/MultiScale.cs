using Tessera.Models.Layers;

namespace Tessera.Training.Tasks.Segmentation;

/// <summary>Segments an image at several sizes, perhaps mirrored too, and averages the probabilities.</summary>
/// <param name="Ratios">Sizes as multiples of the image's, above 0.</param>
/// <param name="Flip">Whether each size is segmented once more in mirror image.</param>
public sealed record MultiScale(IReadOnlyList<double> Ratios, bool Flip = true)
{
    /// <summary>Sizes as multiples of the image's, above 0.</summary>
    public IReadOnlyList<double> Ratios { get; init; } =
        Ratios.Count > 0 && Ratios.All(ratio => ratio > 0)
            ? Ratios
            : throw new ArgumentException("there must be at least one ratio, and all must be above 0", nameof(Ratios));

    /// <summary>0.5 to 1.75 in steps of a quarter, and their mirror images: what "multi-scale and flip" means in papers.</summary>
    public static readonly MultiScale Usual = new([0.5, 0.75, 1, 1.25, 1.5, 1.75]);

    /// <summary>Mean probabilities of the classes.</summary>
    /// <param name="image">[B, C, H, W].</param>
    /// <param name="scores">Scores of an image, at any resolution; they are resized bilinearly to the image's before the softmax.</param>
    /// <returns>[B, classes, H, W].</returns>
    public Tensor Probabilities(Tensor image, Func<Tensor, Tensor> scores)
    {
        using var outside = Torch.NoGrad();
        return Torch.Scope(() =>
        {
            Tensor? sum = null;
            foreach (var ratio in Ratios)
            foreach (var mirrored in Flip ? new[] { false, true } : [false])
            {
                using var scope = new Scope();
                var view = image.ResizeTo(Scaled(image.Size(2), ratio), Scaled(image.Size(3), ratio));
                var found = scores(mirrored ? view.Flip(3) : view).ResizeTo(image);
                var probabilities = (mirrored ? found.Flip(3) : found).Softmax(1);
                if (sum is null)
                    sum = scope.Return(probabilities);
                else
                    sum.Add_(probabilities);
            }
            return sum! / (Ratios.Count * (Flip ? 2 : 1));
        });

        static long Scaled(long side, double ratio) => Math.Max(1, (long)(side * ratio + 0.5));
    }
}
