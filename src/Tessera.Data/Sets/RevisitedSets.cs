using Tessera.Data.Formats;
using Tessera.Data.Images;

namespace Tessera.Data.Sets;

/// <summary>
/// Revisited Oxford and Paris (Radenovic et al., 2018, arXiv:1803.11285): 70 queries for buildings, each a part of a photograph, and the
/// photographs that are searched for them. There is nothing to learn from.
/// </summary>
internal static class RevisitedSets
{
    private const string Test = "test";

    internal static DatasetKind Oxford { get; } = Kind("roxford5k", "revisited Oxford: 70 queries, 4,993 photographs");

    internal static DatasetKind Paris { get; } = Kind("rparis6k", "revisited Paris: 70 queries, 6,322 photographs");

    private static DatasetKind Kind(string name, string summary) => new(name, summary, [Test], name, (_, root) => Open(name, root));

    private static CroppedImages Open(string name, string? root)
    {
        var file = $"gnd_{name}.pkl";
        var folder = Places.Find(name, root, name, file);
        var truth = RevisitedTruth.Read(Path.Combine(folder, file));
        var (images, searched) = (Path.Combine(folder, "jpg"), truth.Images.Count);
        var annotations = new LandmarkQueries(
            searched + truth.Queries.Count,
            [.. truth.Queries.Select((query, i) => new LandmarkQuery(searched + i, query.Easy, query.Hard, query.Junk))]
        );
        string[] paths =
        [
            .. truth.Images.Concat(truth.Queries.Select(query => query.Name)).Select(image => Path.Combine(images, $"{image}.jpg")),
        ];
        // Boxes are in pixels of the files as they are stored.
        return new(
            new FileImages(name, Test, paths, annotations) { Orient = false },
            [.. truth.Images.Select(_ => (PixelBox?)null), .. truth.Queries.Select(query => (PixelBox?)Rounded(query.Box))]
        );
    }

    // As Pillow cuts: halves go to the even number.
    private static PixelBox Rounded((double Left, double Top, double Right, double Bottom) box) =>
        new(Whole(box.Left), Whole(box.Top), Whole(box.Right), Whole(box.Bottom));

    private static int Whole(double value) => (int)Math.Clamp(Math.Round(value, MidpointRounding.ToEven), int.MinValue, int.MaxValue);
}
