namespace Tessera.Cli.Tests;

/// <summary>Two processes and one run.</summary>
public sealed class RunLockTests(Workplace place) : IClassFixture<Workplace>
{
    private const int Kill = 9;

    private string[] Long(string folder) =>
        place.Train("--set", "schedule.epochs=3000", "--set", "evaluation.every=0", "--set", "train.checkpoint_every=1", "--out", folder);

    [Fact]
    public void A_run_that_lives_is_refused_and_one_whose_process_was_killed_goes_on()
    {
        using var first = CommandLineTool.StartUntil(place.Folder, "step 1/", Long("run"));
        foreach (
            var second in (string[][])
                [
                    ["train", "--resume", "run"],
                    Long("run"),
                ]
        )
        {
            var line = place.Run(second).UserError();
            Assert.Contains($"run: process {first.Id} on {Environment.MachineName} is training this run", line, StringComparison.Ordinal);
        }
        CommandLineTool.Signal(first.Id, Kill);
        first.End();
        using var again = CommandLineTool.StartUntil(place.Folder, "step ", "train", "--resume", "run");
        again.Interrupt();
        Assert.Equal(Shell.ExitCode.Interrupted, again.End().Code);
    }

    [Fact]
    public void Launched_processes_hold_one_lock_together()
    {
        using var launcher = CommandLineTool.StartUntil(place.Folder, "step 1/", ["launch", "-n", "2", .. Long("shared")]);
        var line = place.Run("train", "--resume", "shared").UserError();
        Assert.Contains($"process {launcher.Rank(0)} on", line, StringComparison.Ordinal);
        launcher.Interrupt();
        Assert.Equal(Shell.ExitCode.Interrupted, launcher.End().Code);
    }

    [Fact]
    public void Stages_are_held_together()
    {
        place.Write(
            "stages.yaml",
            $$"""
            model: { name: cct_2_3x2_32 }
            data: { name: fashion_mnist, root: "{{place.Data}}", batch: 32 }
            augment: []
            objective: { name: supervised }
            optimizer: { name: adamw, lr: 1e-3 }
            schedule: { name: cosine, epochs: 3000 }
            evaluation: { every: 0 }
            train: { threads: 1 }
            stages:
              - name: first
              - name: second
            """
        );
        using (var first = CommandLineTool.StartUntil(place.Folder, "step 1/", "train", "stages.yaml", "--out", "staged"))
        {
            foreach (var folder in (string[])["staged", "staged/first"])
                Assert.Contains($"process {first.Id} on", place.Run("train", "--resume", folder).UserError(), StringComparison.Ordinal);
            Assert.Contains(
                $"process {first.Id} on",
                place.Run("train", "stages.yaml", "--out", "staged").UserError(),
                StringComparison.Ordinal
            );
            first.Interrupt();
            first.End();
        }
        // The data moves: all stages learn of it.
        Directory.Move(place.Data, place.Data + "-moved");
        try
        {
            using var again = CommandLineTool.StartUntil(
                place.Folder,
                "step ",
                "train",
                "--resume",
                "staged",
                "--root",
                place.Data + "-moved"
            );
            again.Interrupt();
            Assert.Equal(Shell.ExitCode.Interrupted, again.End().Code);
            foreach (var file in (string[])["first.yaml", "second.yaml", "first/recipe.yaml"])
                Assert.Contains("-moved", File.ReadAllText(Path.Combine(place.Folder, "staged", file)), StringComparison.Ordinal);
        }
        finally
        {
            Directory.Move(place.Data + "-moved", place.Data);
        }
    }

    [Fact]
    public void What_may_change_belongs_to_resuming()
    {
        Assert.Contains("need --resume", place.Run(place.Train("--root", "x")).UserError(), StringComparison.Ordinal);
        Assert.Contains("need --resume", place.Run(place.Train("--accept-changed-data")).UserError(), StringComparison.Ordinal);
    }
}
