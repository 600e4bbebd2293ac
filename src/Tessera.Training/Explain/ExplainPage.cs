using Tessera.Training.Drawing;

namespace Tessera.Training.Explain;

/// <summary>Explanations as one HTML page that needs nothing else.</summary>
public static class ExplainPage
{
    /// <summary>The page.</summary>
    /// <param name="title">Model or run.</param>
    /// <param name="explanations">An image each.</param>
    public static string Render(string title, IReadOnlyList<Explanation> explanations) =>
        HtmlPage.Of(
            "explanations",
            title,
            $"""
            <section class="panel"><p>Bright is where the model looks. Roll-out: the attention of all blocks multiplied, as the classifier reads it (Abnar and Zuidema, 2020); it does not depend on the class. Grad-CAM: the places that speak for the class (Selvaraju et al., 2017).</p>{Meanings(
                explanations
            )}</section>
            <div class="columns">
            {string.Join('\n', explanations.Select(Panel))}
            </div>
            """
        );

    private static string Meanings(IReadOnlyList<Explanation> explanations) =>
        string.Concat(
            explanations
                .SelectMany(one => one.Pictures)
                .Where(p => p.Meaning is not null)
                .GroupBy(p => p.Meaning)
                .Select(group =>
                    $"<p><b>{Html.Encode(string.Join(", ", group.Select(p => p.Name).Distinct()))}</b>: {Html.Encode(group.Key)}</p>"
                )
        );

    private static string Panel(Explanation one) =>
        $"<section class=\"panel\"><h2>{Html.Encode(one.Source)}</h2><figure class=\"attention\" style=\"grid-template-columns:repeat({Columns(one.Pictures.Count)},minmax(0,1fr));gap:10px\">"
        + string.Concat(
            one.Pictures.Select(p =>
                $"<div><img alt=\"{Html.Encode(p.Name)}\" src=\"{Png.DataUri(p.Png)}\"><small>{Html.Encode(Caption(one, p))}</small></div>"
            )
        )
        + $"</figure><table><tr><th>class</th><th class=\"number\">probability</th></tr>{string.Concat(one.Choices.Select(c => $"<tr><td>{Html.Encode(c.Class)}</td><td class=\"number\">{Html.Percent(c.Probability)}</td></tr>"))}</table></section>";

    // Few stand in one row, many in rows of the same length.
    private static int Columns(int pictures) => pictures <= 4 ? pictures : (pictures + (pictures + 3) / 4 - 1) / ((pictures + 3) / 4);

    private static string Caption(Explanation one, ExplanationPicture picture) =>
        picture.Name == "Grad-CAM" ? $"Grad-CAM, {one.Explained}" : picture.Name;
}
