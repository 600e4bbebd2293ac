using Tessera.Optim;
using Tessera.Testing;

namespace Tessera.Tests.Optim;

public sealed class SharpnessAwareTests : LiveTensors
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void All_parameters_move_by_one_joint_length_and_come_back_bit_for_bit(bool adaptive)
    {
        using var scope = new Scope();
        Torch.Seed(4);
        var (a, b, still) = (new Parameter(Torch.Randn([3, 2])), new Parameter(Torch.Randn([4])), new Parameter(Torch.Randn([2])));
        var before = new[] { a, b, still }.Select(p => p.ToBytes()).ToArray();
        (a.Grad, b.Grad) = (Torch.Randn([3, 2]), Torch.Randn([4]));
        var (weightsA, weightsB) = (a.Detach().Clone(), b.Detach().Clone());
        using (new SharpnessAware([a, b, still], 0.25, adaptive))
        {
            var (movedA, movedB) = (a.Detach() - weightsA, b.Detach() - weightsB);
            if (adaptive)
                (movedA, movedB) = (movedA / weightsA.Abs(), movedB / weightsB.Abs());
            Assert.Equal(0.0625, (movedA.Square().Sum() + movedB.Square().Sum()).ToDouble(), 1e-5);
            Assert.True((movedA * a.Grad).Sum().ToDouble() > 0);
            Assert.Equal(before[2], still.ToBytes());
        }
        Assert.Equal(before, new[] { a, b, still }.Select(p => p.ToBytes()));
    }
}
