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
                    var (height, width) = Fitting(file.Height, file.Width);
                    file.Resize(canvas, new(0, 0, file.Height, file.Width), height, width, Interpolation.Bilinear, shrink: true);
                }
                else
                    data.Read(index, canvas.Image);
            var image = canvas.Image;
            var source = Png.DataUri(image.ToInterleaved(), image.Height, image.Width, image.Channels);
            return $"""<img class="sample" src="{source}" alt="{Html.Encode(Path.GetFileName(data.SampleName(index)))}">""";
        }
        catch (UnreadableImageException error)
        {
            return $"<p>{Html.Encode(error.Problem)}</p>";
        }
    }

    // Small images stay as they are: the page magnifies them.
    private static (int Height, int Width) Fitting(int height, int width)
    {
        var factor = Math.Min(1.0, (double)Side / Math.Max(height, width));
        return (Math.Max(1, (int)Math.Round(height * factor)), Math.Max(1, (int)Math.Round(width * factor)));
    }
}
