using Tessera.Testing;

namespace Tessera.Tests.Devices;

/// <summary>The twin behaves as a GPU does where it matters for correct code.</summary>
public sealed class TwinTests : LiveTensors
{
    private static readonly Device device = new(DeviceType.Cuda, 0);

    [DeviceFact]
    public void There_is_a_device_and_tensors_say_that_they_are_on_it()
    {
        using var scope = Torch.Scope();
        Assert.True(Cuda.IsAvailable);
        Assert.Equal(device, Torch.Zeros([2, 3], device: Device.Cuda).Device);
        Assert.Equal(device, (Torch.Ones(3).To(device) * 2).Sum().Device);
        Assert.Equal(Device.Cpu, Torch.Ones(3).To(device).To(Device.Cpu).Device);
        Assert.Contains("on cuda:0", Torch.Ones(3).To(device).ToString(), StringComparison.Ordinal);
    }

    [DeviceFact]
    public void Operators_refuse_tensors_of_two_devices_and_are_named()
    {
        using var scope = Torch.Scope();
        var (here, there) = (Torch.Ones([2, 2]), Torch.Ones([2, 2]).To(device));
        foreach (
            var mixed in (Func<Tensor>[])
                [
                    () => there + here,
                    () => here * there,
                    () => there.Matmul(here),
                    () => Torch.Cat([there, here]),
                    () => there.Add_(here),
                    () => Torch.Where(here > 0, there, there),
                    () => there.Gather(0, here.To(DType.Int64) * 0),
                ]
        )
        {
            var error = Assert.ThrowsAny<TorchException>(mixed);
            Assert.Contains("Expected", error.Message, StringComparison.Ordinal);
            Assert.Contains("same device", error.Message, StringComparison.Ordinal);
        }
        Assert.ThrowsAny<TorchException>(() => Torch.Conv2d(there.Reshape(1, 1, 2, 2), here.Reshape(1, 1, 2, 2)));
    }

    [DeviceFact]
    public void Single_numbers_of_the_processor_mix_with_tensors_of_the_device_in_arithmetic_only()
    {
        using var scope = Torch.Scope();
        var there = Torch.Ones([2, 2]).To(device);
        Near.Values(there * Tensor.Of(3f), 0, 3, 3, 3, 3);
        Near.Values(there.MaskedFill(there > 0, 2), 0, 2, 2, 2, 2);
        Assert.ThrowsAny<TorchException>(() => Torch.Stack([there[0][0], Tensor.Of(3f)]));
    }

    [DeviceFact]
    public void Views_share_memory_and_what_is_changed_in_place_stays_the_same_tensor()
    {
        using var scope = Torch.Scope();
        var whole = Torch.Arange(6, dtype: DType.Float32).To(device);
        var view = whole.Reshape(2, 3).Transpose(0, 1)[1];
        view.Mul_(10);
        Near.Values(whole, 0, 0, 10, 2, 3, 40, 5);
        whole.Slice(0, 0, 2).Copy_(Torch.Ones(2));
        Near.Values(whole, 0, 1, 1, 2, 3, 40, 5);
        whole[5] = Tensor.Of(7f);
        Near.Values(whole, 0, 1, 1, 2, 3, 40, 7);
        Assert.Equal(view.Device, device);
    }

    [DeviceFact]
    public void Gradients_flow_and_gather_on_the_device()
    {
        using var scope = Torch.Scope();
        var input = Torch.Randn([2, 3, 8, 8]);
        var weight = Torch.Randn([3, 1, 3, 3]);
        Tensor[] Gradients(Device on)
        {
            var (x, w) = (input.To(on).Detach().Clone(), weight.To(on).Detach().Clone());
            (x.RequiresGrad, w.RequiresGrad) = (true, true);
            Torch.Conv2d(x, w, padding: 1, groups: 3).Gelu().Square().Sum().Backward();
            return [x.Grad!, w.Grad!];
        }

        foreach (var (expected, found) in Gradients(Device.Cpu).Zip(Gradients(device)))
        {
            Assert.Equal(device, found.Device);
            Near.Equal(expected, found, 1e-4);
        }
    }

