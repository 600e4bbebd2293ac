using System.Text.RegularExpressions;
using Tessera.Data;
using Tessera.Training.Tasks.Retrieval;

namespace Tessera.Conformance.Cases;

[Case("retrieval-eval.recall")]
internal sealed class RetrievalRecall : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        var (queries, labels) = (run.Input("queries"), run.Input("query_labels").ToArray<long>());
        var within = c.Bool("self_gallery");
        c.Expect("queries", queries.Size(0));
        c.Expect("dim", queries.Size(1));
        var (all, classes, roles) = (queries, labels, (bool[]?)null);
        if (!within)
        {
            var gallery = run.Input("gallery");
            all = Torch.Cat([queries, gallery], 0);
            classes = [.. labels, .. run.Input("gallery_labels").ToArray<long>()];
            roles = [.. classes.Select((_, row) => row < labels.Length)];
        }
        c.Expect("gallery", within ? queries.Size(0) : run.Input("gallery").Size(0));
        var measured = CategoryRetrieval.Measure(all, classes, c.Ints("k"), roles);
        foreach (var (k, share) in measured.Recall)
            run.Output($"recall_at_{k}", share);
        run.Output("map_at_r", measured.MapAtR ?? 0);
        run.Output("r_precision", measured.RPrecision ?? 0);
    }
}

[Case("retrieval-eval.revisited-map")]
internal sealed class RetrievalRevisitedMap : GoldenCase
{
    private static readonly Dictionary<string, string> letters = new()
    {
        ["easy"] = "E",
        ["medium"] = "M",
        ["hard"] = "H",
    };

    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        var (database, queries) = (run.Input("database"), run.Input("queries"));
        c.Expect("database", database.Size(0));
        c.Expect("queries", queries.Size(0));
        c.Expect("dim", queries.Size(1));
        var searched = (int)database.Size(0);
        var truth = new LandmarkQueries(
            searched + (int)queries.Size(0),
            [
                .. c.Objects("ground_truth")
                    .Select((query, i) => new LandmarkQuery(searched + i, query.Ints("easy"), query.Ints("hard"), query.Ints("junk"))),
            ]
        );
        foreach (var level in Measure(database, queries, truth, c.Ints("kappas")))
        {
            var letter = letters[level.Name];
            run.Output($"map_{letter}", level.Map ?? 0);
            run.Output($"ap_{letter}", level.AveragePrecisions.Select(precision => precision ?? -1));
            run.Output($"mean_precision_{letter}", level.Precision.Select(one => one.Share ?? 0));
        }
    }

    internal static IReadOnlyList<RevisitedLevel> Measure(Tensor database, Tensor queries, LandmarkQueries truth, int[] ks) =>
        RevisitedRetrieval.Measure(Torch.Cat([database, queries], 0), [.. Enumerable.Range(0, truth.Count)], truth, ks).Levels;
}

[Case("metrics.retrieval")]
internal sealed partial class MetricsRetrieval : GoldenCase
{
    // Which list is emptied stands in the notes alone.
    [GeneratedRegex(@"query ([0-9]+) has its (easy|hard|junk) list emptied", RegexOptions.CultureInvariant)]
    private static partial Regex Emptied { get; }

    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        var (features, labels) = (run.Input("features"), run.Input("labels").ToArray<long>());
        var (queries, roles) = (run.Input("queries"), run.Input("roles"));
        c.Expect("database", features.Size(0));
        c.Expect("queries", queries.Size(0));
        foreach (var (k, share) in CategoryRetrieval.Measure(features, labels, c.Ints("ks")).Recall)
            run.Output($"recall@{k}", share);
        var (searched, all) = ((int)features.Size(0), roles.ToArray<long>());
        var emptied = Emptied
            .Matches(run.File.Notes)
            .Select(match => (int.Parse(match.Groups[1].Value, System.Globalization.CultureInfo.InvariantCulture), match.Groups[2].Value))
            .ToHashSet();
        var truth = new LandmarkQueries(
            searched + (int)queries.Size(0),
            [
                .. Enumerable
                    .Range(0, (int)queries.Size(0))
                    .Select(query => new LandmarkQuery(
                        searched + query,
                        Places(query, 0, "easy"),
                        Places(query, 1, "hard"),
                        Places(query, 2, "junk")
                    )),
            ]
        );
        foreach (var level in RetrievalRevisitedMap.Measure(features, queries, truth, c.Ints("map_kappas")))
        {
            run.Output($"map.{level.Name}", level.Map ?? 0);
            run.Output($"ap.{level.Name}", level.AveragePrecisions.Select(precision => precision ?? -1));
            run.Output($"mp.{level.Name}", level.Precision.Select(one => one.Share ?? 0));
        }

        int[] Places(int query, long role, string name) =>
            emptied.Contains((query, name)) ? [] : [.. Enumerable.Range(0, searched).Where(place => all[query * searched + place] == role)];
    }
}
