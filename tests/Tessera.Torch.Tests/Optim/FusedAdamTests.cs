using Tessera.Nn;
using Tessera.Optim;
using Tessera.Testing;

namespace Tessera.Tests.Optim;

/// <summary>A test of the engine's fused step of Adam, on a GPU where there is one, else on the CPU.</summary>
internal sealed class FusedAdamFactAttribute : FactAttribute
{
    public FusedAdamFactAttribute()
    {
        if (FusedAdamTests.WhyNot is { } reason)
            Skip = reason;
    }
}

internal sealed class FusedAdamTheoryAttribute : TheoryAttribute
{
    public FusedAdamTheoryAttribute()
    {
        if (FusedAdamTests.WhyNot is { } reason)
            Skip = reason;
    }
}

/// <summary>The fused step against the one that is written out, and steps whose numbers lie on the device.</summary>
public sealed partial class FusedAdamTests : LiveTensors
{
    private static Device At => Cuda.IsAvailable ? Device.Parse("cuda") : Device.Cpu;

    internal static string? WhyNot { get; } = Find();

    // Versions before 2.4 have the operators, but not for the CPU.
    private static string? Find()
    {
        if (!Adam.HasFused)
            return $"libtorch {Torch.Version} has no fused step of Adam that takes a tensor as learning rate";
        using var scope = new Scope();
        Tensor[] one = [Torch.Zeros([1], device: At)];
        try
        {
            Torch.FusedAdamw_(one, one, one, one, [], one, Torch.Zeros([], device: At), 0.9, 0.999, 0, 1e-8, false, false);
            return null;
        }
        catch (TorchException error)
        {
            return $"libtorch {Torch.Version} has no fused step of Adam on {At}: {error.Message.Split('\n')[0]}";
        }
    }

    private sealed partial class Net : Layer
    {
        private readonly Conv2d conv = new(2, 4, 3, padding: 1);
        private readonly LayerNorm norm = new(4);
        private readonly Linear fc = new(4, 3);

        protected override Tensor Forward(Tensor input) => fc.Call(norm.Call(conv.Call(input).Mean([2, 3])));
    }

    private static Net Fresh()
    {
        Torch.Seed(7);
        var net = new Net();
        net.To(At);
        return net;
    }

    private static Adam Make(bool decoupled, Net net, bool fused) =>
        decoupled ? new AdamW([.. Groups(net)], 0.01) { FusedOnCpu = fused } : new Adam([.. Groups(net)], 0.01) { FusedOnCpu = fused };

    private static IEnumerable<ParameterGroup> Groups(Net net) =>
        ParameterGroup.Split(net, 0.05).Select((group, i) => group with { Scale = i == 0 ? 0.5 : 1 });

    private static void Train(Net net, Adam optimizer, int from, int to)
    {
        for (var step = from; step < to; step++)
        {
            using var scope = new Scope();
            Torch.Seed((ulong)step);
            var images = Torch.Randn([4, 2, 5, 5]).To(At);
            optimizer.LearningRate = 0.01 / (1 + step);
            optimizer.ZeroGrad();
            net.Call(images).Pow(2).Sum().Backward();
            // A parameter that misses a step counts fewer of them.
            if (step == 1)
                net.Parameters().First().Grad = null;
            optimizer.Step();
        }
    }

    private static Dictionary<string, Tensor> Copy(Optimizer optimizer) =>
        optimizer.StateDict().ToDictionary(e => e.Key, e => e.Value.To(Device.Cpu).Clone());

    private static void Alike(Net expected, Net actual)
    {
        foreach (var (name, value) in expected.StateDict())
            Near.Equal(value.To(Device.Cpu), actual.StateDict()[name].To(Device.Cpu), 2e-6);
    }

    // On the CPU only: on a GPU the fused step is the only one.
    [FusedAdamTheory]
    [InlineData(true)]
    [InlineData(false)]
    public void The_fused_step_is_the_one_that_is_written_out(bool decoupled)
    {
        using var scope = new Scope();
        var (plain, fused) = (new Net(), new Net());
        fused.LoadStateDict(plain.StateDict());
        fused.To(At);
        var (expected, actual) = (Make(decoupled, plain, fused: false), Make(decoupled, fused, fused: true));
        for (var step = 0; step < 6; step++)
        {
            foreach (var (own, other) in plain.Parameters().Zip(fused.Parameters()))
            {
                own.Grad = Torch.Randn(own.Shape);
                other.Grad = own.Grad!.To(At).Clone();
            }
            (expected.LearningRate, actual.LearningRate) = (0.01 / (1 + step), 0.01 / (1 + step));
            expected.Step();
            actual.Step();
        }
        Alike(plain, fused);
        foreach (var (key, value) in expected.StateDict())
            Near.Equal(value, actual.StateDict()[key].To(Device.Cpu), 2e-6);
    }

