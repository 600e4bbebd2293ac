using Tessera.Models;
using Tessera.Search.Methods;
using Tessera.Search.Statistics;
using Tessera.Search.Surrogates;
using Tessera.Tests.Search.Methods;

namespace Tessera.Tests.Search.Surrogates;

public sealed class SurrogateTests
{
    private static readonly PnasSpace space = new();

    private static SurrogateOptions Small(SurrogateKind kind, int ensemble = 2) =>
        new(kind, ensemble, Embedding: 12, Hidden: 24, Epochs: 40, FurtherEpochs: 10);

    private static PnasCell[] Drawn(int blocks, int count) =>
        [.. Enumerable.Range(0, count).Select(i => space.Draw(blocks, new Random(100 * blocks + i)))];

    private static IReadOnlyList<IReadOnlyList<ScoredCell>> Levels(KnownAccuracy accuracy) =>
        [
            [.. space.Blocks(1).Select(block => accuracy.Score(new(block)))],
            [.. Drawn(2, 40).Select(accuracy.Score)],
        ];

    // A sequence of twelve words says less to one that has read four and eight.
    [Theory]
    [InlineData(SurrogateKind.Mlp, 0.5)]
    [InlineData(SurrogateKind.Lstm, 0.2)]
    public void It_orders_cells_of_more_blocks_than_it_has_seen(SurrogateKind kind, double least)
    {
        var accuracy = new KnownAccuracy(7);
        var surrogate = SurrogateEnsemble.Fit(Small(kind), inputs: 6, Levels(accuracy), seed: 3, default);
        var cells = Drawn(3, 300);
        Assert.True(RankCorrelation.Spearman(surrogate.Predict(cells), [.. cells.Select(accuracy.Of)]) > least);
    }

    [Theory]
    [InlineData(SurrogateKind.Mlp)]
    [InlineData(SurrogateKind.Lstm)]
    public void It_is_a_function_of_cells_and_seed_alone(SurrogateKind kind)
    {
        var levels = Levels(new KnownAccuracy(7));
        var cells = Drawn(3, 20);
        var first = SurrogateEnsemble.Fit(Small(kind), 6, levels, seed: 3, default).Predict(cells);
        Torch.Seed(99);
        Assert.Equal(first, SurrogateEnsemble.Fit(Small(kind), 6, levels, seed: 3, default).Predict(cells));
        Assert.NotEqual(first, SurrogateEnsemble.Fit(Small(kind), 6, levels, seed: 4, default).Predict(cells));
    }

    [Fact]
    public void It_begins_at_the_mean_accuracy_of_cells_of_one_block()
    {
        foreach (var surrogate in (Surrogate[])[new MlpSurrogate(6, 8, 100, 100), new LstmSurrogate(6, 8, 100, 100)])
        {
            using var scope = new Scope();
            surrogate.Initialize(seed: 1, member: 0);
            var state = surrogate.StateDict();
            Assert.Equal(1.8f, state["out.bias"].ToSingle());
            Assert.InRange(state["embed_op.weight"].Abs().Max().ToDouble(), 0.09, 0.1);
            Assert.InRange(new SurrogateEnsemble([surrogate]).Predict(Drawn(4, 50)).Average(), 0.8, 0.92);
        }
    }

    [Fact]
    public void Where_all_is_expected_to_be_equal_canonical_order_decides()
    {
        using var scope = new Scope();
        var surrogate = new MlpSurrogate(6, 8, 4, 4);
        using (Torch.NoGrad())
            foreach (var parameter in surrogate.Parameters())
                parameter.Zero_();
        PnasCell[] parents = [.. space.Blocks(1).Skip(3).Take(4).Select(block => new PnasCell(block)).Reverse()];
        var chosen = PnasChoice.Best(parents, 301, new SurrogateEnsemble([surrogate]), default);
        PnasCell[] expected = [.. parents.Order().SelectMany(parent => space.Blocks(2).Select(parent.With)).Take(301)];
        Assert.Equal(expected, chosen.Select(choice => choice.Cell));
        Assert.All(chosen, choice => Assert.Equal(0.5, choice.Prediction));
    }

    [Fact]
    public void The_best_children_of_all_are_chosen()
    {
        var accuracy = new KnownAccuracy(8);
        var surrogate = SurrogateEnsemble.Fit(Small(SurrogateKind.Mlp, ensemble: 1), 3, [Levels(accuracy)[0]], seed: 1, default);
        PnasCell[] parents = [.. space.Blocks(1).Where((_, i) => i % 9 == 0).Select(block => new PnasCell(block))];
        var chosen = PnasChoice.Best(parents, 50, surrogate, default);
        PnasCell[] all = [.. parents.SelectMany(parent => space.Blocks(2).Select(parent.With))];
        Assert.True(all.Length > 2048, "more than one batch");
        var predictions = surrogate.Predict(all);
        // Products of other batches may round differently.
        Assert.Equal(50, chosen.Count);
        Assert.All(predictions.OrderDescending().Zip(chosen), pair => Assert.Equal(pair.First, pair.Second.Prediction, 1e-6));
        Assert.Equal(50, chosen.Select(choice => choice.Cell).Distinct().Count());
        Assert.True(PnasChoice.Best(parents, int.MaxValue, surrogate, default).Count == all.Length);
    }

    [Fact]
    public void Every_member_leaves_out_another_fifth()
    {
        ScoredCell[] cells = [.. space.Blocks(1).Take(10).Select(block => new ScoredCell(new(block), 0.5))];
        var parts = Enumerable
            .Range(0, 5)
            .Select(member => SurrogateEnsemble.PartOf(cells, 5, member, seed: 2, number: 0).ToHashSet())
            .ToArray();
        Assert.All(parts, part => Assert.Equal(8, part.Count));
        Assert.Equal(cells.ToHashSet(), parts.SelectMany(part => cells.Except(part)).ToHashSet());
        Assert.Equal(10, SurrogateEnsemble.PartOf(cells, 1, 0, seed: 2, number: 0).Count());
        Assert.Equal(3, SurrogateEnsemble.PartOf(cells[..3], 5, 0, seed: 2, number: 0).Count());
    }

    [Fact]
    public void Learning_and_choosing_can_be_stopped()
    {
        using var stop = new CancellationTokenSource();
        stop.Cancel();
        var levels = Levels(new KnownAccuracy(7));
        Assert.Throws<OperationCanceledException>(() => SurrogateEnsemble.Fit(Small(SurrogateKind.Mlp), 6, levels, 1, stop.Token));
        var surrogate = new SurrogateEnsemble([new MlpSurrogate(6, 8, 4, 4)]);
        Assert.Throws<OperationCanceledException>(() => PnasChoice.Best([levels[0][0].Cell], 5, surrogate, stop.Token));
    }
}
