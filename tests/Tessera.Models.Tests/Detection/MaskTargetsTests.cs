using Tessera.Models.Detection;
using Tessera.Testing;

namespace Tessera.Tests.Models.Detection;

public sealed class MaskTargetsTests : LiveTensors
{
    [Fact]
    public void A_pixel_is_set_where_half_of_it_is()
    {
        using var scope = Torch.Scope();
        var masks = Torch.Zeros([2, 6, 8], DType.UInt8);
        masks[1].Slice(1, 3, null).Fill_(1);
        var boxes = Tensor.From([0f, 0, 8, 6, 0, 0, 8, 6]).Reshape(2, 4);
        var targets = MaskTargets.Of(masks, boxes, Tensor.From([1L, 0]), 2);
        Assert.Equal((DType.Float32, new Shape(2, 2, 2)), (targets.DType, targets.Shape));
        Near.Values(targets, 0, 0, 1, 0, 1, 0, 0, 0, 0);
        Near.Identical(targets, MaskTargets.Of(masks.To(DType.Float32), boxes, Tensor.From([1L, 0]), 2));
    }

    [Fact]
    public void The_loss_is_of_each_regions_own_class_and_zero_without_regions()
    {
        using var scope = Torch.Scope();
        var logits = Torch.Full([2, 3, 2, 2], 50, DType.Float64);
        logits[0][2].Fill_(0);
        logits.RequiresGrad = true;
        var loss = MaskTargets.Loss(logits, Torch.Ones([2, 2, 2]), Tensor.From([2L, 0]));
        Near.Values(loss, 1e-12, Math.Log(2) / 2);
        var none = MaskTargets.Loss(logits.Slice(0, 0, 0), Torch.Zeros([0, 2, 2]), Torch.Zeros([0], DType.Int64));
        Assert.Equal(0, none.ToDouble());
        Assert.Equal(0, Autograd.Grad([none], [logits])[0]!.Abs().Sum().ToDouble());
    }

    [Fact]
    public void Regions_go_to_the_level_of_their_size()
    {
        using var scope = Torch.Scope();
        double[] sides = [0, 1, 55.9, 111.9, 112, 223, 224, 447, 448, 5000];
        var rois = Tensor.From([.. sides.SelectMany(side => new[] { 0, 10, 20, 10 + side, 20 + side })]).Reshape(-1, 5);
        Assert.Equal([0, 0, 0, 0, 1, 1, 2, 2, 3, 3], RoiLevels.Of(rois, 4).ToArray<long>());
        Assert.Equal([0, 0, 0, 0, 1, 1, 2, 2, 3, 3], RoiLevels.Torchvision(rois, 4).ToArray<long>());
        Assert.Equal([0, 0, 0, 0, 1, 1, 1, 1, 1, 1], RoiLevels.Of(rois, 2).ToArray<long>());
        // A hair below the limit counts as the limit; how wide the hair is differs.
        var near = Tensor.From([0, 0, 0, 112 - 4e-5, 112 - 4e-5]).Reshape(1, 5);
        Assert.Equal((1, 1), (RoiLevels.Of(near, 4).ToInt64(), RoiLevels.Torchvision(near, 4).ToInt64()));
        var apart = Tensor.From([0, 0, 0, 112 - 7e-5, 112 - 7e-5]).Reshape(1, 5);
        Assert.Equal((0, 1), (RoiLevels.Of(apart, 4).ToInt64(), RoiLevels.Torchvision(apart, 4).ToInt64()));
    }
}
