using Spectre.Console;
using Tessera.Cli.Rendering;
using Tessera.Search;
using Tessera.Search.Running;

namespace Tessera.Cli.Tests;

/// <summary><c>tessera search</c> from the recipe to the model that was found.</summary>
public sealed class ArchitectureSearchTests : IDisposable
{
    private const string Genome = "3";

    private readonly Workplace place = new();

    public void Dispose() => place.Dispose();

    private void WriteRecipe() =>
        place.Write(
            "widths.yaml",
            $$"""
            search: { name: toy_widths, widest: 3 }
            data: { name: fashion_mnist, batch: 32, minival: 0.25, root: {{place.Data}} }
            retrain: { optimizer: { name: adamw, lr: 1e-2 }, schedule: { name: cosine, epochs: 1 }, train: { threads: 1 } }
            """
        );

    [Fact]
    public void A_recipe_becomes_a_network_that_is_listed_exported_measured_and_trained()
    {
        WriteRecipe();
        var searched = place.Run("search", "widths.yaml", "--set", "seed=5", "--out", "found").Succeeded();
        foreach (var line in (string[])["stage supernet (1 of 2)", "stage widths (2 of 2)", "stage winner/retrained (1 of 1)"])
            Assert.Contains(line, searched.Lines);
        Assert.Contains(searched.Lines, line => line.StartsWith("generation 1/1  candidates 3/3  best -", StringComparison.Ordinal));
        Assert.Contains(searched.Lines, line => line.StartsWith("retrained  top1 ", StringComparison.Ordinal));
        Assert.Contains("report  found/report.html", searched.Lines);
        Assert.StartsWith(
            "# tessera search widths.yaml --set seed=5\n",
            File.ReadAllText(Path.Combine(place.Folder, "found", "search.yaml")),
            StringComparison.Ordinal
        );

        // Nothing below needs the file.
        File.Delete(Path.Combine(place.Folder, "widths.yaml"));
        var shown = place.Run("search", "show", "found", "--top", "2").Succeeded();
        Assert.Equal("widths: 1 generation, 3 scored, 0 waiting, 0 at work, 0 failed", shown.Lines[0]);
        Assert.StartsWith("rank  network", shown.Lines[1], StringComparison.Ordinal);
        Assert.StartsWith("   1  ", shown.Lines[2], StringComparison.Ordinal);
        Assert.Contains(" ± 0.0100", shown.Lines[2], StringComparison.Ordinal);
        var json = place.Run("search", "show", "found", "--json").Succeeded().Json;
        Assert.Equal(3, json.GetProperty("networks").GetArrayLength());
        var best = json.GetProperty("networks")[0];
        var genome = best.GetProperty("genome").GetString()!;
        Assert.True(best.GetProperty("cost").GetProperty("macs").GetDouble() > 0);

        var again = place.Run("search", "score", "found", genome, "--json").Succeeded().Json;
        Assert.True(again.GetProperty("equal").GetBoolean());
        Assert.Equal(best.GetProperty("score").GetDouble(), again.GetProperty("score").GetDouble());
        Assert.Contains("must be a number from 1 to 3", place.Run("search", "score", "found", "4").UserError(), StringComparison.Ordinal);

        var exported = place.Run("search", "export", "found", "--rank", "1", "--out", "best", "--json").Succeeded().Json;
        Assert.Equal(("inherited", genome), (exported.GetProperty("weights").GetString(), exported.GetProperty("genome").GetString()));
        place.Run("eval", "best/bundle", "--data", "fashion_mnist", "--root", place.Data).Succeeded();
        place.Run("train", "best/recipe.yaml", "--out", "trained").Succeeded();
        Assert.Contains(
            "is there already and not empty",
            place.Run("search", "export", "found", "--out", "best").UserError(),
            StringComparison.Ordinal
        );
        Assert.Contains(
            "the rank must be from 1 to 3, not 4",
            place.Run("search", "export", "found", "--rank", "4").UserError(),
            StringComparison.Ordinal
        );

        // What is done stays as it is.
        var resumed = place.Run("search", "--resume", "found", "--json").Succeeded().Json;
        Assert.True(resumed.GetProperty("completed").GetBoolean());
        Assert.Equal(genome, resumed.GetProperty("networks")[0].GetProperty("genome").GetString());
        WriteRecipe();
        Assert.Contains(
            "holds a search or a run already",
            place.Run("search", "widths.yaml", "--out", "found").UserError(),
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void A_search_with_workers_is_looked_at_stopped_resumed_and_killed()
    {
        place.Write(
            "formula.yaml",
            $$"""
            search: { name: toy_formula, generations: 5000, size: 6, range: 1000 }
            data: { name: fashion_mnist, root: {{place.Data}} }
            retrain: { optimizer: { name: adamw, lr: 1e-2 }, schedule: { name: cosine, epochs: 1 }, train: { threads: 1 } }
            """
        );
        var environment = new Dictionary<string, string> { ["DOTNET_STARTUP_HOOKS"] = typeof(StartupHook).Assembly.Location };
        using (
            var first = CommandLineTool.StartUntil(
                place.Folder,
                "generation 2/5000  candidates 6/6",
                environment,
                ["search", "formula.yaml", "--out", "found", "--workers", "2"]
            )
        )
        {
            Assert.True(Scored() >= 12);
            first.Interrupt();
            var stopped = first.End();
            Assert.Equal(130, stopped.Code);
            Assert.Contains("Stopped. Go on with: tessera search --resume found", stopped.Lines);
        }
        Assert.Equal(0, Count("leased"));
        var before = Scored();
        using (
            var second = CommandLineTool.StartUntil(
                place.Folder,
                "  candidates 6/6",
                environment,
                ["search", "--resume", "found", "--workers", "2"]
            )
        )
        {
            second.Send(9);
            Assert.Equal(137, second.End().Code);
        }
        Assert.True(Scored() > before);
        var exported = place.Run("search", "export", "found", "--out", "best").Succeeded();
        Assert.Contains("bundle  best/bundle, without weights: the search has none for a single network", exported.Lines);
        // The workers end by themselves.
        Assert.True(SpinWait.SpinUntil(() => !Workers().Any(), TimeSpan.FromMinutes(1)));

        int Scored() => Count("scored");

        int Count(string state) =>
            place.Run("search", "show", "found", "--json").Succeeded().Json.GetProperty("stages")[0].GetProperty(state).GetInt32();

        IEnumerable<int> Workers() =>
            Directory
                .GetDirectories("/proc")
                .Select(path => int.TryParse(Path.GetFileName(path), out var id) ? id : 0)
                .Where(id => id > 0 && CommandLineTool.CommandLineOf(id).Contains($"work\0{place.Folder}", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("a recipe of a search must be given", "search")]
    [InlineData("--resume cannot be combined with a recipe", "search", "x.yaml", "--resume", "y")]
    [InlineData("there is no search (no search.yaml)", "search", "show", "nowhere")]
    [InlineData("there is no search (no search.yaml)", "search", "--resume", "nowhere")]
    [InlineData("--workers must be at least 1", "search", "x.yaml", "--workers", "0")]
    public void Wrong_requests_are_refused_in_a_line(string problem, params string[] arguments) =>
        Assert.Contains(problem, place.Run(arguments).UserError(), StringComparison.Ordinal);

    [Fact]
    public void Workers_that_cannot_begin_end_the_search_with_what_they_say()
    {
        WriteRecipe();
        // A worker is the program itself, which does not know the method of these tests.
        var error = place.Run("search", "widths.yaml", "--out", "found", "--workers", "2", "--quiet").UserError();
        Assert.Contains("a worker of stage widths ended with exit code 2: tessera: ", error, StringComparison.Ordinal);
        Assert.Contains("toy_widths", error, StringComparison.Ordinal);
    }

    [Fact]
    public void On_a_terminal_the_best_networks_are_drawn_beside_the_progress()
    {
        using var text = new StringWriter();
        var console = AnsiConsole.Create(new() { Ansi = AnsiSupport.Yes, Out = new AnsiConsoleOutput(text) });
        console.Profile.Width = 120;
        var view = new LiveSearchView(console);
        view.Run(() =>
        {
            view.Handle(new StageBegun("evolve", 2, 3));
            var candidate = new Candidate(1, "evolve", 0, 0, Genome, new(Macs: 2e6), 0, CandidateState.Scored)
            {
                Score = 0.75,
                StandardError = 0.01,
                Evaluated = true,
            };
            view.Handle(new CandidateDone(candidate with { State = CandidateState.Failed, Error = "out of [memory]" }));
            view.Handle(new SearchProgress("evolve", 0, 4, 3, 6, 1, 2.5, TimeSpan.FromMinutes(2)) { Best = [candidate] });
            return 0;
        });
        var drawn = text.ToString();
        foreach (
            var part in (string[])
                [
                    "stage evolve (2 of 3)",
                    "3 has failed: out of [memory]",
                    "generation 1/4 · candidates 3/6 · best 0.7500 ± 0.0100 · 1 failed · 2.5 s a candidate · 2:00 left",
                    "2 M",
                ]
        )
            Assert.Contains(part, drawn, StringComparison.Ordinal);
    }
}
