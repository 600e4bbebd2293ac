using FsCheck;
using FsCheck.Fluent;
using Tessera.Data.Loading;

namespace Tessera.Data.Tests;

public sealed class BalancedTests
{
    private static readonly Gen<int[]> labels = Gen.Choose(0, 4).NonEmptyListOf().Select(list => list.ToArray());

    private static Balanced Of(int[] labels) => new(new ClassLabels(["a", "b", "c", "d", "e"], labels));

    [Fact]
    public void Every_class_that_occurs_comes_equally_often_and_its_samples_do_too() =>
        Prop.ForAll(labels.ToArbitrary(), labels =>
            {
                var order = Of(labels).Order(labels.Length, 3, 1, Replica.Single);
                Assert.Equal(labels.Length, order.Length);
                var perClass = order.GroupBy(draw => labels[draw.Index]).ToArray();
                var present = labels.Distinct().Count();
                foreach (var own in labels.Distinct())
                {
                    var draws = order.Where(draw => labels[draw.Index] == own).ToArray();
                    Assert.InRange(draws.Length, labels.Length / present, (labels.Length + present - 1) / present);
                    var samples = labels.Count(label => label == own);
                    foreach (var copies in draws.GroupBy(draw => draw.Index))
                    {
                        Assert.InRange(copies.Count(), draws.Length / samples, (draws.Length + samples - 1) / samples);
                        // Each copy is augmented in its own way.
                        Assert.Equal(Enumerable.Range(0, copies.Count()), copies.Select(draw => draw.Repeat).Order());
                    }
                }
                Assert.True(perClass.Length <= present);
            })
            .QuickCheckThrowOnFailure();

    [Fact]
    public void The_order_depends_on_seed_and_epoch_alone()
    {
        int[] labels = [.. Enumerable.Range(0, 100).Select(i => i < 90 ? 0 : 1 + i % 2)];
        var order = Of(labels).Order(100, 1, 0, Replica.Single);
        Assert.Equal(order, Of(labels).Order(100, 1, 0, Replica.Single));
        Assert.NotEqual(order, Of(labels).Order(100, 1, 1, Replica.Single));
        Assert.NotEqual(order, Of(labels).Order(100, 2, 0, Replica.Single));
        // Of a large class, other samples come in each epoch.
        int[] Large(int epoch) =>
            [.. Of(labels).Order(100, 1, epoch, Replica.Single).Select(draw => draw.Index).Where(i => i < 90).Order()];
        Assert.NotEqual(Large(0), Large(1));
    }

    [Fact]
    public void Processes_share_the_samples()
    {
        int[] labels = [.. Enumerable.Range(0, 30).Select(i => i < 24 ? 0 : 1)];
        var whole = Of(labels).Order(30, 5, 2, Replica.Single);
        var shares = Enumerable.Range(0, 3).Select(rank => Of(labels).Order(30, 5, 2, new(rank, 3))).ToArray();
        Assert.Equal(whole, Enumerable.Range(0, 30).Select(i => shares[i % 3][i / 3]));
    }

    [Fact]
    public void Labels_must_be_those_of_the_samples() =>
        Assert.Contains(
            "5 samples and 3 labels",
            Assert.Throws<DataException>(() => Of([0, 1, 2]).Order(5, 0, 0, Replica.Single)).Message,
            StringComparison.Ordinal
        );
}
