using Tessera.Models;

namespace Tessera.Training.Tests.Retrieval;

/// <summary>
/// Images that show the texture of their class under light of any brightness and colour and with noise, which are most of what a model sees
/// before it has learned anything.
/// </summary>
internal static class Patterns
{
    internal const int Side = 16,
        Instances = 4;

    private const int Cells = 4,
        Pixels = Side * Side;

    internal static Vit Student() => new(new((Side, Side), 4, 24, 2, 3, Classes: 0));

    /// <summary>Images of samples, [N, 3, side, side]. A sample is of the class number / 1000.</summary>
    internal static Tensor Images(IReadOnlyList<int> samples) =>
        Tensor.From(samples.SelectMany(Image).ToArray(), samples.Count, 3, Side, Side);

    internal static Tensor Labels(IReadOnlyList<int> samples) => Tensor.From(samples.Select(sample => (long)(sample / 1000)).ToArray());

    private static IEnumerable<float> Image(int sample)
    {
        var (texture, own) = (new Random(sample / 1000), new Random(sample));
        var cells = Enumerable.Range(0, Cells * Cells).Select(_ => texture.NextDouble() < 0.5 ? -0.5 : 0.5).ToArray();
        var light = Enumerable.Range(0, 3).Select(_ => 4 * own.NextDouble() - 2).ToArray();
        return Enumerable
            .Range(0, 3 * Pixels)
            .Select(i => (float)(cells[i % Pixels / Side % Cells * Cells + i % Side % Cells] + light[i / Pixels] + own.NextDouble() - 0.5));
    }

    /// <summary>Batches of four images of each of some classes, which depend on epoch and number alone.</summary>
    /// <param name="steps">Batches of an epoch.</param>
    /// <param name="classes">Classes to learn from: those from 0 on.</param>
    /// <param name="batch">Images of a batch.</param>
    internal static FunctionSource Source(int steps, int classes, int batch) => new(steps, (epoch, skip) => Enumerable
                .Range(skip, steps - skip)
                .Select(number =>
                {
                    var random = new Random(epoch * 1000 + number);
                    var chosen = Enumerable.Range(0, classes).ToArray();
                    random.Shuffle(chosen);
                    int[] samples =
                    [
                        .. chosen
                            .Take(batch / Instances)
                            .SelectMany(label => Enumerable.Range(0, Instances).Select(_ => label * 1000 + random.Next(100))),
                    ];
                    using var scope = new Scope();
                    return scope.Return(Batches.Labelled(Images(samples), Labels(samples), samples));
                }));

    /// <summary>Samples of classes that no training sees.</summary>
    /// <param name="from">The first class.</param>
    /// <param name="classes">How many.</param>
    /// <param name="each">Samples of each.</param>
    internal static int[] Unseen(int from, int classes, int each) =>
        [.. Enumerable.Range(from, classes).SelectMany(label => Enumerable.Range(500, each).Select(i => label * 1000 + i))];
}