    [DeviceFact]
    public void Its_random_numbers_are_its_own_and_can_be_put_back()
    {
        using var scope = Torch.Scope();
        Torch.Seed(3);
        var state = RandomState.Of(device);
        var onCpu = Torch.Rand(4).ToArray<float>();
        var ones = Torch.Ones([64], device: device);
        Tensor[] Draw() =>
            [
                Torch.Rand([4], device: device),
                Torch.Randperm(9, DType.Int64, device: device),
                ones.Bernoulli(0.5),
                Torch.Dropout(ones, 0.5, true),
                Torch.Empty([4], device: device).Normal_(),
            ];
        var first = Draw();
        Assert.NotEqual(first[0].ToArray<float>(), Torch.Rand([4], device: device).ToArray<float>());
        state.Restore();
        // What the device draws does not move the processor's numbers.
        foreach (var (expected, found) in first.Zip(Draw()))
            Near.Identical(expected, found);
        Assert.Equal(onCpu, Torch.Rand(4).ToArray<float>());
        Torch.Seed(3);
        foreach (var (expected, found) in first.Zip(Draw()))
            Near.Identical(expected, found);
    }

    [DeviceFact]
    public void A_generator_of_the_processor_is_refused()
    {
        using var scope = Torch.Scope();
        using var generator = new Generator(1);
        var error = Assert.ThrowsAny<TorchException>(() => Torch.Empty([4], device: device).Normal_(generator: generator));
        Assert.Contains("device type for generator", error.Message, StringComparison.Ordinal);
    }

    [DeviceFact]
    public void Autocast_shortens_products_on_the_device()
    {
        using var scope = Torch.Scope();
        var x = Torch.Ones([4, 4], device: device);
        using (Torch.Autocast())
            Assert.Equal(DType.Float32, x.Matmul(x).DType);
        using (Torch.Autocast(device: DeviceType.Cuda))
        {
            Assert.Equal(DType.BFloat16, x.Matmul(x).DType);
            Assert.Equal(DType.Float32, x.Matmul(x).Softmax(-1).DType);
        }
    }

    [DeviceFact]
    public void A_backward_pass_inside_of_autocast_runs_in_the_types_of_the_forward_pass()
    {
        using var scope = Torch.Scope();
        var weight = Torch.Ones([4, 4], device: device);
        weight.RequiresGrad = true;
        Tensor Gradient(bool inside)
        {
            Tensor product;
            using (Torch.Autocast(device: DeviceType.Cuda))
            {
                product = weight.Matmul(weight).Softmax(-1).Square().Sum();
                if (inside)
                    return Autograd.Grad([product], [weight])[0]!;
            }
            return Autograd.Grad([product], [weight])[0]!;
        }

        Near.Identical(Gradient(inside: false), Gradient(inside: true));
        // What was computed in float32 before is not shortened either.
        var plain = (weight * 1e6).Matmul(weight).Sum();
        using (Torch.Autocast(device: DeviceType.Cuda))
            Near.Values(Autograd.Grad([plain], [weight])[0]!.Max() / 1e6, 1e-6, 8);
    }

    [DeviceFact]
    public void Kernels_of_the_processor_alone_are_refused()
    {
        using var scope = Torch.Scope();
        var value = Torch.Ones([1, 4, 4, 4], device: device);
        var (offset, mask) = (Torch.Zeros([1, 4, 4, 18], device: device), Torch.Ones([1, 4, 4, 9], device: device));
        Assert.ThrowsAny<TorchException>(() => Torch.Dcnv3(value, offset, mask, 1, (3, 3), (1, 1), (1, 1), (1, 1), 1, false));
        Assert.ThrowsAny<TorchException>(() => Torch.Attention(value, value, value, 1));
        Assert.Throws<InvalidOperationException>(() =>
        {
            _ = value.Span<float>().Length;
        });
    }

    [DeviceFact]
    public void A_device_that_does_not_exist_is_refused() =>
        Assert.ThrowsAny<TorchException>(() => Torch.Ones(3, device: new(DeviceType.Cuda, 63)));

    [TwinFact]
    public void A_tensor_that_grows_keeps_its_identity()
    {
        using var scope = Torch.Scope();
        var target = Torch.Empty([0], device: device);
        target.Resize_([3]).Fill_(2);
        Near.Values(target, 0, 2, 2, 2);
    }
}
