using Tessera.Deploy;
using Tessera.Models;
using Tessera.Testing;
using Tessera.Tests.Models;

namespace Tessera.Tests.Deploy;

/// <summary>A compiled model that many threads call at once.</summary>
public class ConcurrencyTests : LiveTensors
{
    private const int Threads = 8;

    // Products and attention; convolutions and pooling by the engine; windows.
    [Theory]
    [InlineData("vit_micro_patch4_32", 1, 1)]
    [InlineData("vit_micro_patch4_32", 2, 3)]
    [InlineData("cct_2_3x2_32", 1, 1)]
    [InlineData("cct_2_3x2_32", 2, 1)]
    [InlineData("resnet20_cifar", 2, 2)]
    public void Every_thread_gets_the_logits_of_its_own_images(string name, int threads, int batch)
    {
        using var scope = Torch.Scope();
        var model = Registry.Create(name, new() { Classes = 10 });
        model.Eval();
        using var compiled = model.Compile(new() { Threads = threads });
        var images = Enumerable.Range(0, Threads).Select(_ => Torch.Randn([batch, 3, 32, 32])).ToArray();
        var expected = images.Select(own => compiled.Call(own).ToArray<float>()).ToArray();
        Assert.NotEqual(expected[0], expected[1]);
        Together.Run(Threads, 60, (thread, _) =>
        {
            using var inner = Torch.Scope();
            Assert.Equal(expected[thread], compiled.Call(images[thread]).ToArray<float>());
        });
    }

    [Fact]
    public void Sizes_that_several_threads_bring_at_once_are_compiled_and_right()
    {
        using var scope = Torch.Scope();
        var model = Registry.Create("resnet20_cifar");
        model.Eval();
        var images = Enumerable.Range(0, Threads).Select(i => Torch.Randn([1, 3, 24 + 8 * (i % 4), 32])).ToArray();
        var expected = images.Select(own => model.Call(own)).ToArray();
        for (var again = 0; again < 4; again++)
        {
            using var compiled = model.Compile(new() { Threads = 1 });
            Together.Run(Threads, 5, (thread, _) =>
            {
                using var inner = Torch.Scope();
                Near.Equal(expected[thread], compiled.Call(images[thread]), 1e-5);
            });
        }
    }

    [Fact]
    public void Calls_and_profiles_that_are_under_way_outlive_its_end()
    {
        using var scope = Torch.Scope();
        var model = Registry.Create("vit_micro_patch4_32");
        model.Eval();
        var image = Torch.Randn([1, 3, 32, 32]);
        for (var again = 0; again < 20; again++)
        {
            var compiled = model.Compile(new() { Threads = 1 });
            var expected = compiled.Call(image).ToArray<float>();
            Together.Run(Threads, 6, (thread, round) =>
            {
                using var inner = Torch.Scope();
                if (thread == 0 && round == 3)
                    compiled.Dispose();
                try
                {
                    if (thread == 1)
                        Assert.NotEmpty(compiled.Profile(1));
                    Assert.Equal(expected, compiled.Call(image).ToArray<float>());
                    Assert.InRange(round, 0, thread == 0 ? 2 : 3);
                }
                catch (ObjectDisposedException)
                {
                    Assert.InRange(round, 3, 5);
                }
            });
            Assert.Throws<ObjectDisposedException>(() => compiled.Call(image));
        }
    }

    [Fact]
    public void A_model_itself_gives_every_thread_the_logits_of_its_own_images()
    {
        foreach (var name in Reduced.Names.Where(IsRepeatable))
        {
            using var scope = Torch.Scope();
            var model = Reduced.Create(name);
            model.Eval();
            using var quiet = Torch.NoGrad();
            var images = Enumerable
                .Range(0, Threads)
                .Select(_ => Torch.Randn([1, model.Channels, model.ImageSize.Height, model.ImageSize.Width]))
                .ToArray();
            var expected = images.Select(own => model.Call(own)).ToArray();
            Together.Run(Threads, 2, (thread, _) =>
            {
                using var inner = Torch.Scope();
                using var outside = Torch.NoGrad();
                Near.Equal(expected[thread], model.Call(images[thread]), 1e-5);
            });
        }
    }

    // SReT draws permutations anew; models of texts take words.
    private static bool IsRepeatable(string name) =>
        !name.StartsWith("sret", StringComparison.Ordinal) && !name.StartsWith("text", StringComparison.Ordinal);
}
