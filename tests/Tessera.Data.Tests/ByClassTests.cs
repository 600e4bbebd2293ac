using FsCheck;
using FsCheck.Fluent;
using Tessera.Data.Loading;

namespace Tessera.Data.Tests;

public sealed class ByClassTests
{
    private static readonly Gen<int[]> labels = Gen.Choose(0, 4).NonEmptyListOf().Select(list => list.ToArray());

    private static ByClass Of(int[] labels, int instances, int batch) =>
        new(new ClassLabels([.. Enumerable.Range(0, labels.Max() + 1).Select(label => $"{label}")], labels), instances, batch);

    [Fact]
    public void Samples_of_a_class_stand_beside_each_other_and_every_sample_comes() =>
        Prop.ForAll(labels.ToArbitrary(), Gen.Choose(1, 5).ToArbitrary(), (labels, instances) =>
            {
                var sampler = Of(labels, instances, 3 * instances);
                var order = sampler.Order(labels.Length, 3, 1, Replica.Single);
                // As long in every epoch.
                Assert.Equal(order.Length, sampler.Order(labels.Length, 8, 2, Replica.Single).Length);
                Assert.Equal(
                    labels.GroupBy(label => label).Sum(own => (own.Count() + instances - 1) / instances * instances),
                    order.Length
                );
                Assert.All(order.Chunk(instances), group => Assert.Single(group.Select(draw => labels[draw.Index]).Distinct()));
                Assert.Equal(Enumerable.Range(0, labels.Length), order.Select(draw => draw.Index).Distinct().Order());
                // What comes again is augmented in its own way, and does so to fill up the last group alone.
                Assert.All(order.GroupBy(draw => draw.Index), copies =>
                    Assert.Equal(Enumerable.Range(0, copies.Count()), copies.Select(draw => draw.Repeat).Order())
                );
                Assert.All(order.GroupBy(draw => labels[draw.Index]), own =>
                    Assert.True(own.Count() - own.Select(draw => draw.Index).Distinct().Count() < instances)
                );
            })
            .QuickCheckThrowOnFailure();

    [Fact]
    public void Batches_have_different_classes_where_there_are_many()
    {
        int[] labels = [.. Enumerable.Range(0, 400).Select(i => i % 40)];
        for (var epoch = 0; epoch < 5; epoch++)
            Assert.All(Of(labels, 4, 32).Order(400, 1, epoch, Replica.Single).Chunk(32).SkipLast(2), batch =>
                Assert.Equal(8, batch.Select(draw => labels[draw.Index]).Distinct().Count())
            );
    }

    [Fact]
    public void A_large_class_is_spread_over_the_epoch()
    {
        // Half of all samples are of one class.
        int[] labels = [.. Enumerable.Range(0, 400).Select(i => i < 200 ? 0 : 1 + i % 10)];
        var batches = Of(labels, 4, 40).Order(400, 1, 0, Replica.Single).Chunk(40).ToArray();
        // What is left at the end is mostly of the large class.
        Assert.All(batches.SkipLast(2), batch => Assert.InRange(batch.Count(draw => labels[draw.Index] == 0), 4, 32));
    }

    [Fact]
    public void The_order_depends_on_seed_and_epoch_alone_and_processes_share_it()
    {
        int[] labels = [.. Enumerable.Range(0, 60).Select(i => i % 6)];
        var order = Of(labels, 4, 12).Order(60, 1, 0, Replica.Single);
        Assert.Equal(order, Of(labels, 4, 12).Order(60, 1, 0, Replica.Single));
        Assert.NotEqual(order, Of(labels, 4, 12).Order(60, 1, 1, Replica.Single));
        Assert.NotEqual(order, Of(labels, 4, 12).Order(60, 2, 0, Replica.Single));
        var shares = Enumerable.Range(0, 2).Select(rank => Of(labels, 4, 12).Order(60, 1, 0, new(rank, 2))).ToArray();
        Assert.Equal(order, Enumerable.Range(0, order.Length).Select(i => shares[i % 2][i / 2]));
    }

    [Theory]
    [InlineData(5, 4, 12, "5 samples and 3 labels")]
    [InlineData(3, 4, 10, "a batch of 10 must be a multiple of 4")]
    [InlineData(3, 0, 12, "multiple of 0")]
    public void What_does_not_go_together_is_refused(int count, int instances, int batch, string problem) =>
        Assert.Contains(
            problem,
            Assert.Throws<DataException>(() => Of([0, 1, 2], instances, batch).Order(count, 0, 0, Replica.Single)).Message,
            StringComparison.Ordinal
        );
}
