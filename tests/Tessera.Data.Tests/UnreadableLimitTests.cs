using Tessera.Data.Loading;

namespace Tessera.Data.Tests;

public sealed class UnreadableLimitTests
{
    [Theory]
    [InlineData(0.01, 9, 60, 9)]
    [InlineData(0.01, 9, 10_000, 100)]
    // Half of a small set at most.
    [InlineData(0.01, 9, 6, 3)]
    [InlineData(0.01, 9, 1, 0.01)]
    [InlineData(0.01, 0, 60, 0.6)]
    // 0 allows none.
    [InlineData(0, 9, 10_000, 0)]
    public void The_limit_is_a_share_and_a_number_for_small_sets(double share, int allowed, int count, double most) =>
        Assert.Equal(most, new UnreadableLimit(share, allowed).Of(count), 12);

    [Theory]
    [InlineData(9, null)]
    [InlineData(10, "10 of 60 images cannot be read, more than 9 (data.unreadable_allowed) and than 1 % (data.unreadable_limit)")]
    public void A_set_of_sixty_may_lack_nine_and_the_message_lists_all(int broken, string? problem)
    {
        var images = new UnreadableImages(new Numbered(60), UnreadableLimit.Default);
        var found = Enumerable.Range(0, broken).Select(i => new UnreadableImage(i, $"{i}.png", "cut off")).ToArray();
        if (problem is null)
        {
            images.Add(found);
            return;
        }
        var message = Assert.Throws<DataException>(() => images.Add(found)).Message;
        Assert.Contains(problem, message, StringComparison.Ordinal);
        Assert.Contains("the last is 9.png: cut off", message, StringComparison.Ordinal);
        Assert.EndsWith("the others are 0.png, 1.png, 2.png, 3.png, 4.png, 5.png, 6.png, 7.png, 8.png", message, StringComparison.Ordinal);
    }

    private sealed class Numbered(int count) : Dataset("numbered", "train", new Unlabelled(count))
    {
        public override Numbered Part(IReadOnlyList<int> indices, string? split = null) => new(indices.Count);

        public override Numbered Relabelled(Annotations annotations) => throw new NotSupportedException();
    }
}
