using Tessera.Data.Imaging;
using Tessera.Data.Loading;
using Tessera.Testing;

namespace Tessera.Data.Tests;

/// <summary>Loaders, enumerations and files that several threads use at once.</summary>
public class ConcurrencyTests
{
    private const int Threads = 8;

    [Theory]
    [InlineData(0)]
    [InlineData(2)]
    public void Threads_that_enumerate_a_loader_each_get_all_its_batches(int workers)
    {
        var loader = new Loader(
            MadeUp.Noise(23),
            new([]),
            new(5)
            {
                Seed = 2,
                Shuffle = true,
                Workers = workers,
            }
        );
        int[][] Order() =>
            [
                .. loader
                    .Epoch(1)
                    .Select(batch =>
                    {
                        using (batch)
                            return batch.Indices.ToArray();
                    }),
            ];
        var expected = Order();
        Together.Run(Threads, 5, (_, _) => Assert.Equal(expected, Order()));
    }

    [Fact]
    public void One_enumeration_refuses_a_second_thread_while_one_steps()
    {
        using ManualResetEventSlim inside = new(),
            tried = new();
        IEnumerable<int> Items()
        {
            inside.Set();
            tried.Wait();
            yield return 1;
            yield return 2;
        }
        using var steps = new OneAtATime<int>(Items()).GetEnumerator();
        var moved = false;
        var first = new Thread(() => moved = steps.MoveNext());
        first.Start();
        inside.Wait();
        var errors = new[] { Record.Exception(() => steps.MoveNext()), Record.Exception(steps.Dispose) };
        tried.Set();
        first.Join();
        Assert.All(errors, error =>
            Assert.Contains("another thread", Assert.IsType<InvalidOperationException>(error).Message, StringComparison.Ordinal)
        );
        Assert.True(moved);
        Assert.Equal(1, steps.Current);
        Assert.True(steps.MoveNext());
        Assert.Equal(2, steps.Current);
        Assert.False(steps.MoveNext());
    }

    // libvips reads a file from top to bottom: who comes second gets the pixels, or is told.
    [Fact]
    public void A_file_that_threads_share_gives_right_pixels_or_an_error()
    {
        var path = Repository.Tests("samples", "scene", "scene.jpg");
        var expected = new Raster();
        ImageDecoder.Decode(path, expected);
        for (var again = 0; again < 5; again++)
        {
            using var file = ImageFile.Open(path);
            var right = 0;
            Together.Run(Threads, 1, (_, _) =>
            {
                var image = new Raster();
                try
                {
                    file.Decode(image);
                    Assert.True(expected.Values.SequenceEqual(image.Values));
                    Interlocked.Increment(ref right);
                }
                catch (UnreadableImageException)
                {
                    // Told.
                }
            });
            Assert.InRange(right, 1, Threads);
        }
    }
}
