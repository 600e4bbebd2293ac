using Tessera.Data;
using Tessera.Data.Checks;
using Tessera.Data.Images;
using Tessera.Data.Imaging;
using Tessera.Data.Transforms;
using Tessera.Training.Drawing;

namespace Tessera.Training.Reports;

/// <summary>Small pictures of the samples of a data set, for a page about it.</summary>
/// <param name="opened">The splits.</param>
internal sealed class DataCheckPictures(OpenedSplits opened)
{
    private const int Side = 96;
    private const int MapSide = 300;

    private readonly Dictionary<string, ImageDataset> splits = opened
        .Splits.Where(split => split.Data is ImageDataset)
        .ToDictionary(split => split.Name, split => (ImageDataset)split.Data!);

    /// <summary>Whether the samples of a split can be shown.</summary>
    internal bool Has(string split) => splits.ContainsKey(split);

    /// <summary>A sample with two lines below it.</summary>
    /// <param name="split">Its split.</param>
    /// <param name="index">Position in it.</param>
    /// <param name="caption">The first line.</param>
    /// <param name="note">The second line.</param>
    internal string Figure(string split, int index, string caption, string note) =>
        $"""
            <figure>{Image(split, index)}<figcaption>{Html.Encode(Html.Short(caption, 40))}<br><small>{Html.Encode(
                note
            )}</small></figcaption>
            </figure>
            """;

    private string Image(string split, int index)
    {
        var data = splits[split];
        try
        {
            var canvas = new Canvas();
            using (var file = data.Open(index))
                if (file is not null)
                {
                    var (height, width) = Fitting(file.Height, file.Width, Side);
                    file.Resize(canvas, new(0, 0, file.Height, file.Width), height, width, Interpolation.Bilinear, shrink: true);
                }
                else
                    data.Read(index, canvas.Image);
            return Element(canvas.Image, data.SampleName(index), "sample");
        }
        catch (UnreadableImageException error)
        {
            return $"<p>{Html.Encode(error.Problem)}</p>";
        }
    }

    private static string Element(Raster image, string name, string style) =>
        $"""<img class="{style}" src="{Png.DataUri(image.ToInterleaved(), image.Height, image.Width, image.Channels)}" alt="{Html.Encode(
            Path.GetFileName(name)
        )}">""";

    /// <summary>A sample beside its label map, which is laid over it, and the classes that are seen.</summary>
    /// <param name="split">Its split.</param>
    /// <param name="index">Position in it.</param>
    /// <param name="maps">The maps of the split.</param>
    /// <param name="colors">Colour of each class.</param>
    internal (string Html, IReadOnlyList<int> Classes) Overlay(
        string split,
        int index,
        LabelMaps maps,
        IReadOnlyList<(byte R, byte G, byte B)> colors
    )
    {
        var data = splits[split];
        var name = data.SampleName(index);
        try
        {
            var (canvas, random) = (new Canvas(), new SampleRandom());
            data.Read(index, canvas.Image);
            new ResizeWithin(MapSide, MapSide).Apply(canvas, ref random);
            var (image, map) = (canvas.Image, maps[index]);
            var ids = new long[image.PlaneSize];
            map.Follow(new(ImageView.Full, ImageView.Full, map.Size), new(image.Height, image.Width), ids);
            var caption = $"<figcaption><small>{Html.Encode(Path.GetFileName(name))}</small></figcaption>";
            var pictures = Element(image, name, "") + Element(MapOverlay.Of(image, ids, colors), name, "");
            return (
                $"""<figure class="pair">{pictures}{caption}</figure>""",
                [.. ids.Distinct().Where(id => id < colors.Count).Select(id => (int)id)]
            );
        }
        catch (DataException error)
        {
            return ($"<p>{Html.Encode(Message.OneLine(error.Message))}</p>", []);
        }
    }

    // Small images stay as they are: the page magnifies them.
    private static (int Height, int Width) Fitting(int height, int width, int side)
    {
        var factor = Math.Min(1.0, (double)side / Math.Max(height, width));
        return (Math.Max(1, (int)Math.Round(height * factor)), Math.Max(1, (int)Math.Round(width * factor)));
    }
}
