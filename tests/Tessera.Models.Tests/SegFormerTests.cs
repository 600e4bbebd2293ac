using Tessera.Models;
using Tessera.Optim;

namespace Tessera.Tests.Models;

public class SegFormerTests
{
    private static SegFormer Small(int classes) =>
        new(
            new Mit(new PvtV2.Config((32, 32), [8, 16, 24, 32], [1, 1, 1, 1], [1, 2, 3, 4], [2, 2, 2, 2], [8, 4, 2, 1], Classes: 0)),
            new SegFormerHead(new([8, 16, 24, 32], 32, classes))
        );

    [Fact]
    public void Scores_lie_at_a_quarter_of_an_odd_size()
    {
        using var scope = Torch.Scope();
        var model = Small(7);
        model.Eval();
        Assert.Equal(new Shape(2, 7, 10, 14), model.Call(Torch.Randn([2, 3, 39, 53])).Shape);
        var refusal = Assert.Throws<ShapeException>(() => model.DecodeHead.Call([Torch.Zeros([1, 8, 4, 4])]));
        Assert.Contains("takes 4 maps, not 1", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_classifier_that_nothing_uses_is_read_and_written_but_never_learns()
    {
        using var scope = Torch.Scope();
        var model = Small(7);
        Assert.Equal(new Shape(7, 128, 1, 1), model.StateDict()["decode_head.conv_seg.weight"].Shape);
        model.Call(Torch.Randn([2, 3, 32, 32])).Sum().Backward();
        Assert.Equal(
            ["decode_head.conv_seg.weight", "decode_head.conv_seg.bias"],
            model.NamedParameters().Where(p => p.Parameter.Grad is null).Select(p => p.Name)
        );
    }

    [Fact]
    public void Eight_images_are_learned_by_heart()
    {
        using var scope = Torch.Scope();
        Torch.Seed(4);
        var model = Small(3);
        // Three colours in 4 x 4 fields of 8 pixels; a label per field and quarter of its pixels.
        var fields = Torch.Randint(0, 3, [8, 4, 4]);
        var colours = Torch.Randn([3, 3]);
        var images = colours.IndexSelect(0, fields.Flatten()).Reshape(8, 4, 4, 3).Permute(0, 3, 1, 2).UpsampleNearest2d((32, 32));
        var labels = fields.RepeatInterleave(2, 1).RepeatInterleave(2, 2); // [8, 8, 8]
        var optimizer = new AdamW([new ParameterGroup([.. model.NamedParameters()])], 3e-3);
        for (var step = 0; step < 60; step++)
        {
            using var one = Torch.Scope();
            model.ZeroGrad();
            model.Call(images).CrossEntropyLoss(labels).Backward();
            optimizer.Step();
        }
        model.Eval();
        var right = model.Call(images).Argmax(1).Eq(labels).To(DType.Float32).Mean().ToDouble();
        Assert.True(right > 0.9, $"{right:P1} of the positions are right");
    }
}
