using Tessera.Deploy;
using Tessera.Models;
using Tessera.Native;
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

    // Global attention; convolutions before it; residual maps with batch norms; windows; maps over tokens.
    [Theory]
    [InlineData("Vit")]
    [InlineData("Cct")]
    [InlineData("ResNet")]
    [InlineData("Swin")]
    [InlineData("Mixer")]
    public void A_model_itself_gives_every_thread_the_logits_of_its_own_images(string family)
    {
        foreach (var threads in new[] { 1, 2 })
            GivesEveryThreadItsOwn(Reduced.Names.First(name => NameOf(name) == family), threads);
    }

    [Fact]
    [Trait("Category", "Long")]
    public void A_model_of_every_structure_gives_every_thread_the_logits_of_its_own_samples()
    {
        // SReT draws its permutations anew in each call.
        foreach (var name in Reduced.Names.Where(name => !name.StartsWith("sret", StringComparison.Ordinal)))
        foreach (var threads in new[] { 1, 2 })
            GivesEveryThreadItsOwn(name, threads);
    }

    private static string NameOf(string structure)
    {
        using var scope = Torch.Scope();
        return Reduced.Create(structure).GetType().Name;
    }

    private static void GivesEveryThreadItsOwn(string name, int threads)
    {
        using var scope = Torch.Scope();
        var model = Reduced.Create(name);
        model.Eval();
        using var quiet = Torch.NoGrad();
        try
        {
            Torch.Threads = threads;
            var samples = Enumerable.Range(0, Threads).Select(_ => Sample(model)).ToArray();
            var expected = samples.Select(own => model.Call(own)).ToArray();
            Together.Run(Threads, 2, (thread, _) =>
            {
                using var inner = Torch.Scope();
                using var outside = Torch.NoGrad();
                var logits = model.Call(samples[thread]);
                // Alone on its thread, an operator sums in one order.
                if (threads == 1)
                    Near.Identical(expected[thread], logits);
                else
                    Near.Equal(expected[thread], logits, 1e-5);
            });
        }
        finally
        {
            Torch.Threads = 1;
        }
    }

    private static Tensor Sample(Backbone model) =>
        model.TakesImages ? Torch.Randn([1, .. model.InputShape]) : Torch.Uniform([1, .. model.InputShape], 2, 50).To(DType.Int64);

    /// <summary>Counts the engine's calls.</summary>
    private sealed unsafe class Counting(Action<int> called) : CallObserver
    {
        internal int Calls { get; private set; }

        internal override void Called(string name, string overload, Value* arguments, int count, Value* results, int returned) =>
            called(++Calls);
    }

    private static int Counted(Action action, Action<int> called)
    {
        var counting = new Counting(called);
        CallObserver.Current = counting;
        try
        {
            action();
        }
        finally
        {
            CallObserver.Current = null;
        }
        return counting.Calls;
    }

    // Its calls of the engine are those of the model first, then those that prepare the weights.
    [Theory]
    [InlineData(0)]
    [InlineData(0.3)]
    [InlineData(0.6)]
    [InlineData(0.9)]
    public void A_compilation_that_is_stopped_in_its_middle_leaves_nothing_behind(double share)
    {
        using var scope = Torch.Scope();
        var model = Registry.Create("resnet20_cifar");
        model.Eval();
        var all = Counted(() => model.Compile().Dispose(), _ => { });
        var last = 1 + (int)(share * all);
        using var stop = new CancellationTokenSource();
        var before = Settled();
        var calls = Counted(
            () => Assert.ThrowsAny<OperationCanceledException>(() => model.Compile(stop: stop.Token)),
            count =>
            {
                if (count == last)
                    stop.Cancel();
            }
        );
        Assert.InRange(calls, last, all);
        Assert.Equal(before, Settled());
        using var compiled = model.Compile();
        Assert.Equal(10, compiled.Call(Torch.Zeros([1, 3, 32, 32])).Size(1));
    }

    [Fact]
    public void A_compilation_that_is_stopped_leaves_nothing_behind()
    {
        using var scope = Torch.Scope();
        var model = Registry.Create("resnet20_cifar");
        model.Eval();
        var before = Settled();
        Assert.ThrowsAny<OperationCanceledException>(() => model.Compile(stop: new(canceled: true)));
        Assert.Equal(before, Settled());
        using var compiled = model.Compile();
        Assert.ThrowsAny<OperationCanceledException>(() => compiled.Profile(stop: new(canceled: true)));
        Assert.NotEmpty(compiled.Profile(1));
    }
}
