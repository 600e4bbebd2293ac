using Tessera.Data.Transforms;
using Tessera.Models;
using Tessera.Training.Bundles;
using Tessera.Training.Experiments;
using Tessera.Training.Objectives;
using Tessera.Training.Optimization;

namespace Tessera.Cli.Tests;

/// <summary>What a program has trained, in the hands of the command line.</summary>
public sealed class TrainedByCodeTests : IDisposable
{
    private readonly Workplace place = new();

    public void Dispose() => place.Dispose();

    [Fact]
    public void A_run_by_code_is_resumed_measured_predicted_with_and_explained_like_any_other()
    {
        var recipe = new Recipe
        {
            Model = new("cct_2_3x2_32"),
            Data = new("fashion_mnist") { Root = place.Data, Batch = 32 },
            Augment = [new RandomHorizontalFlip()],
            Objective = new SupervisedOptions(),
            Optimizer = new AdamWOptions(LearningRate: 1e-3),
            Schedule = new CosineOptions(Epochs: 2),
            Train = new(Threads: 1),
        };
        var run = Path.Combine(place.Folder, "run");
        using (var stop = new CancellationTokenSource())
        using (var experiment = Experiment.Begin(recipe, run, happened =>
            {
                if (happened is Training.StepDone { Step: 2 })
                    stop.Cancel();
            }))
            Assert.False(experiment.Train(stop.Token).Completed);
        var trained = place.Run("train", "--resume", "run", "--json").Succeeded().Json;
        Assert.True(trained.GetProperty("completed").GetBoolean());
        var measured = place.Run("eval", "run", "--json").Succeeded().Json;
        Assert.Equal(trained.GetProperty("top1").GetDouble(), measured.GetProperty("top1").GetDouble(), 1e-9);
        var image = place.WriteImage("one.png", 3);
        var predicted = place.Run("predict", "run", "one.png", "--json").Succeeded().Json[0].GetProperty("choices")[0];
        using var scope = new Scope();
        var prediction = ModelBundle.Load(run).Predict(image).Classes[0];
        Assert.Equal(prediction.Class, predicted.GetProperty("class").GetString());
        Assert.Equal(prediction.Probability, predicted.GetProperty("probability").GetDouble(), 1e-6);
        place.Run("explain", "run", "one.png", "--quiet").Succeeded();
    }

    [Fact]
    public void The_bundle_of_a_loop_of_ones_own_is_predicted_with_and_trained_on()
    {
        using var scope = new Scope();
        Torch.Seed(2);
        var model = Registry.Create("cct_2_3x2_32", new() { Classes = 2 });
        var bundle = ModelBundle.FromModel(model, "cct_2_3x2_32", ["cup", "hat"], Preprocessing.Cifar10);
        bundle.Save(Path.Combine(place.Folder, "mine"));
        var image = place.WriteImage("one.png", 3);
        var predicted = place.Run("predict", "mine", "one.png", "--json").Succeeded().Json[0].GetProperty("choices")[0];
        var prediction = bundle.Predict(image).Classes[0];
        Assert.Equal(prediction.Class, predicted.GetProperty("class").GetString());
        Assert.Equal(prediction.Probability, predicted.GetProperty("probability").GetDouble(), 1e-6);
        place
            .Run(
                place.Train(
                    "--set",
                    "model={ name: cct_2_3x2_32, channels: 3, weights: mine }",
                    "--set",
                    "augment=[to_color]",
                    "--set",
                    "evaluation.transforms=[to_color]",
                    "--set",
                    "schedule.epochs=1",
                    "--set",
                    "schedule.warmup=0"
                )
            )
            .Succeeded();
    }
}
