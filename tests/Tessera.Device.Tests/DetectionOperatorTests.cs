using Tessera.Models.Detection;
using Tessera.Testing;

namespace Tessera.Tests.Devices;

/// <summary>Detection's operators give on a device what their kernels give on the processor.</summary>
public sealed class DetectionOperatorTests : LiveTensors
{
    private static readonly Device device = new(DeviceType.Cuda, 0);

    private static Tensor Boxes(int count)
    {
        var corner = Torch.Rand([count, 2]) * 40 - 4;
        return Torch.Cat([corner, corner + Torch.Rand([count, 2]) * 30 + 0.5], 1);
    }

    [DeviceFact]
    public void Regions_and_their_gradients_are_those_of_the_processor()
    {
        using var scope = Torch.Scope();
        Torch.Seed(1);
        var maps = Torch.Randn([2, 3, 12, 14]);
        var rois = Torch.Cat([Torch.Randint(0, 2, [20, 1], dtype: DType.Float32), Boxes(20)], 1);
        foreach (var align in (RoiAlign[])[new(3, 2, 0.25), new(2, 4, 0.5, 2, Aligned: false)])
        {
            Tensor[] Run(Device on)
            {
                var given = maps.To(on).Detach().Clone();
                given.RequiresGrad = true;
                var output = align.Apply(given, rois.To(on));
                return [output, Autograd.Grad([output.Square().Sum()], [given])[0]!];
            }

            foreach (var (expected, found) in Run(Device.Cpu).Zip(Run(device)))
            {
                Assert.Equal(device, found.Device);
                Near.Equal(expected, found, 1e-5);
            }
        }
    }

    [DeviceFact]
    public void The_focal_loss_and_its_gradient_are_those_of_the_processor()
    {
        using var scope = Torch.Scope();
        Torch.Seed(2);
        var (logits, weights) = (Torch.Randn([30, 4]) * 4, Torch.Rand(30));
        var labels = Torch.Randint(0, 5, [30], dtype: DType.Int64);
        Tensor[] Run(Device on)
        {
            var given = logits.To(on).Detach().Clone();
            given.RequiresGrad = true;
            var loss = new FocalLoss().Sum(given, labels.To(on), weights.To(on));
            return [loss, Autograd.Grad([loss], [given])[0]!];
        }

        foreach (var (expected, found) in Run(Device.Cpu).Zip(Run(device)))
        {
            Assert.Equal(device, found.Device);
            Near.Equal(expected, found, 1e-5);
        }
    }

    [DeviceFact]
    public void Suppression_and_pasting_take_tensors_of_the_device()
    {
        using var scope = Torch.Scope();
        Torch.Seed(3);
        var (boxes, scores, groups) = (Boxes(50), Torch.Rand(50), Torch.Randint(0, 3, [50], dtype: DType.Int64));
        var kept = Nms.Keep(boxes.To(device), scores.To(device), 0.3, groups.To(device));
        Assert.Equal(device, kept.Device);
        Assert.Equal(Nms.Keep(boxes, scores, 0.3, groups).ToArray<long>(), kept.ToArray<long>());
        var masks = Torch.Rand([50, 7, 7]);
        Assert.Equal(MaskPaste.Runs(masks, boxes, 40, 50), MaskPaste.Runs(masks.To(device), boxes.To(device), 40, 50));
    }
}
