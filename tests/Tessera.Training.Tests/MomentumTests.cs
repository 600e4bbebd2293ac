using Tessera.Models;
using Tessera.Nn;
using Tessera.Training.Loop;
using Tessera.Training.Objectives;

namespace Tessera.Training.Tests;

public sealed class MomentumTests
{
    private static Sequential Network() => new(new Linear(3, 4), new BatchNorm(4), new Linear(4, 2));

    private static MomentumCopy<Sequential> Follow(Sequential source, MomentumBuffers buffers = MomentumBuffers.Own) =>
        new(source, Network(), buffers);

    private static float[] Values(Module module) =>
        [.. module.StateDict().Values.SelectMany(tensor => tensor.Detach().To(DType.Float32).ToArray<float>())];

    private static void Move(Module module)
    {
        using var outside = Torch.NoGrad();
        foreach (var tensor in module.StateDict().Values)
            if (tensor.DType.IsFloat())
                tensor.Add_(1.5);
            else
                tensor.Add_(2);
    }

    [Fact]
    public void A_copy_begins_equal_and_learns_nothing_by_itself()
    {
        using var scope = Torch.Scope();
        Torch.Seed(2);
        var source = Network();
        Move(source);
        var copy = Follow(source);
        Assert.Equal(Values(source), Values(copy.Module));
        Assert.All(copy.Parameters(), parameter => Assert.False(parameter.RequiresGrad));
        Assert.All(source.Parameters(), parameter => Assert.True(parameter.RequiresGrad));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(0.9)]
    [InlineData(1)]
    public void Parameters_follow_by_the_decay_in_place(double decay)
    {
        using var scope = Torch.Scope();
        Torch.Seed(3);
        var source = Network();
        var copy = Follow(source);
        var before = copy.Module.Parameters().SelectMany(p => p.Detach().ToArray<float>()).ToArray();
        var tensors = copy.Module.Parameters().ToArray();
        Move(source);
        copy.Update(decay);
        var after = copy.Module.Parameters().SelectMany(p => p.Detach().ToArray<float>()).ToArray();
        var target = source.Parameters().SelectMany(p => p.Detach().ToArray<float>()).ToArray();
        Assert.Equal(tensors, copy.Module.Parameters());
        if (decay == 0)
            Assert.Equal(target, after);
        else if (decay == 1)
            Assert.Equal(before, after);
        else
            foreach (var (i, value) in after.Index())
                Assert.Equal(decay * before[i] + (1 - decay) * target[i], value, 1e-6);
    }

    [Theory]
    [InlineData(MomentumBuffers.Own, 0)]
    [InlineData(MomentumBuffers.Copied, 1.5)]
    [InlineData(MomentumBuffers.Averaged, 0.75)]
    public void Buffers_stay_or_are_copied_or_averaged(MomentumBuffers mode, double moved)
    {
        using var scope = Torch.Scope();
        var source = Network();
        var copy = Follow(source, mode);
        Move(source);
        copy.Update(0.5);
        Assert.All(copy.Module.StateDict()["1.running_mean"].ToArray<float>(), value => Assert.Equal(moved, value, 1e-6));
    }

    [Theory]
    [InlineData(-0.1)]
    [InlineData(1.1)]
    [InlineData(double.NaN)]
    public void A_decay_outside_of_its_range_is_refused(double decay)
    {
        using var scope = Torch.Scope();
        var copy = Follow(Network());
        Assert.Throws<ArgumentOutOfRangeException>(() => copy.Update(decay));
    }

    [Fact]
    public void A_module_cannot_follow_itself_or_another_structure()
    {
        using var scope = Torch.Scope();
        var source = Network();
        Assert.Throws<ArgumentException>(() => new MomentumCopy<Sequential>(source, source));
        Assert.Throws<StateDictException>(() => new MomentumCopy<Sequential>(source, new(new Linear(3, 4))));
    }

    [Fact]
    public void A_copy_goes_on_from_its_state_bit_for_bit()
    {
        using var scope = Torch.Scope();
        Torch.Seed(4);
        var source = Network();
        var straight = Follow(source, MomentumBuffers.Averaged);
        Move(source);
        straight.Update(0.99);
        var saved = straight.StateDict().ToDictionary(entry => entry.Key, entry => entry.Value.Detach().Clone());
        Assert.All(saved.Keys, name => Assert.StartsWith("module.", name, StringComparison.Ordinal));
        Move(source);
        var resumed = Follow(source, MomentumBuffers.Averaged);
        resumed.LoadStateDict(saved);
        straight.Update(0.999);
        resumed.Update(0.999);
        Assert.Equal(Values(straight), Values(resumed));
    }

