using System.Diagnostics;
using Tessera.Search;
using Tessera.Search.Results;
using Tessera.Search.Running;
using Tessera.Testing;
using Tessera.Tests.Search.Toys;
using Tessera.Training;

namespace Tessera.Tests.Search.Running;

public sealed class SearchRunTests : IDisposable
{
    // 128 and the number of SIGKILL.
    private const int Killed = 137;

    private static readonly TimeSpan patience = TimeSpan.FromMinutes(2);

    private readonly TempFolder folder = new();

    public void Dispose() => folder.Dispose();

    private string Begun(string name, params string[] settings)
    {
        using (SearchRun.Begin(Toy.Formula(folder, settings), folder[name])) { }
        return folder[name];
    }

    private static string[] Candidates(string path)
    {
        using var search = SearchRun.Open(path);
        return Toy.Described(search.Store, ToyFormula.StageName);
    }

    [Fact]
    public void Any_number_of_workers_and_a_search_that_was_killed_come_to_the_same()
    {
        string[] settings = ["search.nan_every=10", "failures_allowed=0.5"];
        var one = Toy.Run(Begun("one", settings));
        var expected = Candidates(folder["one"]);
        Assert.Equal(18, expected.Length);
        Assert.True(one.Completed);
        Assert.Contains(expected, line => line.Contains("NaN", StringComparison.Ordinal));
        foreach (var workers in (int[])[2, 4])
        {
            var path = Begun($"workers{workers}", settings);
            var several = Toy.Run(path, workers);
            Assert.Equal(expected, Candidates(path));
            Assert.Equal(one.Ranking[0].Genome, several.Ranking[0].Genome);
        }

        var killed = Begun("killed", settings);
        var start = Toy.Describe("search", killed);
        start.Environment[ToyFormula.KillVariable] = "9";
        using (var process = Process.Start(start)!)
        {
            Assert.True(process.WaitForExit(patience));
            Assert.Equal(Killed, process.ExitCode);
        }
        var left = Candidates(killed);
        Assert.Contains(left, line => line.Contains("Leased", StringComparison.Ordinal));
        var scored = left.Where(line => line.Contains("Scored", StringComparison.Ordinal)).ToArray();
        Assert.NotEmpty(scored);
        Assert.All(scored, line => Assert.Contains(line, expected));
        var resumed = Toy.Run(killed);
        Assert.Equal(expected, Candidates(killed));
        Assert.Equal(one.Ranking.Select(network => network.Genome), resumed.Ranking.Select(network => network.Genome));
    }

    [Fact]
    public void The_candidate_of_a_worker_that_was_killed_is_scored_by_another()
    {
        var expected = Begun("whole");
        Toy.Run(expected);
        var path = Begun("broken");
        using var search = SearchRun.Open(path);
        var options = Toy.Options(path, 2);
        var launched = 0;
        var outcome = search.Run(
            options with
            {
                Launch = (stage, name) =>
                {
                    var start = options.Launch!(stage, name);
                    // The first two workers die over their second candidate: one of them has one, whoever starts sooner.
                    if (++launched <= 2)
                        start.Environment[ToyFormula.KillVariable] = "2";
                    return start;
                },
            }
        );
        Assert.True(outcome.Completed);
        Assert.True(launched >= 3);
        var candidates = search.Store.Read(ToyFormula.StageName);
        Candidate[] broken = [.. candidates.Where(one => one.Attempts > 1)];
        Assert.NotEmpty(broken);
        Assert.All(broken, one => Assert.Contains("ended by signal 9", one.Error, StringComparison.Ordinal));
        Assert.All(candidates, one => Assert.Equal(CandidateState.Scored, one.State));
        using var whole = SearchRun.Open(expected);
        Assert.Equal(
            whole.Store.Read(ToyFormula.StageName).Select(one => (one.Genome, one.Score)),
            candidates.Select(one => (one.Genome, one.Score))
        );
    }

    [Fact]
    public void A_search_that_is_stopped_gives_its_candidate_back_and_goes_on()
    {
        var expected = Begun("whole");
        Toy.Run(expected);
        var path = Begun("stopped");
        using (var stop = new CancellationTokenSource())
        {
            var done = 0;
            var outcome = Toy.Run(
                path,
                report: happened =>
                {
                    if (happened is CandidateDone && ++done == 8)
                        stop.Cancel();
                },
                stop: stop.Token
            );
            Assert.False(outcome.Completed);
        }
        Assert.DoesNotContain(Candidates(path), line => line.Contains("Leased", StringComparison.Ordinal));
        Assert.True(Toy.Run(path).Completed);
        Assert.Equal(Candidates(expected), Candidates(path));
        // One that is done goes through again without a candidate more.
        Assert.True(Toy.Run(path).Completed);
        Assert.Equal(Candidates(expected), Candidates(path));
    }

