using System.Diagnostics;
using System.Runtime.CompilerServices;
using Tessera.Data.Sets;
using Tessera.Outside;
using Tessera.Search;
using Tessera.Search.Running;
using Tessera.Testing;
using Tessera.Training.Recipes;

namespace Tessera.Tests.Search.Toys;

/// <summary>Searches for tests.</summary>
internal static class Toy
{
    private const string Retrain =
        "retrain: { optimizer: { name: adamw, lr: 2e-2 }, schedule: { name: cosine, epochs: 2 }, train: { threads: 1 } }\n";

    [ModuleInitializer]
    internal static void Register()
    {
        Datasets.Add(Shapes.Kind);
        RecipeParts.Register<ToyFormula>();
        RecipeParts.Register<ToyWidths>();
        RecipeParts.Register<ToyNetwork>();
    }

    /// <summary>The recipe of a search by formula.</summary>
    internal static SearchRecipe Formula(TempFolder folder, params string[] settings) => Load(folder, "toy_formula", settings);

    /// <summary>The recipe of a search over widths.</summary>
    internal static SearchRecipe Widths(TempFolder folder, params string[] settings) => Load(folder, "toy_widths", settings);

    private static SearchRecipe Load(TempFolder folder, string method, string[] settings) =>
        SearchRecipe.Load(
            folder.Write(
                $"{method}.yaml",
                $"search: {{ name: {method} }}\ndata: {{ name: shapes, batch: 8, minival: 0.25 }}\n{Retrain}seed: 3\n"
            ),
            settings
        );

    /// <summary>Runs a search in this process.</summary>
    internal static SearchOutcome Run(string folder, int workers = 1, Action<SearchEvent>? report = null, CancellationToken stop = default)
    {
        using var search = SearchRun.Open(folder);
        return search.Run(Options(folder, workers), report, stop);
    }

    internal static SearchRunOptions Options(string folder, int workers) => new(workers, Launch: (stage, name) =>
        {
            var start = Describe("work", folder, stage, name);
            (start.RedirectStandardInput, start.RedirectStandardError) = (true, true);
            return start;
        }) { Interval = TimeSpan.FromMilliseconds(20) };

    /// <summary>How <see cref="Program"/> is started as a process of its own.</summary>
    internal static ProcessStartInfo Describe(params string[] words) =>
        new("dotnet", [typeof(Toy).Assembly.Location, .. words]) { RedirectStandardOutput = words[0] == "lease" };

    /// <summary>What of a candidate has to be the same however the search was run.</summary>
    internal static string[] Described(ICandidateStore store, string stage) =>
        [
            .. store
                .Read(stage)
                .Select(one =>
                    FormattableString.Invariant(
                        $"{one.Generation}.{one.Position} {one.Genome} {one.Cost} {one.Seed} {one.State} {one.Score:R} "
                    )
                    + FormattableString.Invariant($"{one.StandardError:R} {one.Error} {string.Join(' ', one.Parents)} ")
                    + string.Join(' ', one.Figures)
                ),
        ];
}
