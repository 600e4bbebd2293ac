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
    public void The_end_of_the_terminal_writes_a_checkpoint_however_often_it_is_told()
    {
        using var training = CommandLineTool.StartUntil(
            place.Folder,
            "step 1/",
            place.Train("--set", "schedule.epochs=3000", "--set", "evaluation.every=0", "--out", "hung-up")
        );
        // The system and the shell both tell it.
        training.Send(HangUp);
        training.Send(HangUp);
        var stopped = training.End();
        Assert.True(stopped.Code == ExitCode.Interrupted, $"exit code {stopped.Code}: {stopped.Error}{stopped.Output}");
        Assert.NotEmpty(Directory.EnumerateDirectories(Path.Combine(place.Folder, "hung-up", "checkpoints"), "step-*"));
    }

    [Fact]
    public void The_end_of_the_terminal_stops_launched_processes_with_a_checkpoint()
    {
        using var launcher = CommandLineTool.StartUntil(
            place.Folder,
            "step 1/",
            ["launch", "-n", "2", .. place.Train("--set", "schedule.epochs=3000", "--set", "evaluation.every=0", "--out", "both")]
        );
        CommandLineTool.Signal(launcher.Rank(0), HangUp);
        CommandLineTool.Signal(launcher.Rank(1), HangUp);
        launcher.Send(HangUp);
        launcher.Send(HangUp);
        Assert.Equal(ExitCode.Interrupted, launcher.End().Code);
        Assert.NotEmpty(Directory.EnumerateDirectories(Path.Combine(place.Folder, "both", "checkpoints"), "step-*"));
    }

    private const int HangUp = 1;

    [Fact]
    public void Quiet_training_prints_its_folder_alone()
    {
        var folder = Assert.Single(place.Run(place.Train("--set", "schedule.epochs=1", "--quiet")).Succeeded().Lines);
        Assert.StartsWith(Path.Combine("runs", "fashion_mnist-"), folder, StringComparison.Ordinal);
        Assert.True(File.Exists(Path.Combine(place.Folder, folder, "recipe.yaml")));
    }
}
