using Tessera.Data;
using Tessera.Data.Images;
using Tessera.Data.Imaging;
using Tessera.Data.Sets;

namespace Tessera.Outside;

/// <summary>A data set of a program's own, which makes its images itself: stripes that lie or stand.</summary>
public sealed class Shapes(string split, int count)
    : ImageDataset("shapes", split, ["lying", "standing"], [.. Enumerable.Range(0, count).Select(index => index % 2)])
{
    public const int Side = 8;

    public static DatasetKind Kind { get; } =
        new("shapes", "stripes that lie or stand", ["train", "test"], "shapes", (split, _) =>
            new Shapes(split, split == "train" ? 48 : 16)
        );

    public override int Channels => 3;

    public override int? Height => Side;

    public override int? Width => Side;

    public override Normalization Normalization { get; } = new([0.5f, 0.5f, 0.5f], [0.25f, 0.25f, 0.25f]);

    public override void Read(int index, Raster target)
    {
        target.Resize(Channels, Side, Side);
        var random = new SampleRandom(7, 0, index);
        for (var channel = 0; channel < Channels; channel++)
        for (var y = 0; y < Side; y++)
        {
            var row = target.Row(channel, y);
            for (var x = 0; x < Side; x++)
                row[x] = (byte)(((index % 2 == 0 ? y : x) % 2 == 0 ? 200 : 40) + random.Below(30));
        }
    }
}