    [FusedAdamFact]
    public void What_one_saves_the_other_goes_on_from()
    {
        using var scope = new Scope();
        var straight = Fresh();
        Train(straight, Make(true, straight, fused: true), 0, 6);
        foreach (var fusedFirst in new[] { true, false })
        {
            var net = Fresh();
            var first = Make(true, net, fusedFirst);
            Train(net, first, 0, 3);
            var second = Make(true, net, !fusedFirst);
            second.LoadStateDict(Copy(first));
            Train(net, second, 3, 6);
            Alike(straight, net);
        }
    }

    [FusedAdamTheory]
    [InlineData(true)]
    [InlineData(false)]
    public void Steps_with_their_numbers_on_the_device_are_the_same_steps(bool decoupled)
    {
        using var scope = new Scope();
        var (straight, recorded) = (Fresh(), Fresh());
        var (expected, actual) = (Make(decoupled, straight, fused: true), Make(decoupled, recorded, fused: true));
        Train(straight, expected, 0, 6);
        Train(recorded, actual, 0, 2);
        actual.Recordable = true;
        Train(recorded, actual, 2, 4);
        var saved = Copy(actual);
        Train(recorded, actual, 4, 5);
        // Back to where it was saved, then on: counts are set on the device too.
        var loaded = Fresh();
        loaded.LoadStateDict(recorded.StateDict());
        actual.Recordable = false;
        Assert.False(actual.Recordable);
        Train(recorded, actual, 5, 6);
        Alike(straight, recorded);
        var (before, after) = (Copy(expected), Copy(actual));
        Assert.Equal(before.Keys.Order(), after.Keys.Order());
        foreach (var (key, value) in before)
            Near.Equal(value, after[key], 2e-6);
        Assert.Equal(4, saved["fc.weight/step"].ToInt64());
        Assert.Equal(3, saved["conv.weight/step"].ToInt64());
        actual.Recordable = true;
        actual.LoadStateDict(saved);
        Assert.Equal((4, 3), (actual.StateDict()["fc.weight/step"].ToInt64(), actual.StateDict()["conv.weight/step"].ToInt64()));
    }

    [FusedAdamFact]
    public void Weights_and_states_with_channels_last_are_stepped_too()
    {
        using var scope = new Scope();
        var (plain, last) = (Fresh(), Fresh());
        last.To(MemoryFormat.ChannelsLast);
        var (expected, first) = (Make(true, plain, fused: true), Make(true, last, fused: true));
        Train(plain, expected, 0, 4);
        Train(last, first, 0, 2);
        var second = Make(true, last, fused: true);
        second.LoadStateDict(first.StateDict().ToDictionary(e => e.Key, e => e.Value.Contiguous()));
        Train(last, second, 2, 4);
        Alike(plain, last);
        Assert.False(second.StateDict()["conv.weight/exp_avg"].IsContiguous);
    }

    [Fact]
    public void Only_steps_on_a_GPU_can_be_recorded()
    {
        using var scope = new Scope();
        var net = new Net();
        Assert.Contains(
            "Sgd",
            Assert.Throws<NotSupportedException>(() => new Sgd([.. Groups(net)], 0.1).Recordable = true).Message,
            StringComparison.Ordinal
        );
        var adam = new AdamW([.. Groups(net)], 0.1);
        var message = Assert.Throws<NotSupportedException>(() => adam.Recordable = true).Message;
        Assert.Contains(Adam.HasFused ? "'conv.weight' is on cpu" : "2.1 or newer", message, StringComparison.Ordinal);
        Assert.False(adam.Recordable);
    }

    [Fact]
    public void Gradients_whose_norm_is_not_finite_stay_as_they_are()
    {
        using var scope = new Scope();
        var parameter = new Parameter(Tensor.From([0.0, 0.0]));
        parameter.Grad = Tensor.From([3.0, double.PositiveInfinity]);
        Assert.Equal(double.PositiveInfinity, GradientClipping.ByNormOnDevice([parameter], 1)!.ToDouble());
        Near.Values(parameter.Grad!, 0, 3, double.PositiveInfinity);
        parameter.Grad = Tensor.From([3.0, 4.0]);
        Assert.Equal(5, GradientClipping.ByNormOnDevice([parameter], 1)!.ToDouble());
        Near.Values(parameter.Grad!, 1e-6, 0.6, 0.8);
        parameter.Grad = null;
        Assert.Null(GradientClipping.ByNormOnDevice([parameter], 1));
    }
}