    [Fact]
    public void The_average_of_weights_is_the_average_of_a_momentum_copy()
    {
        using var scope = Torch.Scope();
        Torch.Seed(5);
        var source = Network();
        var copy = Follow(source, MomentumBuffers.Averaged);
        using var average = new Ema(source);
        for (var step = 0; step < 3; step++)
        {
            Move(source);
            copy.Update(0.97);
            average.Update(0.97);
        }
        Assert.Equal(source.StateDict().Keys, average.StateDict().Keys);
        Assert.Equal(Values(copy.Module), average.StateDict().Values.SelectMany(tensor => tensor.To(DType.Float32).ToArray<float>()));
    }

    [Fact]
    public void A_queue_replaces_the_oldest_and_wraps_around()
    {
        using var scope = Torch.Scope();
        Torch.Seed(6);
        var queue = new FeatureQueue(6, 2);
        var random = queue.Snapshot();
        Assert.All(random.LinalgVectorNorm(2, [0]).ToArray<float>(), length => Assert.Equal(1, length, 1e-5));
        Assert.Equal(0, queue.Count);
        queue.Enqueue(Torch.Full([2, 2], 1.0));
        Assert.Equal(2, queue.Count);
        Assert.Equal([1f, 1, 1, 1], queue.Snapshot().Slice(1, 0, 2).ToArray<float>());
        Assert.Equal(random.Slice(1, 2).ToArray<float>(), queue.Snapshot().Slice(1, 2).ToArray<float>());
        for (var batch = 2; batch <= 4; batch++)
            queue.Enqueue(Torch.Full([2, 2], (double)batch));
        Assert.Equal(6, queue.Count);
        Assert.Equal([4f, 4, 2, 2, 3, 3], queue.Snapshot().Select(0, 0).ToArray<float>());
        // A batch of another size may begin in the middle and end at the start.
        queue.Enqueue(Torch.Full([6, 2], 5.0));
        queue.Enqueue(Tensor.From<float>([6, 6, 7, 7, 8, 8], 3, 2));
        queue.Enqueue(Tensor.From<float>([9, 9, 10, 10, 11, 11], 3, 2));
        Assert.Equal([10f, 11, 6, 7, 8, 9], queue.Snapshot().Select(0, 0).ToArray<float>());
    }

    [Fact]
    public void A_snapshot_stays_and_no_gradient_enters_the_queue()
    {
        using var scope = Torch.Scope();
        var queue = new FeatureQueue(4, 2);
        var before = queue.Snapshot();
        var values = before.ToArray<float>();
        var features = Torch.Ones([2, 2]);
        features.RequiresGrad = true;
        queue.Enqueue(features * 2);
        Assert.Equal(values, before.ToArray<float>());
        Assert.False(queue.Snapshot().RequiresGrad);
    }

    [Theory]
    [InlineData(4, 2, "must divide")]
    [InlineData(0, 2, "must divide")]
    [InlineData(2, 3, "width 2")]
    public void A_batch_that_does_not_fit_is_refused(int count, int width, string problem)
    {
        using var scope = Torch.Scope();
        var queue = new FeatureQueue(6, 2);
        var error = Assert.Throws<ShapeException>(() => queue.Enqueue(Torch.Zeros([count, width])));
        Assert.Contains(problem, error.Message, StringComparison.Ordinal);
        Assert.Equal(0, queue.Count);
    }

    [Fact]
    public void A_queue_goes_on_from_its_state_bit_for_bit()
    {
        using var scope = Torch.Scope();
        Torch.Seed(7);
        var straight = new FeatureQueue(6, 3);
        straight.Enqueue(Torch.Randn([2, 3]));
        straight.Enqueue(Torch.Randn([2, 3]));
        var saved = straight.StateDict().ToDictionary(entry => entry.Key, entry => entry.Value.Clone());
        Assert.Equal(["queue", "queue_ptr", "filled"], straight.StateDict().Keys);
        var resumed = new FeatureQueue(6, 3);
        resumed.LoadStateDict(saved);
        var next = Torch.Randn([3, 3]);
        straight.Enqueue(next);
        resumed.Enqueue(next);
        Assert.Equal(Values(straight), Values(resumed));
        Assert.Equal(6, resumed.Count);
    }
}