    [Fact]
    public void Too_many_failures_end_a_search_with_the_first_error()
    {
        var path = Begun("failing", "search.nan_every=1");
        var error = Assert.Throws<RunException>(() => Toy.Run(path));
        Assert.Contains("candidates have failed, more than failures_allowed; the first was", error.Message, StringComparison.Ordinal);
        Assert.Contains("the score is not finite: NaN", error.Message, StringComparison.Ordinal);
        using var search = SearchRun.Open(path);
        Assert.All(search.Store.Read(ToyFormula.StageName).Where(one => one.State == CandidateState.Failed), one =>
            Assert.Equal(3, one.Attempts)
        );
    }

    [Fact]
    public void What_a_worker_says_that_cannot_begin_ends_the_search()
    {
        var path = Begun("begins");
        using var search = SearchRun.Open(path);
        var options = Toy.Options(path, 2);
        var error = Assert.Throws<RunException>(() =>
            search.Run(options with { Launch = (stage, name) => options.Launch!("no_such_stage", name) })
        );
        Assert.Contains(
            $"a worker of stage evolve ended with exit code 2: {path}: there is no stage of candidates 'no_such_stage'; there is evolve",
            error.Message,
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void A_search_is_looked_at_while_it_runs()
    {
        var path = Begun("looked");
        var seen = new List<(int Done, int Ranked)>();
        Toy.Run(path, report: happened =>
        {
            if (happened is not SearchProgress { Generation: var generation, Done: var done, Size: var size })
                return;
            using var looked = SearchRun.Open(path);
            seen.Add((generation * size + done, NetworkRanking.Of(looked.Context).Count));
        });
        Assert.Contains((6, 6), seen);
        Assert.All(seen, look => Assert.Equal(look.Done, look.Ranked));
        Assert.Equal(18, seen[^1].Done);
    }

    [Fact]
    public void Progress_tells_generation_best_and_time_left()
    {
        var path = Begun("progress");
        var events = new List<SearchEvent>();
        Toy.Run(path, report: events.Add);
        var progress = events.OfType<SearchProgress>().ToArray();
        var half = progress.First(one => one is { Generation: 1, Done: 3 });
        Assert.Equal((3, 6), (half.Generations, half.Size));
        Assert.NotNull(half.SecondsPerCandidate);
        Assert.NotNull(half.Remaining);
        Assert.Equal(half.Best.Max(one => one.Score), half.Best[0].Score);
        Assert.Equal(TimeSpan.Zero, progress[^1].Remaining);
        Assert.Equal(18, events.OfType<CandidateDone>().Count());
        Assert.Equal(["evolve", "winner/retrained"], events.OfType<StageBegun>().Select(one => one.Stage));
    }

    [Fact]
    public void A_folder_holds_one_search_and_one_process_runs_it()
    {
        var path = Begun("once");
        Assert.Contains(
            "holds a search or a run already",
            Assert.Throws<RunException>(() => SearchRun.Begin(Toy.Formula(folder), path)).Message,
            StringComparison.Ordinal
        );
        Assert.Contains(
            "there is no search",
            Assert.Throws<RunException>(() => SearchRun.Open(folder["none"])).Message,
            StringComparison.Ordinal
        );
        using (Tessera.Training.Runs.RunLock.Take(path))
            Assert.Throws<RunException>(() => Toy.Run(path));
    }

    [Fact]
    public void What_the_method_refuses_is_not_begun_and_what_it_cannot_propose_ends_it_in_a_line()
    {
        var error = Assert.Throws<RunException>(() => SearchRun.Begin(Toy.Formula(folder, "search.size=0"), folder["refused"]));
        Assert.Equal("the recipe of the search: search.size must be at least 1", error.Message);
        Assert.False(Directory.Exists(folder["refused"]));
        var path = Begun("range", "search.range=-1");
        Assert.StartsWith("stage evolve: ", Assert.Throws<RunException>(() => Toy.Run(path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_recipe_that_is_kept_says_everything()
    {
        var recipe = Toy.Formula(folder, "workers=3", "budget.macs=[1e6, 2e6]", "search.size=4");
        using (SearchRun.Begin(recipe, folder["kept"], "# head\n")) { }
        using var search = SearchRun.Open(folder["kept"]);
        Assert.Equal(recipe.ToYaml(), search.Recipe.ToYaml());
        Assert.Equal(4, ((ToyFormula)search.Recipe.Search).Size);
        Assert.StartsWith("# head\n", File.ReadAllText(Path.Combine(search.Folder, "search.yaml")), StringComparison.Ordinal);
    }
}
