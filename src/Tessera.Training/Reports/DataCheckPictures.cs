using Tessera.Data;
using Tessera.Data.Checks;
using Tessera.Data.Images;
using Tessera.Data.Imaging;
using Tessera.Training.Drawing;

namespace Tessera.Training.Reports;

/// <summary>Small pictures of the samples of a data set, for a page about it.</summary>
/// <param name="opened">The splits.</param>
internal sealed class DataCheckPictures(OpenedSplits opened)
{
    private const int Side = 96;
    private const int MapSide = 300;
    private const int BoxSide = 420;

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
            return Element(SmallPicture.Of(data, index, Side), data.SampleName(index), "sample");
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
            var (image, map) = (SmallPicture.Of(data, index, MapSide), maps[index]);
            var caption = $"<figcaption><small>{Html.Encode(Path.GetFileName(name))}</small></figcaption>";
            var scale = Math.Max(1, MapSide / Math.Max(image.Height, image.Width));
            var pictures = Element(image, name, "") + Element(MapOverlay.Of(image, map, colors, scale), name, "");
            return (
                $"""<figure class="pair">{pictures}{caption}</figure>""",
                [.. map.Ids.Distinct().Where(id => id < colors.Count).Select(id => (int)id)]
            );
        }
        catch (DataException error)
        {
            return ($"<p>{Html.Encode(Message.OneLine(error.Message))}</p>", []);
        }
    }

    /// <summary>A sample under the boxes of its objects.</summary>
    /// <param name="split">Its split.</param>
    /// <param name="index">Position in it.</param>
    /// <param name="objects">In pixels of the original.</param>
    /// <param name="classes">Name of each class.</param>
    /// <param name="caption">What is said of it.</param>
    internal string Objects(string split, int index, IReadOnlyList<ImageObject> objects, IReadOnlyList<string> classes, string caption)
    {
        var data = splits[split];
        var name = data.SampleName(index);
        try
        {
            var (image, original) = SmallPicture.WithSize(data, index, BoxSide);
            DrawnObject[] drawn =
            [
                // Small ones lie above large ones.
                .. objects
                    .OrderByDescending(one => one.Box.Area)
                    .Select(one => new DrawnObject(
                        one.Box,
                        classes[one.Class],
                        ObjectOverlay.ColorOf(one.Class),
                        !one.IsTrained,
                        one.Mask?.Size == original ? one.Mask : null
                    )),
            ];
            var scale = Math.Max(1, BoxSide / Math.Max(image.Height, image.Width));
            return $"""
                <figure>{Element(
                    ObjectOverlay.Of(image, original, drawn, scale),
                    name,
                    "boxed"
                )}<figcaption><small>{Html.Encode(Path.GetFileName(name))}: {Html.Encode(caption)}</small></figcaption></figure>
                """;
        }
        catch (DataException error)
        {
            return $"<p>{Html.Encode(Message.OneLine(error.Message))}</p>";
        }
    }
}
