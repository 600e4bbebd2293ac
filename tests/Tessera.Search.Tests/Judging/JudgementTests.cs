using Tessera.Search;
using Tessera.Search.Judging;

namespace Tessera.Tests.Search;

public class JudgementTests
{
    private static JudgedNetwork Network(string name, NetworkRole role, double? supernet, params double[] scores) =>
        new(name, role, name, new(1e6), true, supernet) { Scores = scores, CoreHours = 0.5 };

    private static Judgement Of(double winner, bool higher = true, params double[] random) =>
        new(
            "top1",
            higher,
            [
                Network("winner", NetworkRole.Winner, 0.9, winner),
                .. random.Select((score, i) => Network($"random-{i + 1}", NetworkRole.Random, 0.1 * i, score)),
                Network("vit", NetworkRole.HandMade, null, 0.7),
            ],
            2
        );

    [Fact]
    public void Figures_are_those_of_the_scores()
    {
        var judgement = Of(0.8, true, 0.5, 0.52, 0.54, 0.51);
        Assert.Equal(0.5175, judgement.RandomMean, 12);
        Assert.Equal(0.54, judgement.RandomBest);
        Assert.Equal(0.2825, judgement.Gain, 12);
        Assert.Equal(1, judgement.WinnerPlace);
        // Of six pairs four are in the order of the supernet.
        Assert.Equal((4 - 2) / 6.0, judgement.Tau!.Value, 12);
        Assert.Equal(0.4, judgement.Spearman!.Value, 12);
        Assert.Equal(0.1, judgement.HandMade.Single().Gain, 12);
        Assert.Null(judgement.HandMade.Single().Interval);
        Assert.Equal((2, 3), (judgement.SearchCoreHours, judgement.JudgeCoreHours));
        // The deviation is 0.017078; that of one more network above the mean of four is 1.118 times it.
        Assert.Equal(0.2825 - 3.182446 * 0.0170783 * Math.Sqrt(1.25), judgement.GainInterval!.Low, 1e-5);
    }

    [Fact]
    public void The_search_beat_chance_only_where_the_interval_says_so()
    {
        Assert.StartsWith("The search beat chance: ", Of(0.8, true, 0.5, 0.52, 0.54, 0.51).Verdict, StringComparison.Ordinal);
        Assert.StartsWith(
            "Whether the search beat chance is not shown: ",
            Of(0.55, true, 0.5, 0.52, 0.54, 0.51).Verdict,
            StringComparison.Ordinal
        );
        Assert.StartsWith("The search did worse than chance: ", Of(0.2, true, 0.5, 0.52, 0.54, 0.51).Verdict, StringComparison.Ordinal);
    }

    [Fact]
    public void Of_losses_the_lower_ones_are_better()
    {
        var judgement = Of(0.2, false, 0.5, 0.52, 0.54, 0.51);
        Assert.Equal((0.5, 1), (judgement.RandomBest, judgement.WinnerPlace));
        Assert.StartsWith("The search beat chance: ", judgement.Verdict, StringComparison.Ordinal);
        Assert.Equal(-(4 - 2) / 6.0, judgement.Tau!.Value, 12);
        Assert.Equal(0.5, judgement.HandMade.Single().Gain, 12);
    }

    [Fact]
    public void Without_scores_of_a_supernet_there_is_no_tau()
    {
        var judgement = Of(0.8, true, 0.5, 0.52, 0.54, 0.51);
        var without = judgement with { Networks = [.. judgement.Networks.Select(one => one with { SupernetScore = null })] };
        Assert.Null(without.Tau);
        Assert.Null(without.TauInterval);
        Assert.Contains("not known", JudgePage.Render("search", without), StringComparison.Ordinal);
        Assert.Contains("<circle", JudgePage.Render("search", judgement), StringComparison.Ordinal);
        Assert.DoesNotContain("<circle", JudgePage.Render("search", without), StringComparison.Ordinal);
    }
}
