using System.Globalization;
using Tessera.Data;
using Tessera.Data.Images;
using Tessera.Training.Drawing;

namespace Tessera.Training.Tasks.Retrieval;

/// <summary>Queries beside the images that were found for them.</summary>
/// <param name="images">The images of both.</param>
internal sealed class RetrievedPictures(ImageDataset images)
{
    private const int Side = 128;

    /// <summary>A row for each query; empty without any.</summary>
    internal string Rows(IEnumerable<RetrievedExample> examples) => string.Concat(examples.Select(Row));

    private string Row(RetrievedExample example)
    {
        var score = images.Annotations is LandmarkQueries ? Html.Percent(example.Score, 1) : "query";
        return $"""
            <div class="gallery">{Figure(example.Query, "", score)}{string.Concat(example.Found.Select(item => Figure(
                item.Sample,
                item.Role switch
                {
                    ItemRole.Relevant => "",
                    ItemRole.Ignored => "○ ",
                    _ => "≠ ",
                },
                item.Similarity.ToString("0.00", CultureInfo.InvariantCulture)
            )))}</div>
            """;
    }

    private string Figure(int sample, string mark, string note)
    {
        var picture = SmallPicture.Of(images, sample, Side);
        var uri = Png.DataUri(picture.ToInterleaved(), picture.Height, picture.Width, picture.Channels);
        var name = Html.Encode($"{mark}{Html.Short(NameOf(sample), 24)}");
        return $"""
            <figure><img alt="{name}" src="{uri}"><figcaption>{name} <small>{Html.Encode(note)}</small></figcaption></figure>
            """;
    }

    private string NameOf(int sample) =>
        images.Annotations switch
        {
            ClassLabels labels => labels.ClassNames[labels.Labels[sample]],
            QueryGalleryLabels labels => labels.ClassNames[labels.Labels[sample]],
            _ => Path.GetFileNameWithoutExtension(images.SampleName(sample)),
        };
}
