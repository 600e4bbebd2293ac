using Tessera.Testing;

namespace Tessera.Tests;

public sealed class RandomTests : LiveTensors
{
    [Fact]
    public void The_same_seed_draws_the_same()
    {
        Torch.Seed(42);
        var first = Torch.Randn([8]);
        var second = Torch.Randn([8]);
        Torch.Seed(42);
        Near.Identical(first, Torch.Randn([8]));
        Near.Identical(second, Torch.Randn([8]));
        Assert.False(first.Equal(second));
    }

    [Fact]
    public void The_state_can_be_kept_and_restored()
    {
        using var generator = Generator.Default(Device.Cpu);
        Torch.Seed(1);
        Torch.Randn([3]);
        var state = generator.GetState();
        Assert.Equal(DType.UInt8, state.DType);
        var first = Torch.Rand([5]);
        generator.SetState(state);
        Near.Identical(first, Torch.Rand([5]));
        Assert.ThrowsAny<TorchException>(() => generator.SetState(Tensor.From<byte>([1, 2, 3])));
    }

    [Fact]
    public void Own_generators_leave_the_default_one_alone()
    {
        Torch.Seed(7);
        var expected = Torch.Rand([4]);
        Torch.Seed(7);
        using var own = new Generator(3);
        var drawn = Torch.Randperm(10, own);
        Near.Identical(expected, Torch.Rand([4]));
        own.Seed(3);
        Near.Identical(drawn, Torch.Randperm(10, own));
        Assert.Equal(Enumerable.Range(0, 10).Select(i => (long)i), drawn.ToArray<long>().Order());
    }

    [Fact]
    public void The_first_draws_are_those_of_pytorch()
    {
        // torch.manual_seed(0); torch.rand(3) of PyTorch on the CPU.
        Torch.Seed(0);
        Near.Values(Torch.Rand([3]), 1e-7, 0.49625658988952637, 0.7682217955589294, 0.08847743272781372);
    }

    [Fact]
    public void A_disposed_generator_is_refused()
    {
        var generator = new Generator(1);
        generator.Dispose();
        generator.Dispose();
        Assert.Throws<ObjectDisposedException>(() => generator.Seed(1));
        Assert.Throws<ObjectDisposedException>(() => Torch.Randn([1], generator));
    }
}
