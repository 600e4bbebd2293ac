using System.Globalization;
using Tessera.Data;
using Tessera.Training.Drawing;

namespace Tessera.Training.Explain;

/// <summary>A picture on a page of answers.</summary>
/// <param name="Title">What it is called there.</param>
/// <param name="Png">The picture; null where its file can no longer be read.</param>
internal sealed record ShownPicture(string Title, byte[]? Png);

/// <summary>An image as the model sees it, for the comparison of two.</summary>
/// <param name="Png">The image with what speaks for the match.</param>
/// <param name="Height">Its height in pixels.</param>
/// <param name="Width">Its width in pixels.</param>
internal sealed record ComparedPicture(byte[] Png, int Height, int Width)
{
    /// <summary>An image under a map.</summary>
    /// <param name="image">[1, C, H, W], normalised.</param>
    /// <param name="normalization">What was done to it.</param>
    /// <param name="map">The map; null for the image alone.</param>
    internal static ComparedPicture Of(Tensor image, Normalization normalization, HeatMap? map)
    {
        var (_, channels, height, width) = image.Shape;
        var pixels = Explanation.Pixels(image, normalization);
        return new(Overlay.Draw(pixels, (int)height, (int)width, (int)channels, map, 256), (int)height, (int)width);
    }
}

/// <summary>A picture that was found.</summary>
/// <param name="Picture">The picture.</param>
/// <param name="Similarity">Inner product of the descriptors.</param>
/// <param name="Facts">What is known of it.</param>
/// <param name="Match">Why the model finds it like the query; null where nobody asked.</param>
internal sealed record FoundPicture(
    ShownPicture Picture,
    double Similarity,
    IReadOnlyList<(string Name, string Value)> Facts,
    (ComparedPicture Query, ComparedPicture Found, ImageMatch Match)? Match
);

/// <summary>Pictures that were searched with and those that were found, as one self-contained page.</summary>
internal static class SearchPage
{
    private const int Side = 300,
        Gap = 40;

    // Of the lines in charts.
    private static readonly string[] colors = ["s1", "s0", "s2", "s5", "s3", "s6"];

    /// <summary>Renders the page.</summary>
    /// <param name="title">What was searched.</param>
    /// <param name="facts">How.</param>
    /// <param name="answers">Each query with what was found, the most similar first.</param>
    internal static string Render(
        string title,
        IEnumerable<(string Name, string Value)> facts,
        IReadOnlyList<(ShownPicture Query, IReadOnlyList<FoundPicture> Found)> answers
    ) =>
        HtmlPage.Of(
            "search by similarity",
            title,
            $"""
            <section class="panel">{HtmlPage.Facts(facts)}</section>
            {Svg.Lines(answers, Answer)}
            {(answers.Any(answer => answer.Found.Any(found => found.Match is not null)) ? Meaning : "")}
            """
        );

    private const string Meaning = """
        <section class="panel"><p>Where a match is explained, both images are shown as the model sees them. Bright places speak for the
        match: they are Grad-CAM of the similarity (Selvaraju et al., 2017), scaled to the brightest place of each image. Lines join patches
        whose tokens are each other's nearest, with the cosine of their angle; up to six are drawn, those first that are alike and speak for
        the match.</p></section>
        """;

    private static string Answer((ShownPicture Query, IReadOnlyList<FoundPicture> Found) answer) =>
        $"""
            <section class="panel"><h2>{Html.Encode(answer.Query.Title)}</h2>
            <div class="gallery">{Figure(answer.Query, "searched with", [])}{string.Concat(answer.Found.Select(Found))}</div>
            {(answer.Found.Count == 0 ? "<p>Nothing was found.</p>" : "")}
            <div class="columns" style="gap:18px;margin-top:18px">
            {string.Concat(answer.Found.Index().Select(found => Explained(found.Item, found.Index + 1)))}
            </div></section>
            """;

    private static string Found(FoundPicture found) => Figure(found.Picture, Near(found.Similarity), found.Facts);

    private static string Figure(ShownPicture picture, string note, IReadOnlyList<(string Name, string Value)> facts)
    {
        var title = Html.Encode(picture.Title);
        var image = picture.Png is { } png
            ? $"""<img alt="{title}" src="{Png.DataUri(png)}">"""
            : "<small>the file can no longer be read</small>";
        var lines = string.Concat(facts.Select(fact => $"<br><small>{Html.Encode($"{fact.Name}: {fact.Value}")}</small>"));
        return $"<figure>{image}<figcaption>{title} <small>{Html.Encode(note)}</small>{lines}</figcaption></figure>\n";
    }

    private static string Explained(FoundPicture found, int rank)
    {
        if (found.Match is not var (query, other, match))
            return "";
        var (left, right) = (Fitted(query), Fitted(other));
        var height = Math.Max(left.Height, right.Height);
        // Places are shares of the images.
        (double X, double Y) Here((double X, double Y) place) => (place.X * left.Width, place.Y * left.Height);
        (double X, double Y) There((double X, double Y) place) => (left.Width + Gap + place.X * right.Width, place.Y * right.Height);
        var pairs = match.Pairs.Select(
            (pair, i) =>
            {
                var ((x1, y1), (x2, y2)) = (Here(pair.First), There(pair.Second));
                return $"""
                    <g class="{colors[i % colors.Length]}" fill="none" stroke-width="2"><title>cosine {Near(pair.Similarity)}</title>
                    <path d="{Svg.Polyline([(x1, y1), (x2, y2)])}"/>
                    <circle cx="{Html.At(x1)}" cy="{Html.At(y1)}" r="5"/><circle cx="{Html.At(x2)}" cy="{Html.At(y2)}" r="5"/></g>
                    """;
            }
        );
        return $"""
            <figure><figcaption>{rank}: {Html.Encode(found.Picture.Title)} <small>{Near(found.Similarity)}</small></figcaption>
            <svg viewBox="0 0 {left.Width + Gap + right.Width} {height}" style="max-width:{left.Width + Gap + right.Width}px">
            <image href="{Png.DataUri(query.Png)}" width="{left.Width}" height="{left.Height}"/>
            <image href="{Png.DataUri(other.Png)}" x="{left.Width + Gap}" width="{right.Width}" height="{right.Height}"/>
            {string.Join('\n', pairs)}
            </svg></figure>
            """;
    }

    private static (int Width, int Height) Fitted(ComparedPicture picture)
    {
        var scale = (double)Side / Math.Max(picture.Height, picture.Width);
        return ((int)Math.Round(picture.Width * scale), (int)Math.Round(picture.Height * scale));
    }

    private static string Near(double similarity) => similarity.ToString("0.000", CultureInfo.InvariantCulture);
}
