using System.Diagnostics;
using System.Text.Json;
using Tessera.Search;
using Tessera.Search.Results;
using Tessera.Search.Running;
using Tessera.Testing;
using Tessera.Tests.Search.Toys;
using Tessera.Training;
using Tessera.Training.Bundles;
using Tessera.Training.Experiments;
using Tessera.Training.Runs;

namespace Tessera.Tests.Search.Results;

public sealed class SearchResultTests : IDisposable
{
    private readonly TempFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void A_supernet_is_trained_its_parts_are_scored_and_the_winner_is_trained_and_exported()
    {
        using var search = SearchRun.Begin(Toy.Widths(folder, "search.two_trainings=true"), folder["search"]);
        var stages = new List<string>();
        var outcome = search.Run(report: happened =>
        {
            if (happened is StageBegun begun)
                stages.Add($"{begun.Stage} {begun.Number}/{begun.Stages}");
        });
        Assert.True(outcome.Completed);
        Assert.Equal(["supernet 1/2", "widths 2/2", "winner/first 1/2", "winner/second 2/2"], stages);
        var winner = outcome.Ranking[0];
        Assert.Equal(6, outcome.Ranking.Count);
        Assert.True(winner.Cost.Macs > 0);
        Assert.All(outcome.Retrained, run => Assert.Equal("top1", run.Primary));
        // The second begins with the weights of the first.
        Assert.Equal(
            folder["search/winner/first"],
            Recipe.OfRun(new RunFolder(folder["search/winner/second"]).RecipePath).Model.Weights!.File
        );

        var export = SearchExport.Write(search.Context, winner.Genome, folder["exported"]);
        Assert.True(export.HasWeights);
        using (new Scope())
        {
            var bundle = ModelBundle.Load(export.BundlePath);
            Assert.Equal(["lying", "standing"], bundle.Classes);
            var data = bundle.Task.Prepare(search.Context.SearchData.Open("minival"), bundle.Facts);
            var measured = new BundleMeasurement(bundle, data, 16, 0.0).Run();
            Assert.Equal(winner.Candidate!.Score!.Value, -measured.Scalars["loss"]);
        }
        Assert.Contains(
            "is there already and not empty",
            Assert.Throws<RunException>(() => SearchExport.Write(search.Context, winner.Genome, folder["exported"])).Message,
            StringComparison.Ordinal
        );
        // The recipe trains as it is.
        var staged = StagedRun.Begin(export.RecipePath, [], folder["again"]);
        Assert.Equal(["first", "second"], staged.Stages.Select(stage => stage.Name));

        using (var again = Process.Start(Toy.Describe("score", search.Folder, winner.Genome))!)
        {
            again.WaitForExit();
            Assert.Equal(0, again.ExitCode);
        }
        Assert.Contains(
            "must be a number from 1 to 6",
            Assert.Throws<RunException>(() => Rescoring.Of(search, "7")).Message,
            StringComparison.Ordinal
        );

        var results = JsonDocument.Parse(File.ReadAllBytes(folder["search/results.json"])).RootElement;
        Assert.Equal(winner.Genome, results.GetProperty("winner").GetProperty("genome").GetString());
        Assert.Equal(2, results.GetProperty("retrained").GetArrayLength());
        var page = File.ReadAllText(folder["search/report.html"]);
        Assert.Contains("Score over MACs", page, StringComparison.Ordinal);
        Assert.Contains("Score over parameters", page, StringComparison.Ordinal);
        Assert.DoesNotContain("published cost", page, StringComparison.Ordinal);
    }

    [Fact]
    public void A_network_without_inherited_weights_is_exported_with_its_recipe_alone()
    {
        using var search = SearchRun.Begin(Toy.Formula(folder), folder["search"]);
        Assert.Contains(
            "no network of the stage that decides has a score yet",
            Assert.Throws<RunException>(() => NetworkRanking.At(search.Context, 1)).Message,
            StringComparison.Ordinal
        );
        search.Run(new(Retrain: false));
        var best = NetworkRanking.At(search.Context, 1);
        var export = SearchExport.Write(search.Context, best.Genome, folder["exported"]);
        Assert.False(export.HasWeights);
        Assert.Contains(
            "no weights yet",
            Assert.Throws<RunException>(() => ModelBundle.Load(export.BundlePath)).Message,
            StringComparison.Ordinal
        );
        using var experiment = Experiment.Begin(export.RecipePath, [], folder["trained"]);
        Assert.Equal(ToyFormula.Parse(best.Genome).First + 1, experiment.Model.StateDict()["stem.weight"].Shape[0]);
        Assert.Contains(
            "the rank must be from 1 to 18, not 19",
            Assert.Throws<RunException>(() => NetworkRanking.At(search.Context, 19)).Message,
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void Scores_within_two_standard_errors_of_the_difference_are_ties()
    {
        var ranking = NetworkRanking.Of([
            Scored("worst", 0.5, 0.03),
            Scored("near", 0.92, 0.03),
            Scored("best", 1, 0.04),
            Scored("far", 0.899, 0.03),
            Scored("given", 2, 0) with
            {
                Evaluated = false,
            },
            Scored("failed", 0, 0) with
            {
                State = CandidateState.Failed,
                Score = null,
            },
        ]);
        Assert.Equal(
            [("best", false), ("near", true), ("far", false), ("worst", false)],
            ranking.Select(one => (one.Genome, one.TiesWithBest))
        );
        Assert.Equal([1, 2, 3, 4], ranking.Select(one => one.Rank));

        static Candidate Scored(string genome, double score, double error) =>
            new(0, "stage", 0, 0, genome, new(), 0, CandidateState.Scored)
            {
                Score = score,
                StandardError = error,
                Evaluated = true,
            };
    }

    [Fact]
    public void Networks_made_by_hand_are_measured_and_stand_beside_the_front_as_stars()
    {
        var recipe = Toy.Formula(folder);
        var byHand = recipe.Retrain.With(new(new ToyNetwork(3)), recipe.Data with { Split = "minitrain" });
        double score;
        using (var experiment = Experiment.Begin(byHand, folder["by-hand"]))
            score = experiment.Train().Last!.Score.Value;
        using var search = SearchRun.Begin(recipe with { HandMade = [folder["by-hand"]] }, folder["search"]);
        search.Run(new(Retrain: false));
        var measured = Assert.Single(ComparedNetwork.Of(search.Context, default));
        Assert.Equal(("by-hand", score), (measured.Name, measured.Score));
        Assert.Equal(costByHand, (measured.Cost.Macs, measured.Cost.Parameters));
        Assert.True(File.Exists(folder["search/hand-made.json"]));
        var page = File.ReadAllText(folder["search/report.html"]);
        Assert.Contains("Z\"><title>by-hand: ", page, StringComparison.Ordinal);
        Assert.Contains("stars are networks made by hand", page, StringComparison.Ordinal);
    }

    // Three channels of 2x2 patches at 4x4 places, and a classifier of two classes.
    private static readonly (double?, double?) costByHand = (16 * 12 * 3 + 3 * 2, 12 * 3 + 3 + 3 * 2 + 2);
}
