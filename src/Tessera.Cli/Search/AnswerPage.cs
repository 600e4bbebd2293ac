using System.Globalization;
using Tessera.Data;
using Tessera.Data.Imaging;
using Tessera.Retrieval;
using Tessera.Training.Drawing;
using Tessera.Training.Explain;

namespace Tessera.Cli.Search;

/// <summary>A picture that was searched with.</summary>
/// <param name="Query">Its file.</param>
/// <param name="Found">Items of the index, the most similar first.</param>
internal sealed record SearchAnswer(string Query, IReadOnlyList<Neighbor> Found);

/// <summary>The page of a search.</summary>
internal static class AnswerPage
{
    private const int Side = 160;

    /// <summary>Renders the page: pictures are read again, those that are gone are left empty.</summary>
    /// <param name="path">File of the index.</param>
    /// <param name="index">The index.</param>
    /// <param name="model">Explains matches.</param>
    /// <param name="options">How it was searched.</param>
    /// <param name="where">The condition that items had to meet, in words; null for none.</param>
    /// <param name="answers">What was found.</param>
    /// <param name="explained">Matches of each query that are explained.</param>
    /// <param name="stop">Gives up between two pictures.</param>
    /// <exception cref="OperationCanceledException">It was stopped.</exception>
    internal static string Render(
        string path,
        VectorIndex index,
        IndexModel model,
        SearchOptions options,
        string? where,
        IReadOnlyList<SearchAnswer> answers,
        int explained,
        CancellationToken stop
    ) =>
        SearchPage.Render(
            Path.GetFileName(path),
            [
                ("pictures", index.Count.ToString("N0", CultureInfo.InvariantCulture)),
                ("model", index.Header.Model),
                ("numbers", index.Header.Dimension.ToString(CultureInfo.InvariantCulture)),
                ("preparation", IndexNotes.Preparation(index.Header.Notes)),
                ("search", options.Approximate ? "approximate, by a graph" : "exact"),
                .. where is not null ? [("only", where)] : Array.Empty<(string, string)>(),
            ],
            [
                .. answers.Select(answer =>
                    (
                        new ShownPicture(Path.GetFileName(answer.Query), Small(model, answer.Query)),
                        (IReadOnlyList<FoundPicture>)
                            [.. answer.Found.Select((one, rank) => Found(model, answer.Query, one, rank < explained, stop))]
                    )
                ),
            ]
        );

    private static FoundPicture Found(IndexModel model, string query, Neighbor one, bool explained, CancellationToken stop)
    {
        stop.ThrowIfCancellationRequested();
        var png = Small(model, one.Item.Name);
        return new(
            new(Path.GetFileName(one.Item.Name), png),
            one.Similarity,
            [
                ("id", one.Item.Id.ToString(CultureInfo.InvariantCulture)),
                .. one.Item.Metadata.Where(field => !PictureFields.IsState(field.Key)).Select(field => (field.Key, field.Value)),
            ],
            png is not null && explained ? Explained(model, query, one.Item.Name) : null
        );
    }

    private static (ComparedPicture, ComparedPicture, ImageMatch)? Explained(IndexModel model, string query, string found)
    {
        using var scope = new Scope();
        var (first, second) = (model.Prepared(query), model.Prepared(found));
        var match = ImageMatch.Of(model.Bundle.Backbone, model.Describer, first, second);
        return (
            ComparedPicture.Of(first, model.Normalization, match.First),
            ComparedPicture.Of(second, model.Normalization, match.Second),
            match
        );
    }

    // Null for a file that can no longer be read: what was found is found all the same.
    private static byte[]? Small(IndexModel model, string file)
    {
        try
        {
            var raster = model.Bundle.Read([file]).Single().Picture!(Side);
            return Png.Encode(raster.ToInterleaved(), raster.Height, raster.Width, raster.Channels);
        }
        catch (DataException)
        {
            return null;
        }
    }
}
