using Tessera.Models;

namespace Tessera.Training.Explain;

/// <summary>A patch of one image and the patch of another that looks most like it to a model.</summary>
/// <param name="First">Middle of the patch in the first image, as shares of its width and height.</param>
/// <param name="Second">Middle of the patch in the second image.</param>
/// <param name="Similarity">Cosine of the angle between their tokens.</param>
public readonly record struct MatchedPatches((double X, double Y) First, (double X, double Y) Second, double Similarity);

/// <summary>Why a model finds two images alike.</summary>
/// <param name="Similarity">Inner product of their descriptors.</param>
/// <param name="First">
/// Where the first image speaks for the similarity (Grad-CAM of the inner product); null where no map comes of the model.
/// </param>
/// <param name="Second">The same of the second image.</param>
/// <param name="Pairs">
/// Patches that are each other's nearest, those first that agree most and speak for the similarity; empty where tokens make no grid.
/// </param>
public sealed record ImageMatch(double Similarity, HeatMap? First, HeatMap? Second, IReadOnlyList<MatchedPatches> Pairs)
{
    private const string MapName = "speaks for the match";

    /// <summary>Compares two images.</summary>
    /// <param name="model">In evaluation mode.</param>
    /// <param name="describe">Gives the descriptors of images, of length 1: <see cref="Descriptor.Of"/>.</param>
    /// <param name="first">[1, C, H, W], normalised, where the model is.</param>
    /// <param name="second">The same of the other image.</param>
    /// <param name="most">Pairs of patches at most.</param>
    public static ImageMatch Of(Backbone model, Func<Backbone, Tensor, Tensor> describe, Tensor first, Tensor second, int most = 6)
    {
        using var scope = new Scope();
        Tensor own,
            other;
        using (Torch.NoGrad())
            (own, other) = (describe(model, first), describe(model, second));
        var (here, there) = (Speaking(first, other), Speaking(second, own));
        return new((own * other).Sum().ToDouble(), here, there, Nearest());

        HeatMap? Speaking(Tensor image, Tensor wanted) => GradCam.Of(MapName, model, image, leaf => (describe(model, leaf) * wanted).Sum());

        IReadOnlyList<MatchedPatches> Nearest()
        {
            using var outside = Torch.NoGrad();
            if (Patches.Of(model, first) is not { } mine || Patches.Of(model, second) is not { } theirs)
                return [];
            var cosines = mine.Rows.Matmul(theirs.Rows.MT); // [N, M]
            var (towards, back) = (cosines.Argmax(1).ToArray<long>(), cosines.Argmax(0).ToArray<long>());
            var best = cosines.Amax([1]).ToArray<float>();
            return
            [
                .. Enumerable
                    .Range(0, towards.Length)
                    .Where(place => back[towards[place]] == place)
                    .Select(place => new MatchedPatches(mine.Middle(place), theirs.Middle((int)towards[place]), best[place]))
                    .OrderByDescending(pair => pair.Similarity * Math.Min(At(here, pair.First), At(there, pair.Second)))
                    .ThenByDescending(pair => pair.Similarity)
                    .Take(most),
            ];
        }
    }

    // Without a map, all places count alike.
    private static double At(HeatMap? map, (double X, double Y) place) =>
        map is null
            ? 1
            : map.Values[
                Math.Min((int)(place.Y * map.Height), map.Height - 1) * map.Width + Math.Min((int)(place.X * map.Width), map.Width - 1)
            ];

    // Rows of length 1, one for each patch.
    private sealed record Patches(Tensor Rows, int Height, int Width)
    {
        internal static Patches? Of(Backbone model, Tensor image)
        {
            var features = model.ForwardFeatures(image);
            var rows = features.Dim == 4 ? features[0].Flatten(1).Transpose(0, 1) : features[0].Slice(0, model.NumPrefixTokens);
            var grid = features.Dim == 4 ? ((int)features.Size(2), (int)features.Size(3)) : HeatMap.Grid(rows.Size(0), image);
            rows = rows.To(DType.Float32);
            return grid is var (height, width) && rows.Size(0) > 0
                ? new(rows / rows.LinalgVectorNorm(2, [1], true).ClampMin(1e-12), height, width)
                : null;
        }

        internal (double X, double Y) Middle(int place) => ((place % Width + 0.5) / Width, (place / Width + 0.5) / Height);
    }
}
