using Tessera.Testing;

namespace Tessera.Training.Tests;

/// <summary>What holds of every training method: it learns, and a training that was stopped goes on bit for bit.</summary>
[Collection("engine")]
public sealed class MethodTests : IDisposable
{
    private readonly TempFolder folder = new();

    public void Dispose() => folder.Dispose();

    public static TheoryData<string> Names => [.. Methods.Names];

    [Theory]
    [MemberData(nameof(Names))]
    public void A_stopped_and_resumed_training_equals_one_that_was_not_stopped(string name)
    {
        var expected = State(name, "whole", [7]);
        var found = State(name, "parts", [2, 4, 7]);
        Assert.Equal(expected.Keys.Order(), found.Keys.Order());
        foreach (var (tensor, bytes) in expected)
            Assert.True(bytes.AsSpan().SequenceEqual(found[tensor]), $"{tensor} differs");
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Training_lowers_the_loss(string name)
    {
        var losses = new List<double>();
        using var scope = new Scope();
        var (trainer, _, _, _) = Methods.Training(name, folder.Path, null, 12, e =>
        {
            if (e is StepDone step)
                losses.Add(step.Loss);
        });
        using (trainer)
            trainer.Train();
        Assert.True(
            losses[^6..].Average() < losses[..6].Average(),
            $"the loss went from {losses[..6].Average()} to {losses[^6..].Average()}"
        );
    }

    [Fact]
    public void The_cost_of_a_step_is_the_models_where_nothing_else_runs()
    {
        using var scope = new Scope();
        double? Passes(Objective method, double? sam)
        {
            var setup = new TrainingSetup
            {
                Objective = method,
                Phases = PhaseSetup.Of(method, new AdamWOptions(1e-3)),
                Schedule = new CosineOptions(1),
                Data = Small.Source(),
                Options = new(Sam: sam is { } rho ? new(rho) : null),
            };
            using var trainer = new Trainer(setup);
            return trainer.ForwardPasses;
        }
        Assert.Equal(3, Passes(new Supervised(Small.Vit()), null));
        Assert.Equal(3, Passes(Methods.With(Small.Swin(), new()), null));
        Assert.Equal(6, Passes(new Supervised(Small.Vit()), 0.1));
        Assert.Null(Passes(new MaskedAutoencoder(new(Dim: 16, Depth: 1, Heads: 2), Small.Vit()), null));
        Assert.Null(Passes(new SoftDistillation(Small.Vit(), Small.Guide(), 2), null));
    }

    private Dictionary<string, byte[]> State(string name, string run, int[] stops)
    {
        var result = new Dictionary<string, byte[]>();
        foreach (var stop in stops)
        {
            using var scope = new Scope();
            var (trainer, model, method, optimizer) = Methods.Training(name, folder.Path, Path.Combine(folder.Path, run), 3, null);
            using (trainer)
            {
                // Whatever ran before in the process must not matter.
                Torch.Seed(stop == stops[0] ? 5UL : 999UL);
                if (stop != stops[0])
                    Assert.True(trainer.Resume());
                trainer.Train(stop);
                if (stop != stops[^1])
                    continue;
                foreach (var (key, tensor) in model.StateDict())
                    result.Add(key, tensor.ToBytes());
                foreach (var (key, tensor) in method.OwnStateDict())
                    result.Add("method:" + key, tensor.ToBytes());
                foreach (var (key, tensor) in optimizer.StateDict())
                    result.Add("optimizer:" + key, tensor.ToBytes());
            }
        }
        return result;
    }
}
