using Tessera.Nn;
using Tessera.Optim;
using Tessera.Testing;

namespace Tessera.Tests;

/// <summary>A test that needs a CUDA device.</summary>
internal sealed class CudaFactAttribute : FactAttribute
{
    public CudaFactAttribute()
    {
        if (!Cuda.IsAvailable)
            Skip = $"there is no CUDA device (libtorch {Torch.Version})";
    }
}

public sealed class CudaGraphTests : LiveTensors
{
    [Fact]
    public void Without_a_device_there_is_nothing_to_record_on()
    {
        var missing = Cuda.Count;
        var message = Assert.Throws<NotSupportedException>(() => CudaGraph.Capture(() => { }, missing)).Message;
        Assert.Contains(missing == 0 ? "needs a CUDA device" : $"no CUDA device {missing}", message, StringComparison.Ordinal);
        Assert.False(CudaGraph.IsRecording);
        Assert.Throws<ArgumentOutOfRangeException>(() => CudaGraph.Capture(() => { }, warmUps: 0));
    }

    [CudaFact]
    public void A_replay_computes_with_new_inputs()
    {
        using var scope = new Scope();
        var device = Device.Parse("cuda:0");
        var input = Torch.Zeros([3], device: device);
        Tensor? output = null;
        using var graph = CudaGraph.Capture(() => output = (input * 2 + 1).Keep());
        input.Copy_(Tensor.From([1f, 2f, 3f]));
        graph.Replay();
        Near.Values(output!, 0, 3, 5, 7);
    }

    [CudaFact]
    public void What_fails_while_recording_comes_out_and_leaves_the_device_usable()
    {
        using var scope = new Scope();
        var runs = 0;
        Assert.Equal(
            "enough",
            Assert
                .Throws<InvalidOperationException>(() =>
                    CudaGraph.Capture(() =>
                    {
                        if (runs++ == 3)
                            throw new InvalidOperationException("enough");
                    })
                )
                .Message
        );
        Near.Values(Torch.Ones([2], device: Device.Parse("cuda:0")) + 1, 0, 2, 2);
    }

    [CudaFact]
    public void Recorded_steps_of_training_are_the_steps_themselves()
    {
        using var scope = new Scope();
        var device = Device.Parse("cuda:0");
        var (plain, recorded) = (new Linear(4, 3), new Linear(4, 3));
        recorded.LoadStateDict(plain.StateDict());
        foreach (var net in new[] { plain, recorded })
            net.To(device);
        var inputs = Enumerable.Range(0, 8).Select(_ => Torch.Randn([5, 4], device: device)).ToArray();
        var (own, other) = (new AdamW(ParameterGroup.All(plain, 0.05), 0.01), new AdamW(ParameterGroup.All(recorded, 0.05), 0.01));
        var still = inputs[0].Clone();
        void Step(Linear net, AdamW optimizer, Tensor x)
        {
            using var inner = new Scope();
            optimizer.ZeroGrad();
            net.Call(x).Pow(2).Sum().Backward();
            GradientClipping.ByNormOnDevice(net.Parameters(), 1);
            optimizer.Step();
        }

        Assert.Throws<InvalidOperationException>(() =>
            CudaGraph.Capture(() =>
            {
                if (CudaGraph.IsRecording)
                    own.Step();
            })
        );
        other.Recordable = true;
        using var graph = CudaGraph.Capture(() => Step(recorded, other, still), warmUps: 2);
        for (var i = 0; i < 2; i++)
            Step(plain, own, inputs[0]);
        for (var i = 0; i < inputs.Length; i++)
        {
            (own.LearningRate, other.LearningRate) = (0.01 / (i + 1), 0.01 / (i + 1));
            Step(plain, own, inputs[i]);
            still.Copy_(inputs[i]);
            graph.Replay();
        }
        Near.Equal(plain.Weight.Detach().To(Device.Cpu), recorded.Weight.Detach().To(Device.Cpu), 1e-6);
        Assert.Equal(10, other.StateDict()["weight/step"].ToInt64());
    }
}
