using Tessera.Cli.Shell;

namespace Tessera.Cli.Tests;

public sealed class InterruptionTests(Workplace place) : IClassFixture<Workplace>
{
    [Fact]
    public void An_interrupted_training_writes_a_checkpoint_and_goes_on_from_it()
    {
        Ended stopped;
        using (
            var training = CommandLineTool.StartUntil(
                place.Folder,
                "step 1/",
                place.Train("--set", "schedule.epochs=30", "--set", "evaluation.every=0", "--out", "run")
            )
        )
        {
            training.Interrupt();
            stopped = training.End();
        }
        Assert.True(stopped.Code == ExitCode.Interrupted, $"exit code {stopped.Code}: {stopped.Error}{stopped.Output}");
        Assert.Contains("tessera train --resume run", stopped.Output, StringComparison.Ordinal);
        Assert.NotEmpty(
            Directory.EnumerateFiles(Path.Combine(place.Folder, "run", "checkpoints"), "model.safetensors", SearchOption.AllDirectories)
        );

        var resumed = place.Run("train", "--resume", "run").Succeeded();
        Assert.Contains("resumed at step", resumed.Output, StringComparison.Ordinal);
        Assert.Contains("top-1", resumed.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void Quiet_training_prints_its_folder_alone()
    {
        var folder = Assert.Single(place.Run(place.Train("--set", "schedule.epochs=1", "--quiet")).Succeeded().Lines);
        Assert.StartsWith(Path.Combine("runs", "fashion_mnist-"), folder, StringComparison.Ordinal);
        Assert.True(File.Exists(Path.Combine(place.Folder, folder, "recipe.yaml")));
    }
}
