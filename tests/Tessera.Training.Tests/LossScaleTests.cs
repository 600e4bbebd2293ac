using Tessera.Optim;
using Tessera.Testing;

namespace Tessera.Training.Tests;

/// <summary>Training with a scaled loss, as in float16; the arithmetic is that of any device.</summary>
[Collection("engine")]
public sealed class LossScaleTests
{
    /// <summary>A loss so large that the first steps overflow float32 at the largest scale.</summary>
    private sealed class Loud(TinyModel model) : BackboneObjective(model)
    {
        protected override Loss ForwardLoss(Batch batch, Progress progress, Phase phase) =>
            new(ClassificationLosses.CrossEntropy(Student.Call(batch.Inputs), batch.Labels()) * 1000);
    }

    private static Dictionary<string, byte[]> Train(
        string folder,
        Func<GradientScaler?> scaler,
        int[] stops,
        Func<TinyModel, Objective>? objective = null
    )
    {
        var result = new Dictionary<string, byte[]>();
        foreach (var stop in stops)
        {
            using var scope = new Scope();
            var (trainer, model, optimizer) = Tiny.Training(folder, scaler: scaler(), objective: objective);
            using (trainer)
            {
                if (stop != stops[0])
                    Assert.True(trainer.Resume());
                trainer.Train(stop);
                if (stop != stops[^1])
                    continue;
                foreach (var (name, tensor) in model.StateDict())
                    result.Add(name, tensor.ToBytes());
                foreach (var (name, tensor) in optimizer.StateDict())
                    result.Add("optimizer:" + name, tensor.ToBytes());
            }
        }
        return result;
    }

    private static void Equal(Dictionary<string, byte[]> expected, Dictionary<string, byte[]> found)
    {
        foreach (var (name, bytes) in expected)
            Assert.True(bytes.AsSpan().SequenceEqual(found[name]), $"{name} differs");
    }

    [Fact]
    public void A_power_of_two_changes_nothing()
    {
        using var plain = new TempFolder();
        using var scaled = new TempFolder();
        Equal(Train(plain.Path, () => null, [12]), Train(scaled.Path, () => new(), [12]));
    }

    private static GradientScaler Overflowing() => new(Math.Pow(2, 127), interval: 3);

    [Fact]
    public void Steps_that_overflow_are_left_out_until_the_scale_fits()
    {
        using var folder = new TempFolder();
        var events = new List<TrainingEvent>();
        var scaler = Overflowing();
        using var scope = new Scope();
        var (trainer, model, optimizer) = Tiny.Training(
            folder.Path,
            scaler: scaler,
            objective: model => new Loud(model),
            report: events.Add
        );
        using (trainer)
        {
            var before = model.Head.Weight.ToBytes();
            trainer.Train(until: 1);
            Assert.Equal(before, model.Head.Weight.ToBytes());
            Assert.Empty(optimizer.StateDict());
            Assert.Equal(Math.Pow(2, 126), scaler.Scale);
            Assert.True(trainer.Train().Completed);
        }
        var lowered = events.OfType<ScaleLowered>().ToArray();
        Assert.NotEmpty(lowered);
        Assert.Equal(1, lowered[0].Step);
        Assert.Equal(lowered.Length, RunLog.Read(new RunFolder(folder.Path).LogPath).Count(line => (string?)line["kind"] == "loss_scale"));
        Assert.All(model.Parameters(), parameter => Assert.True(NonFiniteLossException.IsFinite(parameter)));
        Assert.NotEmpty(optimizer.StateDict());
    }

    [Fact]
    public void The_scale_goes_on_where_it_was()
    {
        using var whole = new TempFolder();
        var expected = Train(whole.Path, Overflowing, [20], model => new Loud(model));
        foreach (
            var stops in (int[][])
                [
                    [1, 20],
                    [3, 4, 20],
                    [11, 20],
                ]
        )
        {
            using var parts = new TempFolder();
            Equal(expected, Train(parts.Path, Overflowing, stops, model => new Loud(model)));
            Assert.Equal(ResumeTests.Log(whole.Path), ResumeTests.Log(parts.Path));
        }
    }

    [Fact]
    public void A_scale_below_one_is_not_to_blame()
    {
        using var scope = new Scope();
        using var trainer = Tiny.Training(null, scaler: new(1), objective: model => new Steep(model)).Trainer;
        Assert.Contains(
            "the gradient of head.bias is not finite",
            Assert.Throws<NonFiniteLossException>(() => trainer.Train()).Message,
            StringComparison.Ordinal
        );
    }

    private sealed class Steep(TinyModel model) : BackboneObjective(model)
    {
        protected override Loss ForwardLoss(Batch batch, Progress progress, Phase phase)
        {
            var zero = ((TinyModel)Student).Head.Bias!.Sum();
            return new((zero - zero.Detach()).Sqrt());
        }
    }

    [Fact]
    public void Float16_asks_for_a_GPU_in_one_line()
    {
        var error = Assert.Throws<RecipeException>(() =>
            Recipe.Parse(
                "model: vit_2_4_32\ndata: cifar10\noptimizer: sgd\nschedule: { name: constant, epochs: 1 }\nobjective: supervised\n"
                    + "augment: []\ntrain: { precision: fp16 }",
                "r.yaml"
            )
        );
        Assert.Equal("r.yaml:7: train: precision fp16 needs device cuda; on the CPU, precision must be fp32 or bf16", error.Message);
        Assert.Equal(
            Precision.Fp16,
            Recipe
                .Parse(
                    "model: vit_2_4_32\ndata: cifar10\noptimizer: sgd\nschedule: { name: constant, epochs: 1 }\nobjective: supervised\n"
                        + "augment: []\ntrain: { precision: fp16, device: cuda }",
                    "r.yaml"
                )
                .Train.Precision
        );
    }
}
