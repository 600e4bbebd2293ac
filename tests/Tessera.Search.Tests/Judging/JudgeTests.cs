using Tessera.Search;
using Tessera.Search.Judging;
using Tessera.Testing;
using Tessera.Training;

namespace Tessera.Tests.Search;

public sealed class JudgeTests : IDisposable
{
    private const string Model = "vit_micro_patch4_32";

    private readonly TempFolder folder = new();

    public void Dispose() => folder.Dispose();

    private Judge Judge(int random = 3, Budget? budget = null, params string[] handMade)
    {
        var context = new SearchContext(SmallVitas.Recipe(folder, budget), folder["search"], null);
        return new(context, new(random, HandMade: handMade), genome => genome.Length + genome.Count(c => c == '1') / 100.0);
    }

    private static string Winner => new SmallVitas().Draw(new(100), null!);

    [Fact]
    public void Networks_are_trained_alike_and_a_judgement_that_was_stopped_goes_on()
    {
        using var stop = new CancellationTokenSource();
        void Watch(JudgeProgress progress)
        {
            if (progress is { Number: 3, Training: null })
                stop.Cancel();
        }
        Assert.Throws<OperationCanceledException>(() => Judge(handMade: Model).Run(Winner, Watch, stop.Token));
        Assert.True(Judge().HasBegun);
        var trained = new List<string>();
        var judgement = Judge(handMade: Model)
            .Run(Winner, progress =>
            {
                if (progress.Training is null)
                    trained.Add(progress.Network);
            });
        Assert.Equal(["random-2", "random-3", Model], trained);
        Assert.Equal(["winner", "random-1", "random-2", "random-3", Model], judgement.Networks.Select(one => one.Name));
        Assert.All(judgement.Networks, one => Assert.Single(one.Scores));
        Assert.Equal("top1", judgement.Score);
        Assert.All(judgement.Networks, one => Assert.Equal(one.Role != NetworkRole.HandMade, one.SupernetScore is not null));
        foreach (var name in new[] { "winner", "random-1", Model })
            Assert.True(File.Exists(Path.Combine(folder["search"], "judge", name, "results.json")));
        Assert.Contains(
            judgement.Verdict,
            File.ReadAllText(Path.Combine(folder["search"], "judge", "judge.json")),
            StringComparison.Ordinal
        );
        Assert.True(File.Exists(Path.Combine(folder["search"], "judge", "report.html")));
        // All is done: only the outcome is read again.
        Assert.Equal(judgement.Verdict, Judge(handMade: Model).Run(Winner, _ => Assert.Fail("it was trained again")).Verdict);
    }

    [Fact]
    public void Another_judgement_in_the_same_folder_and_unknown_networks_are_refused()
    {
        Assert.Contains(
            "neither a model",
            Assert.Throws<RunException>(() => Judge(handMade: "no_such_model").Run(Winner)).Message,
            StringComparison.Ordinal
        );
        using var stop = new CancellationTokenSource();
        Assert.Throws<OperationCanceledException>(() => Judge().Run(Winner, _ => stop.Cancel(), stop.Token));
        Assert.Contains(
            "3 random networks, not 4",
            Assert.Throws<RunException>(() => Judge(4).Run(Winner)).Message,
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void Random_networks_are_within_the_budget()
    {
        var narrow = new Budget(Parameters: [1]);
        Assert.Contains(
            "within the budget",
            Assert.Throws<RunException>(() => Judge(2, narrow).Run(Winner)).Message,
            StringComparison.Ordinal
        );
    }
}
