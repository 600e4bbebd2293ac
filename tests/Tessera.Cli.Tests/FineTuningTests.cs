namespace Tessera.Cli.Tests;

/// <summary>Training, then training on from what came of it: other data, other classes, another image size.</summary>
public sealed class FineTuningTests : IDisposable
{
    private readonly Workplace place = new();

    public void Dispose() => place.Dispose();

    // Photographs of another kind: a folder per class, of which the brightest row tells the class.
    private void WriteFolders(params string[] classes)
    {
        foreach (var split in (string[])["train", "val"])
        foreach (var (label, name) in classes.Index())
        {
            Directory.CreateDirectory(Path.Combine(place.Folder, "photos", split, name));
            for (var i = 0; i < 6; i++)
                place.WriteImage(Path.Combine("photos", split, name, $"{i}.png"), label);
        }
    }

    [Fact]
    [Trait("Category", "Long")]
    public void A_run_is_fine_tuned_on_other_classes_at_another_size_and_resumed_from_elsewhere()
    {
        string[] small =
        [
            "--set",
            "model.name=deit_tiny_patch16_224",
            "--set",
            "model.image_size=32",
            "--set",
            "model.channels=3",
            "--set",
            "augment=[squash: 32, to_color]",
            "--set",
            "evaluation.transforms=[squash: 32, to_color]",
            "--set",
            "schedule.epochs=1",
            "--set",
            "schedule.warmup=0",
        ];
        place.Run(place.Train([.. small, "--out", "first"])).Succeeded();

        WriteFolders("cup", "hat", "pen");
        place.Write(
            "tune.yaml",
            """
            model: { name: deit_tiny_patch16_224, image_size: 48, weights: first }
            data: { name: image_folder, root: photos, batch: 6, workers: 1, per_class: 5 }
            augment: [ squash: 48, flip ]
            objective: supervised
            optimizer: { name: adamw, lr: 1e-3, layer_decay: 0.75 }
            schedule: { name: cosine, epochs: 3 }
            evaluation: { split: val, transforms: [ squash: 48 ] }
            train: { threads: 1, recompute_blocks: true, micro_batch: 4, ema: 0.5 }
            """
        );
        var tuned = place.Run("train", "tune.yaml", "--out", "second", "--json").Succeeded().Json;
        Assert.True(tuned.GetProperty("completed").GetBoolean());
        Assert.Equal(6, tuned.GetProperty("total_steps").GetInt32());
        Assert.Equal(
            15,
            File.ReadAllLines(Path.Combine(place.Folder, "second", "samples.txt"))
                .Count(line => line.EndsWith(".png", StringComparison.Ordinal))
        );

        // Without the weights that it began with, from another folder: the checkpoint has all.
        Directory.Delete(Path.Combine(place.Folder, "first"), recursive: true);
        Directory.CreateDirectory(Path.Combine(place.Folder, "elsewhere"));
        CommandLineTool.Run(Path.Combine(place.Folder, "elsewhere"), ["train", "--resume", "../second"]).Succeeded();
        var measured = CommandLineTool.Run(Path.Combine(place.Folder, "elsewhere"), ["eval", "../second", "--json"]).Succeeded().Json;
        Assert.Equal(tuned.GetProperty("top1").GetDouble(), measured.GetProperty("top1").GetDouble(), 1e-9);
    }

    [Fact]
    public void Weights_that_are_not_there_or_of_another_model_are_an_error_of_one_line()
    {
        Assert.Contains("nowhere", place.Run(place.Train("--set", "model.weights=nowhere")).UserError(), StringComparison.Ordinal);
        Assert.Contains("neither a run", place.Run(place.Train("--set", "model.weights=data")).UserError(), StringComparison.Ordinal);
        Assert.Contains(
            "train.grad_checkpointing",
            place
                .Run(
                    place.Train(
                        "--set",
                        "model.name=revcol_tiny",
                        "--set",
                        "model.image_size=32",
                        "--set",
                        "augment=[squash: 32]",
                        "--set",
                        "evaluation.transforms=[squash: 32]",
                        "--set",
                        "train.recompute_blocks=true"
                    )
                )
                .UserError(),
            StringComparison.Ordinal
        );
        Assert.Contains("fp16", place.Run(place.Train("--set", "train.precision=fp16")).UserError(), StringComparison.Ordinal);
    }

    [Fact]
    [Trait("Category", "Long")]
    public void Tuning_on_a_part_held_out_is_measured_on_it_again()
    {
        var trained = place
            .Run(
                place.Train(
                    "--set",
                    "data.split=minitrain",
                    "--set",
                    "evaluation.split=minival",
                    "--set",
                    "data.minival=0.2",
                    "--set",
                    "schedule.epochs=1",
                    "--set",
                    "schedule.warmup=0",
                    "--out",
                    "tuning",
                    "--json"
                )
            )
            .Succeeded()
            .Json;
        var measured = place.Run("eval", "tuning", "--json").Succeeded().Json;
        Assert.Equal("minival", measured.GetProperty("split").GetString());
        Assert.Equal(trained.GetProperty("top1").GetDouble(), measured.GetProperty("top1").GetDouble(), 1e-9);
        Assert.Equal("test", place.Run("eval", "tuning", "--split", "test", "--json").Succeeded().Json.GetProperty("split").GetString());
    }
}
