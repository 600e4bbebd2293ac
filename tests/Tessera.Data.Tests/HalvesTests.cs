using Tessera.Data.Loading;

namespace Tessera.Tests.Data;

public sealed class HalvesTests
{
    [Theory]
    [InlineData(24)]
    [InlineData(25)]
    public void A_sample_belongs_to_the_same_half_in_every_epoch_and_batches_have_as_many_of_each(int count)
    {
        var (second, sampler) = (Halves.Second(count, 7), new Halves(7));
        Assert.Equal(count / 2, second.Count(one => one));
        var orders = Enumerable.Range(0, 3).Select(epoch => sampler.Order(count, seed: 3, epoch, Replica.Single)).ToArray();
        foreach (var order in orders)
        {
            Assert.Equal(Enumerable.Range(0, count), order.Select(draw => draw.Index).Order());
            Assert.All(order.Chunk(4).Where(batch => batch.Length == 4), batch => Assert.Equal(2, batch.Count(draw => second[draw.Index])));
        }
        Assert.NotEqual(orders[0], orders[1]);
        Assert.Equal(orders[1], sampler.Order(count, seed: 3, 1, Replica.Single));
        // The seed of the training changes the order and not the halves.
        Assert.NotEqual(orders[1], sampler.Order(count, seed: 4, 1, Replica.Single));
        Assert.NotEqual(second, Halves.Second(count, 8));
        Assert.Empty(sampler.Order(0, 3, 0, Replica.Single));
    }

    [Theory]
    [InlineData(8, 2)]
    [InlineData(12, 3)]
    [InlineData(16, 4)]
    public void The_share_of_every_process_has_as_many_of_each_half(int batch, int processes)
    {
        var second = Halves.Second(48, 1);
        foreach (var draws in new Halves(1).Order(48, seed: 5, 0, Replica.Single).Chunk(batch))
        foreach (var rank in Enumerable.Range(0, processes))
        {
            var share = BatchShare.Of(batch, new(rank, processes));
            Assert.Equal(share.Length / 2, share.Count(place => second[draws[place].Index]));
        }
    }
}
