using Tessera.Training.Drawing;

namespace Tessera.Training.Explain;

/// <summary>Explanations as one self-contained HTML page.</summary>
internal static class ExplainPage
{
    /// <summary>Renders the page.</summary>
    /// <param name="title">Name of the model or run.</param>
    /// <param name="explanations">One explanation per image.</param>
    public static string Render(string title, IReadOnlyList<Explanation> explanations) =>
        HtmlPage.Of(
            "explanations",
            title,
            $"""
            <section class="panel"><p>The model looks at the bright places. Roll-out multiplies the attention of all blocks as the
            classifier reads it (Abnar and Zuidema, 2020); it does not depend on the class. Grad-CAM shows the places that speak for the
            class (Selvaraju et al., 2017).</p>{Meanings(explanations)}</section>
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
                .Select(group => Meaning(group.Select(p => p.Name).Distinct(), group.Key))
        );

    private static string Meaning(IEnumerable<string> names, string? meaning) =>
        $"<p><b>{Html.Encode(string.Join(", ", names))}</b>: {Html.Encode(meaning)}</p>";

    private static string Panel(Explanation one) =>
        $"""
            <section class="panel"><h2>{Html.Encode(one.Source)}</h2>
            <figure class="attention" style="grid-template-columns:repeat({Columns(one.Pictures.Count)},minmax(0,1fr));gap:10px">
            {string.Concat(one.Pictures.Select(picture => Picture(one, picture)))}
            </figure>
            <table><tr><th>class</th><th class="number">probability</th></tr>{string.Concat(one.Choices.Select(Choice))}</table></section>
            """;

    private static string Picture(Explanation one, ExplanationPicture picture) =>
        $"""
            <div><img alt="{Html.Encode(picture.Name)}" src="{Png.DataUri(picture.Png)}">
            <small>{Html.Encode(Caption(one, picture))}</small></div>
            """;

    private static string Choice((string Class, double Probability) choice) =>
        $"""<tr><td>{Html.Encode(choice.Class)}</td><td class="number">{Html.Percent(choice.Probability)}</td></tr>""";

    // Few stand in one row, many in rows of the same length.
    private static int Columns(int pictures) => pictures <= 4 ? pictures : (pictures + (pictures + 3) / 4 - 1) / ((pictures + 3) / 4);

    private static string Caption(Explanation one, ExplanationPicture picture) =>
        picture.Name == "Grad-CAM" ? $"Grad-CAM, {one.Explained}" : picture.Name;
}
