using Tessera.Testing;

namespace Tessera.Training.Tests;

/// <summary>Recipes of several stages, on a small data set in the format of MNIST.</summary>
[Collection("engine")]
public sealed class StagedRunTests : IDisposable
{
    private readonly TempFolder folder = new();

    public StagedRunTests()
    {
        SmallMnist.Write(Path.Combine(folder.Path, "data"));
        File.WriteAllText(
            RecipePath,
            $$"""
            model: { name: vit_micro_patch4_32 }
            data: { name: fashion_mnist, batch: 16, root: {{Path.Combine(folder.Path, "data")}} }
            augment: random_horizontal_flip
            optimizer: { name: adamw, lr: 1e-3 }
            schedule: { name: cosine, epochs: 2 }
            evaluation: { every: 0 }
            train: { threads: 1 }
            stages:
              - name: pretrain
                objective: { name: masked_autoencoder, dim: 16, depth: 1, heads: 2 }
                optimizer: { beta2: 0.95 }
              - name: finetune
                model: { weights: "stage:pretrain" }
                objective: supervised
                optimizer: { name: sgd, lr: 1e-2 }
            """
        );
    }

    public void Dispose() => folder.Dispose();

    private string RecipePath => Path.Combine(folder.Path, "recipe.yaml");

    private string Runs(string name) => Path.Combine(folder.Path, name);

    [Fact]
    public void A_stage_changes_fields_of_the_common_part_and_names_earlier_runs()
    {
        var stages = StagedRun.Read(RecipePath, ["schedule.epochs=3", "stages.1.schedule.epochs=1"], Runs("a"));
        Assert.Equal(["pretrain", "finetune"], stages.Select(s => s.Name));
        var (first, second) = (stages[0].Recipe, stages[1].Recipe);
        Assert.Equal(new AdamWOptions(1e-3, Beta2: 0.95), first.Optimizer);
        Assert.Equal(new SgdOptions(1e-2), second.Optimizer);
        Assert.Equal((3, 1), (first.Schedule.TotalEpochs(1), second.Schedule.TotalEpochs(1)));
        Assert.Null(first.Model.Weights);
        Assert.Equal(("vit_micro_patch4_32", Path.Combine(Runs("a"), "pretrain")), (second.Model.Name, second.Model.Weights));
    }

    [Fact]
    public void Stages_can_be_begun_from_another_folder()
    {
        foreach (var stage in StagedRun.Begin(RecipePath, ["data.root=somewhere"], Runs("paths")).Stages)
            Assert.Equal(Path.GetFullPath("somewhere"), Recipe.Load(stage.RecipePath).Data.Root);
    }

    [Fact]
    public void Mistakes_of_any_stage_are_told_before_the_first_begins()
    {
        Assert.Contains("must name an earlier stage", Problem("stages.0.model.weights=stage:finetune"), StringComparison.Ordinal);
        Assert.Contains("must name an earlier stage: pretrain", Problem("stages.1.model.weights=stage:pretain"), StringComparison.Ordinal);
        Assert.Contains("did you mean 'schedule'", Problem("stages.1.shedule={epochs: 1}"), StringComparison.Ordinal);
        Assert.Contains("must be unique and consist of letters", Problem("stages.1.name=pretrain"), StringComparison.Ordinal);
        Assert.Contains("must be unique and consist of letters", Problem("stages.1.name=../x"), StringComparison.Ordinal);
        Assert.False(Directory.Exists(Runs("b")));

        string Problem(string setting) => Assert.Throws<RecipeException>(() => StagedRun.Begin(RecipePath, [setting], Runs("b"))).Message;
    }

    [Fact]
    public void What_was_stopped_in_either_stage_goes_on_to_the_same_weights()
    {
        foreach (var stage in StagedRun.Begin(RecipePath, [], Runs("whole")).Remaining)
            Train(stage, null);
        var parts = StagedRun.Begin(RecipePath, [], Runs("parts"));
        Assert.Contains(
            "--resume",
            Assert.Throws<RunException>(() => StagedRun.Begin(RecipePath, [], Runs("parts"))).Message,
            StringComparison.Ordinal
        );
        for (var round = 0; round < 2; round++)
        {
            // Stopped in the middle of each stage, then taken up again by another process.
            var stage = StagedRun.Open(Runs("parts")).Remaining.First();
            Assert.False(Train(stage, 4));
            Assert.False(stage.Done);
            Assert.True(Train(StagedRun.Open(Runs("parts")).Remaining.First(), null));
        }
        Assert.Empty(StagedRun.Open(Runs("parts")).Remaining);
        foreach (var stage in parts.Stages)
            Assert.Equal(Bytes(Path.Combine(Runs("whole"), stage.Name)), Bytes(stage.Folder));

        static byte[] Bytes(string run) => File.ReadAllBytes(new RunFolder(run).Checkpoints.Newest()!.FileOf("model"));
    }

    private static bool Train(StagedRun.Stage stage, int? stopAt)
    {
        using var stop = new CancellationTokenSource();
        using var experiment = StagedRun.Start(stage, e =>
        {
            if (e is StepDone step && step.Step == stopAt)
                stop.Cancel();
        });
        return experiment.Train(stop.Token).Completed;
    }

    [Fact]
    public void A_combination_that_makes_no_sense_is_refused_with_the_reason()
    {
        Assert.Contains("auxiliary losses have no map", Problem("stages.0.auxiliary=[relative_localization]"), StringComparison.Ordinal);
        Assert.Contains("mixup in augment", Problem("augment=[mixup: 0.8]"), StringComparison.Ordinal);
        var stages = StagedRun.Read(RecipePath, ["stages.1.auxiliary_losses=[relative_localization: { mode: ce }]"], Runs("c"));
        Assert.Equal([new RelativeLocalizationOptions(LocalizationMode.Ce)], stages[1].Recipe.AuxiliaryLosses);
        Assert.Equal(stages[1].Recipe.ToYaml(), Recipe.Parse(stages[1].Recipe.ToYaml(), "again").ToYaml());

        string Problem(string setting) => Assert.Throws<RecipeException>(() => StagedRun.Read(RecipePath, [setting], Runs("c"))).Message;
    }
}
