namespace Tessera.Data.Loading;

/// <summary>A sample to be read.</summary>
/// <param name="Index">Position in the data set.</param>
/// <param name="Repeat">How often it came before in this epoch: each copy is augmented in its own way.</param>
public readonly record struct Draw(int Index, int Repeat = 0)
{
    /// <summary>Random numbers of the augmentation of one of its views.</summary>
    internal SampleRandom Random(ulong seed, int epoch, int view = 0) =>
        new(seed, epoch, Index, Streams.Sample + Repeat + view * Streams.Views);
}

/// <summary>One of several processes that share the samples of an epoch.</summary>
/// <param name="Rank">From 0.</param>
/// <param name="Count">Number of processes.</param>
public readonly record struct Replica(int Rank, int Count)
{
    /// <summary>The only process.</summary>
    public static Replica Single { get; } = new(0, 1);
}

/// <summary>Which samples an epoch reads, in which order.</summary>
public abstract record Sampler
{
    /// <summary>The samples of an epoch, a function of the arguments alone.</summary>
    /// <param name="count">Samples in the data set.</param>
    /// <param name="seed">Seed of the run.</param>
    /// <param name="epoch">From 0.</param>
    /// <param name="replica">The process that asks.</param>
    public abstract Draw[] Order(int count, ulong seed, int epoch, Replica replica);

    /// <summary>A random order of all indices.</summary>
    protected static int[] Permutation(int count, ulong seed, int epoch)
    {
        var order = Enumerable.Range(0, count).ToArray();
        var random = new SampleRandom(seed, epoch, 0, Streams.Order);
        random.Shuffle<int>(order);
        return order;
    }

    /// <summary>
    /// Every <c>Count</c>-th entry from <c>Rank</c> on, after padding from the start so that all processes get equally many.
    /// </summary>
    protected static T[] Share<T>(ReadOnlySpan<T> order, Replica replica)
    {
        var length = (order.Length + replica.Count - 1) / replica.Count;
        var result = new T[length];
        for (var i = 0; i < length; i++)
            result[i] = order[(replica.Rank + i * replica.Count) % order.Length];
        return result;
    }
}

/// <summary>In order, as evaluation reads; among several processes nothing is padded, so every sample is read once.</summary>
public sealed record InOrder : Sampler
{
    /// <inheritdoc/>
    public override Draw[] Order(int count, ulong seed, int epoch, Replica replica) =>
        [.. Enumerable.Range(0, count).Where(i => i % replica.Count == replica.Rank).Select(i => new Draw(i))];
}

/// <summary>Some of the samples in order, at even distances over the whole data set; nothing is padded among several processes.</summary>
/// <param name="Most">How many at most.</param>
public sealed record EvenlySpaced(int Most) : Sampler
{
    /// <inheritdoc/>
    public override Draw[] Order(int count, ulong seed, int epoch, Replica replica)
    {
        var chosen = Math.Min(Most, count);
        return
        [
            .. Enumerable
                .Range(0, chosen)
                .Where(i => i % replica.Count == replica.Rank)
                .Select(i => new Draw((int)((long)i * count / chosen))),
        ];
    }
}

/// <summary>In random order, another one in each epoch.</summary>
public sealed record Shuffled : Sampler
{
    /// <inheritdoc/>
    public override Draw[] Order(int count, ulong seed, int epoch, Replica replica) =>
        count == 0 ? [] : Array.ConvertAll(Share<int>(Permutation(count, seed, epoch), replica), i => new Draw(i));
}
