using Tessera.Deploy;
using Tessera.Testing;

namespace Tessera.Tests.Deploy;

/// <summary>What holds for every compiled model that takes images of any size.</summary>
internal static class DenseCompilation
{
    /// <summary>Heights of images: more than a compiled model keeps plans of, the first of them again at the end.</summary>
    public static IReadOnlyList<int> Heights { get; } = [65, 33, 65, 40, 47, 51, 64, 70, 81, 90, 96, 33, 65];

    /// <summary>Calls from several threads, each with images of its own and in pairs of another size, give what one thread gets.</summary>
    public static void HoldsForEveryThread(CompiledModel compiled)
    {
        const int threads = 4;
        using var scope = Torch.Scope();
        var images = Enumerable.Range(0, threads).Select(i => Torch.Randn([1, 3, 48 + (11 * (i / 2)), 64])).ToArray();
        var expected = images.Select(own => compiled.Call(own).ToArray<float>()).ToArray();
        Together.Run(threads, 12, (thread, _) =>
        {
            using var inner = Torch.Scope();
            Assert.Equal(expected[thread], compiled.Call(images[thread]).ToArray<float>());
        });
    }
}
