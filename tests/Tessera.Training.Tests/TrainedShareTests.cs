using Tessera.Models;

namespace Tessera.Training.Tests;

[Collection("engine")]
public sealed class TrainedShareTests
{
    [Fact]
    public void A_model_knows_how_much_of_its_training_is_done()
    {
        using var scope = new Scope();
        Torch.Seed(1);
        var options = PnasNetworkOptions.Of(new PnasCell(new PnasBlock(0, 1, 0, 5)), cells: 1, filters: 2);
        var model = options.Create(
            new()
            {
                Classes = 3,
                ImageSize = (8, 8),
                DropPath = 0.5,
            }
        );
        Assert.Equal(1, model.TrainedShare);
        var objective = new Supervised(model);
        objective.Train();
        var batch = new Batch(Torch.Randn([4, 3, 8, 8]), new ClassTargets(Tensor.From<long>([0, 1, 2, 0])), [0, 1, 2, 3]);
        // Nothing is left out at the beginning, so that the same step has the same loss.
        Assert.Equal(LossAt(0), LossAt(0));
        Assert.Equal(0, model.TrainedShare);
        LossAt(30);
        Assert.Equal(0.75, model.TrainedShare);

        double LossAt(long step) => objective.Compute(batch, new Progress((int)step / 10, 4, step, 10)).Total.ToDouble();
    }
}
